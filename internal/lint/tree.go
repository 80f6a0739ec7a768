// Package lint reads templates. [Lint] says what is doubtful in one, and [Queries] what it asks for. Nothing that acts on the
// world is run, and a template is only rendered where there is data for it.
package lint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template/parse"
	"unicode/utf8"

	"lictor/funcs"
	"lictor/internal/engine"
)

// A Source is a template to be read.
type Source struct {
	Name, Text  string
	Left, Right string        // delimiters, "" for the usual ones
	Functions   funcs.Options // how its functions are bound, and which of them it may not call
	// Render renders a template on data, for the rules that do; nil where there is no data.
	Render func(*engine.Template) ([]byte, error)
}

// A tree is a parsed template, and where things are in it.
type tree struct {
	Source
	roots []*parse.Tree // the template itself first, then those that it defines, by name
}

// parseTree parses a source whatever functions it calls, comments included.
func parseTree(s Source) (*tree, error) {
	t := parse.New(s.Name)
	t.Mode = parse.ParseComments | parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	if _, err := t.Parse(s.Text, s.Left, s.Right, set); err != nil {
		return nil, err
	}
	out := &tree{Source: s, roots: []*parse.Tree{t}}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name] != t {
			out.roots = append(out.roots, set[name])
		}
	}
	return out, nil
}

// A Position is a place in a template, counted from 1.
type Position struct{ Line, Column int }

func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// compare orders positions as the text does.
func (p Position) compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Line, other.Line), cmp.Compare(p.Column, other.Column))
}

func (s Source) position(at parse.Pos) Position {
	before := s.Text[:min(int(at), len(s.Text))]
	line := strings.LastIndexByte(before, '\n') + 1
	return Position{1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[line:])}
}

// inspect calls visit for n and, where that returns true, for all below it, in the order of the text.
func inspect(n parse.Node, visit func(parse.Node) bool) {
	if n == nil || !visit(n) {
		return
	}
	branch := func(b *parse.BranchNode) {
		inspect(b.Pipe, visit)
		inspectList(b.List, visit)
		inspectList(b.ElseList, visit)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			inspect(c, visit)
		}
	case *parse.ActionNode:
		inspect(n.Pipe, visit)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			inspect(c, visit)
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			inspect(a, visit)
		}
	case *parse.ChainNode:
		inspect(n.Node, visit)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			inspect(n.Pipe, visit)
		}
	}
}

func inspectList(l *parse.ListNode, visit func(parse.Node) bool) {
	if l != nil {
		inspect(l, visit)
	}
}

// each calls visit for every node of every template in t.
func (t *tree) each(visit func(parse.Node)) {
	for _, root := range t.roots {
		inspectList(root.Root, func(n parse.Node) bool { visit(n); return true })
	}
}

// call is the function that a command calls, "" for none.
func call(c *parse.CommandNode) string {
	if id, ok := c.Args[0].(*parse.IdentifierNode); ok {
		return id.Ident
	}
	return ""
}

// literal is the text of an argument that is written out.
func literal(n parse.Node) (string, bool) {
	s, ok := n.(*parse.StringNode)
	if !ok {
		return "", false
	}
	return s.Text, true
}

// queryFunctions are the functions that ask for data.
func queryFunctions() map[string]bool {
	ask := functionsOf("Key-value store", "Services and nodes", "Mesh, partitions and peers")
	ask["file"] = true
	return ask
}

// pureFunctions are those whose result is made of their arguments alone.
func pureFunctions() map[string]bool {
	return functionsOf("Text", "Lists and maps", "Parse and convert", "Numbers", "Hashes and base64")
}

func functionsOf(groups ...string) map[string]bool {
	names := map[string]bool{}
	for _, d := range funcs.Docs() {
		if slices.Contains(groups, d.Group) {
			names[d.Name] = true
		}
	}
	return names
}
