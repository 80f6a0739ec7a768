package lint

import (
	"bytes"
	"slices"
	"strings"
	"text/template/parse"

	"lictor/funcs"
	"lictor/internal/spell"
)

func unknownFunctions(t *tree, found func(Position, string, ...any)) {
	names := append(funcs.Names(), builtins...)
	t.each(func(n parse.Node) {
		id, ok := n.(*parse.IdentifierNode)
		if !ok {
			return
		}
		near := spell.Closest(id.Ident, names)
		switch {
		case slices.Contains(names, id.Ident):
		case near != "":
			found(t.position(id.Pos), "there is no function %q; did you mean %q?", id.Ident, near)
		default:
			found(t.position(id.Pos), "there is no function %q; lictor functions lists them all", id.Ident)
		}
	})
}

func keysWithoutDefault(t *tree, found func(Position, string, ...any)) {
	guarded := map[string]bool{}
	t.calls([]string{"keyExists", "keyExistsGet"}, func(_ *parse.CommandNode, args []string) {
		if len(args) > 0 {
			guarded[args[0]] = true
		}
	})
	t.calls([]string{"key"}, func(c *parse.CommandNode, args []string) {
		switch {
		case len(args) == 0:
			found(t.position(c.Pos), "key waits until the key is there; keyOrDefault has a default")
		case !guarded[args[0]]:
			found(t.position(c.Pos), "key %q waits until the key is there; keyOrDefault has a default", args[0])
		}
	})
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

// missingNewline looks at what the output may end with.
func missingNewline(t *tree, found func(Position, string, ...any)) {
	root := t.roots[0].Root
	if root == nil || len(strings.TrimSpace(t.Text)) == 0 {
		return
	}
	e := ending{t, map[string]bool{}}
	if at, open := e.list(root); open {
		found(t.position(at), "the output may end here without a newline")
	}
}

// An ending looks for where an output may end without a newline.
type ending struct {
	*tree
	entered map[string]bool // the defined templates that were looked at, since one may call itself
}

// list tells where the output of a list may end without a newline. A list without output is no reason for one.
func (e ending) list(l *parse.ListNode) (at parse.Pos, open bool) {
	if l == nil {
		return 0, false
	}
	for _, n := range slices.Backward(l.Nodes) {
		switch n := n.(type) {
		case *parse.TextNode:
			return n.Pos + parse.Pos(max(0, len(n.Text)-1)), !bytes.HasSuffix(n.Text, []byte("\n"))
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 {
				return n.Pos, true
			}
		case *parse.IfNode:
			return e.branch(&n.BranchNode, l)
		case *parse.RangeNode:
			return e.branch(&n.BranchNode, l)
		case *parse.WithNode:
			return e.branch(&n.BranchNode, l)
		case *parse.TemplateNode:
			for _, root := range e.roots {
				if root.Name == n.Name && !e.entered[n.Name] {
					e.entered[n.Name] = true
					return e.list(root.Root)
				}
			}
			return n.Pos, false
		}
	}
	return 0, false
}

// branch looks at the branches of the last node of a list, and at what comes before it where there is no else.
func (e ending) branch(b *parse.BranchNode, l *parse.ListNode) (parse.Pos, bool) {
	if at, open := e.list(b.List); open {
		return at, true
	}
	if b.ElseList != nil {
		return e.list(b.ElseList)
	}
	i := slices.IndexFunc(l.Nodes, func(n parse.Node) bool { return n.Position() == b.Pos })
	return e.list(&parse.ListNode{Nodes: l.Nodes[:max(i, 0)]})
}

func tabsInYAML(t *tree, found func(Position, string, ...any)) {
	if !isYAML(t.Name) {
		return
	}
	t.each(func(n parse.Node) {
		text, ok := n.(*parse.TextNode)
		if !ok {
			return
		}
		offset := int(text.Pos)
		for line := range strings.Lines(string(text.Text)) {
			blank := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
			if tab := strings.IndexByte(blank, '\t'); tab >= 0 && (offset == 0 || t.Text[offset-1] == '\n') && strings.TrimSpace(line) != "" {
				found(t.position(parse.Pos(offset+tab)), "YAML does not allow a tab here; indent with blanks")
			}
			offset += len(line)
		}
	})
}
