package lint

import (
	"errors"
	"slices"
	"strings"
	"text/template/parse"

	"lictor/funcs"
)

// A Failing call fails whatever the data says; but see Name.
type Failing struct {
	At Position
	// Err says which call it is, and why it fails.
	Err error
	// Certain says that every execution of the template comes to the call. Other calls stand in branches, in loops or in
	// templates that are defined, which may be there for another place.
	Certain bool
	// Query says that the call asks for something that can't be asked for; else the function itself is not to be had.
	Query bool
	// Name says that the text which is asked for means something where the registry has a thing of that very name, as it may: such a
	// name should be quoted.
	Name bool
}

// FailingCalls lists the calls of a template that can't work, in the order of the text: of functions whose system is not
// supported or that the template is denied, and queries that are written out and none. A query that is made of the
// environment is not judged, since that may be another one where the template is run.
func FailingCalls(s Source) ([]Failing, error) {
	t, err := parseTree(s)
	if err != nil {
		return nil, err
	}
	return t.failingCalls(), nil
}

func (t *tree) failingCalls() []Failing {
	certain := t.certain()
	var list []Failing
	for _, u := range t.queries() {
		if u.Err != nil && !u.outside {
			list = append(list, Failing{At: u.At, Err: u.Problem(), Certain: certain[u.At], Query: true, Name: u.named()})
		}
	}
	t.each(func(n parse.Node) {
		id, ok := n.(*parse.IdentifierNode)
		if !ok {
			return
		}
		if err := funcs.Refused(id.Ident, t.Functions.Denylist); err != nil {
			at := t.position(id.Pos)
			list = append(list, Failing{At: at, Err: err, Certain: certain[at]})
		}
	})
	slices.SortStableFunc(list, func(a, b Failing) int { return a.At.compare(b.At) })
	return list
}

// failingCalls is the part of the rule L001 that is about calls of functions which there are.
func failingCalls(t *tree, found func(Position, string, ...any)) {
	for _, f := range t.failingCalls() {
		when := "always fails"
		if f.Name {
			when = "fails where nothing has this very name"
		}
		found(f.At, "%s: %v", when, f.Err)
	}
}

// Problem says what is wrong with a use that has an Err, in the words of the function.
func (u Use) Problem() error {
	if _, why, ok := strings.Cut(u.Err.Error(), "error calling "); ok {
		if u.named() {
			why += `; where a name is meant, quote it: (printf "%q" NAME)`
		}
		return errors.New(why)
	}
	_, why, _ := strings.Cut(u.Err.Error(), ">: ") // what text/template says itself, of arguments
	return errors.New(u.Source + ": " + why)
}

// named tells whether a use with an Err asks for a thing that has its text for a name.
func (u Use) named() bool { return u.Err != nil && len(u.Queries) > 0 }

// certain are the places of what every execution of the template comes to, unless it ends before.
func (t *tree) certain() map[Position]bool {
	at := map[Position]bool{}
	var note func(parse.Node) bool
	note = func(n parse.Node) bool {
		at[t.position(n.Position())] = true
		if c, ok := n.(*parse.CommandNode); ok && slices.Contains([]string{"and", "or"}, call(c)) && len(c.Args) > 1 {
			inspect(c.Args[1], note) // those behind it are evaluated where it does not decide
			return false
		}
		return true
	}
	if t.roots[0].Root == nil {
		return at
	}
	for _, n := range t.roots[0].Root.Nodes {
		switch n := n.(type) {
		case *parse.IfNode:
			inspect(n.Pipe, note)
		case *parse.RangeNode:
			inspect(n.Pipe, note)
		case *parse.WithNode:
			inspect(n.Pipe, note)
		default:
			inspect(n, note)
		}
	}
	return at
}
