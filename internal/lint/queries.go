package lint

import (
	"context"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/watch"
)

// A Use is a place where a template asks for something.
type Use struct {
	At       Position
	Function string
	Source   string // the call as it is written, with what is piped into it
	// Queries are what the call asks for; none where that depends on data.
	Queries []watch.Query
	// Err is why a call can't ask for anything, such as a name that is none; nil where all is well.
	Err error
}

// Queries lists the calls of a template that ask for data, in the order of the text. Those whose arguments are written
// out, or made of what is, are evaluated; what the others ask for is only known with the data.
func Queries(s Source) ([]Use, error) {
	t, err := parseTree(s)
	if err != nil {
		return nil, err
	}
	w := &walker{tree: t, ask: queryFunctions()}
	t.each(func(n parse.Node) {
		if p, ok := n.(*parse.PipeNode); ok {
			w.pipe(p)
		}
	})
	slices.SortStableFunc(w.uses, func(a, b Use) int {
		if a.At.Line != b.At.Line {
			return a.At.Line - b.At.Line
		}
		return a.At.Column - b.At.Column
	})
	return w.uses, nil
}

type walker struct {
	*tree
	ask  map[string]bool
	uses []Use
}

// pipe notes the calls in one pipe; those in its brackets are pipes of their own.
func (w *walker) pipe(p *parse.PipeNode) {
	constant := true // whether all that came before is made of what is written out
	var before []string
	for _, c := range p.Cmds {
		for _, arg := range c.Args[1:] { // {{ len services }}
			if id, ok := arg.(*parse.IdentifierNode); ok && w.ask[id.Ident] {
				w.add(id.Pos, id.Ident, id.Ident, true)
			}
		}
		before = append(before, c.String())
		fixed := constant && !slices.ContainsFunc(c.Args, func(n parse.Node) bool { return !w.constant(n) })
		if name := call(c); w.ask[name] {
			w.add(c.Pos, name, strings.Join(before, " | "), constant && w.constantArgs(c))
			fixed = false
		}
		constant = fixed
	}
}

func (w *walker) constantArgs(c *parse.CommandNode) bool {
	return !slices.ContainsFunc(c.Args[1:], func(n parse.Node) bool { return !w.constant(n) })
}

// acting are functions that must not run here, or don't give the same twice.
var acting = []string{"plugin", "writeToFile", "executeTemplate", "spew_dump", "spew_printf"}

// constant tells whether a node is made of what is written out.
func (w *walker) constant(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.NilNode:
		return true
	case *parse.IdentifierNode:
		return !w.ask[n.Ident] && !slices.Contains(acting, n.Ident)
	case *parse.PipeNode:
		return !slices.ContainsFunc(n.Cmds, func(c *parse.CommandNode) bool {
			return slices.ContainsFunc(c.Args, func(a parse.Node) bool { return !w.constant(a) })
		})
	}
	return false
}

func (w *walker) add(at parse.Pos, function, source string, constant bool) {
	use := Use{At: w.position(at), Function: function, Source: source}
	if constant {
		use.Queries, use.Err = evaluate(source)
	}
	w.uses = append(w.uses, use)
}

// evaluate runs one call, and sees what it asks for.
func evaluate(source string) ([]watch.Query, error) {
	tmpl, err := engine.Parse("call", "{{ "+source+" }}", engine.Options{}, func(p *engine.Pass) template.FuncMap {
		return funcs.Map(context.Background(), p, funcs.Options{})
	})
	if err != nil {
		return nil, err
	}
	result, err := tmpl.Execute(func(watch.Query) (any, bool) { return nil, false })
	if err == nil { // what is no name by the grammar may be one that a registry has: see what it is where there is none
		_, err = tmpl.Execute(func(watch.Query) (any, bool) { return nil, true })
	}
	return result.Used.Sorted(), err
}
