package lint

import (
	"slices"
	"text/template/parse"
)

// A variable is a declared one, and whether it is read.
type variable struct {
	name  string
	at    parse.Pos
	used  bool
	outer *variable // of the same name, that this one hides
}

// scopes is where a walk through a template is: the variables that can be seen, the innermost last.
type scopes struct {
	t     *tree
	stack []*variable
	found func(Position, string, ...any)
}

func unusedVariables(t *tree, found func(Position, string, ...any)) {
	for _, root := range t.roots {
		s := &scopes{t: t, found: found}
		s.list(root.Root)
	}
}

// list walks a list in a scope of its own.
func (s *scopes) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	s.within(func() {
		for _, n := range l.Nodes {
			s.node(n)
		}
	})
}

// within ends the scope of what is declared in body, and reports what was never read.
func (s *scopes) within(body func()) {
	depth := len(s.stack)
	body()
	for _, v := range s.stack[depth:] {
		switch {
		case v.used:
		case v.outer != nil:
			s.found(s.t.position(v.at), "this %s is set and never read; to set that of line %d, write %s = in place of :=",
				v.name, s.t.position(v.outer.at).Line, v.name)
		default:
			s.found(s.t.position(v.at), "%s is set and never read", v.name)
		}
	}
	s.stack = s.stack[:depth]
}

func (s *scopes) node(n parse.Node) {
	branch := func(b *parse.BranchNode, setsDot bool) {
		s.within(func() {
			s.pipe(b.Pipe, setsDot)
			s.list(b.List)
			s.list(b.ElseList)
		})
	}
	switch n := n.(type) {
	case *parse.ActionNode:
		s.pipe(n.Pipe, false)
	case *parse.IfNode:
		branch(&n.BranchNode, false)
	case *parse.RangeNode:
		branch(&n.BranchNode, true)
	case *parse.WithNode:
		branch(&n.BranchNode, true)
	case *parse.TemplateNode:
		s.pipe(n.Pipe, false)
	}
}

// pipe marks what a pipe reads, and then declares what it sets. Where it sets the dot too, a variable need not be read: the
// second of range $i, $x has to be there for the first, and the body may read the dot in place of either.
func (s *scopes) pipe(p *parse.PipeNode, setsDot bool) {
	if p == nil {
		return
	}
	acts := false
	inspect(p, func(n parse.Node) bool {
		switch n := n.(type) {
		case *parse.VariableNode:
			if v := s.lookup(n.Ident[0]); v != nil {
				v.used = true
			}
		case *parse.IdentifierNode:
			acts = acts || slices.Contains(acting, n.Ident) || slices.Contains(changing, n.Ident)
		}
		return true
	})
	if p.IsAssign {
		return
	}
	for _, d := range p.Decl {
		name := d.Ident[0]
		s.stack = append(s.stack, &variable{name: name, at: d.Pos, used: setsDot || acts || name == "$_", outer: s.lookup(name)})
	}
}

// changing are functions that are called for what they do to an argument, or to the scratch.
var changing = []string{"scratch", "mergeMap", "mergeMapWithOverride", "sprig_set", "sprig_unset", "sprig_merge", "sprig_mergeOverwrite",
	"sprig_mustMerge", "sprig_mustMergeOverwrite"}

// lookup is the variable that a name stands for here, nil for none.
func (s *scopes) lookup(name string) *variable {
	for _, v := range slices.Backward(s.stack) {
		if v.name == name {
			return v
		}
	}
	return nil
}
