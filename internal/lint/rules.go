package lint

import (
	"cmp"
	"slices"
	"strings"
	"text/template/parse"

	"lictor/funcs"
	"lictor/internal/spell"
)

func callsThatFail(t *tree, found func(Position, string, ...any)) {
	unknownFunctions(t, found)
	failingCalls(t, found)
}

// unknownFunctions looks for functions that there are not, and for methods that no value has.
func unknownFunctions(t *tree, found func(Position, string, ...any)) {
	names := funcs.Names()
	t.each(func(n parse.Node) {
		switch n := n.(type) {
		case *parse.IdentifierNode:
			if !slices.Contains(names, n.Ident) && !slices.Contains(spell.Builtins, n.Ident) {
				found(t.position(n.Pos), "there is no function %q; %s", n.Ident, cmp.Or(spell.Function(n.Ident, names), "lictor functions lists them all"))
			}
		case *parse.CommandNode:
			name := method(n)
			if hint := spell.Method(name); hint != "" {
				found(t.position(n.Pos), "nothing has a method %s; %s", name, hint)
			}
		}
	})
}

// method is the method that a command calls with arguments, "" for none.
func method(c *parse.CommandNode) string {
	if len(c.Args) == 1 {
		return ""
	}
	switch n := c.Args[0].(type) {
	case *parse.FieldNode:
		return n.Ident[len(n.Ident)-1]
	case *parse.VariableNode:
		return n.Ident[len(n.Ident)-1]
	case *parse.ChainNode:
		return n.Field[len(n.Field)-1]
	}
	return ""
}

func serviceWithoutStatus(t *tree, found func(Position, string, ...any)) {
	t.calls([]string{"service", "connect"}, func(c *parse.CommandNode, args []string) {
		if len(args) == 0 || strings.Contains(args[0], "|") {
			return // is made at run time, or says it
		}
		if slices.ContainsFunc(args[1:], func(a string) bool { return !strings.HasPrefix(a, "filter=") }) {
			return // says it in the older form
		}
		found(t.position(c.Pos), "%s %q takes only instances that pass all checks; write %q where that is meant, or |any", call(c), args[0], args[0]+"|passing")
	})
}

// calls visits the calls of the named functions, with those of their first arguments that are written out.
func (t *tree) calls(names []string, visit func(c *parse.CommandNode, args []string)) {
	t.each(func(n parse.Node) {
		p, ok := n.(*parse.PipeNode)
		if !ok {
			return
		}
		for i, c := range p.Cmds {
			if !slices.Contains(names, call(c)) {
				continue
			}
			var args []string
			for _, a := range c.Args[1:] {
				text, ok := literal(a)
				if !ok {
					break
				}
				args = append(args, text)
			}
			if i > 0 && len(c.Args) == 1 && len(p.Cmds[i-1].Args) == 1 { // "web" | service
				if text, ok := literal(p.Cmds[i-1].Args[0]); ok {
					args = []string{text}
				}
			}
			visit(c, args)
		}
	})
}
