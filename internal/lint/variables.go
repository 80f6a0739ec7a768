package lint

import (
	"text/template/parse"
)

// A variable is a declared one, and whether it is read.
type variable struct {
	name string
	at   parse.Pos
	used bool
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
		if !v.used {
			s.found(s.t.position(v.at), "%s is set and never read", v.name)
		}
	}
	s.stack = s.stack[:depth]
}

func (s *scopes) node(n parse.Node) {
	branch := func(b *parse.BranchNode) {
		s.within(func() {
			s.pipe(b.Pipe)
			s.list(b.List)
			s.list(b.ElseList)
		})
	}
	switch n := n.(type) {
	case *parse.ActionNode:
		s.pipe(n.Pipe)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		s.pipe(n.Pipe)
	}
}

// pipe marks what a pipe reads, and then declares what it sets.
func (s *scopes) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	inspect(p, func(n parse.Node) bool {
		if v, ok := n.(*parse.VariableNode); ok {
			s.use(v.Ident[0])
		}
		return true
	})
	if p.IsAssign {
		return
	}
	for _, d := range p.Decl {
		s.stack = append(s.stack, &variable{name: d.Ident[0], at: d.Pos})
	}
}

func (s *scopes) use(name string) {
	for i := len(s.stack) - 1; i >= 0; i-- {
		if s.stack[i].name == name {
			s.stack[i].used = true
			return
		}
	}
}
