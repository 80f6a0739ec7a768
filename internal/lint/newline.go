package lint

import (
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
)

// missingNewline looks for what may be the last thing printed without a line end. A line that consists of values alone is
// not reported, since they may bring the line end along.
func missingNewline(t *tree, found func(Position, string, ...any)) {
	if slices.Contains([]string{".json", ".yaml", ".yml", ".toml", ".xml", ".html"}, extension(t.Name)) {
		return // those who read these don't need one
	}
	p := &printer{tree: t, pure: pureFunctions(), done: map[templateCall]printed{}}
	if out := p.list(t.roots[0].Root, printed{line: true}); out.open > 0 {
		found(t.position(out.open-1), "the output may end here without a newline")
	}
}

// printed is in which ways the output up to some place may end; none of them where that place is never reached.
type printed struct {
	line  bool      // with a line end and perhaps blanks after it, or there is no output yet
	value bool      // with values that are alone on their line
	open  parse.Pos // in a line that has text of the template: one more than the last place that prints to it; 0 where not
}

func (a printed) or(b printed) printed {
	return printed{a.line || b.line, a.value || b.value, max(a.open, b.open)}
}

// A printer follows what a template prints through its branches, as far as the text tells.
type printer struct {
	*tree
	pure map[string]bool
	done map[templateCall]printed // how defined templates end; while one is looked at, that it may print anything

	breaks, continues printed // of the loop that is looked at
}

// A templateCall is the call of a defined template after some output.
type templateCall struct {
	name   string
	before printed
}

func (p *printer) list(l *parse.ListNode, before printed) printed {
	if l == nil {
		return before
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			before = before.text(string(n.Text), n.Pos+parse.Pos(max(0, len(n.Text)-1)))
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 {
				before = p.action(n, before)
			}
		case *parse.TemplateNode:
			before = p.template(n.Name, before)
		case *parse.IfNode:
			before = p.list(n.List, before).or(p.list(n.ElseList, before))
		case *parse.WithNode:
			before = p.list(n.List, before).or(p.list(n.ElseList, before))
		case *parse.RangeNode:
			before = p.loop(n, before)
		case *parse.BreakNode:
			p.breaks, before = p.breaks.or(before), printed{}
		case *parse.ContinueNode:
			p.continues, before = p.continues.or(before), printed{}
		}
	}
	return before
}

// loop enters the body until nothing new comes of it.
func (p *printer) loop(n *parse.RangeNode, before printed) printed {
	breaks, continues := p.breaks, p.continues
	defer func() { p.breaks, p.continues = breaks, continues }()
	p.breaks, p.continues = printed{}, printed{}
	start := before
	for {
		after := p.list(n.List, start).or(p.continues)
		if next := start.or(after); next != start {
			start = next
			continue
		}
		return after.or(p.breaks).or(p.list(n.ElseList, before))
	}
}

func (p *printer) template(name string, before printed) printed {
	call := templateCall{name, before}
	if after, ok := p.done[call]; ok {
		return after
	}
	i := slices.IndexFunc(p.roots, func(root *parse.Tree) bool { return root.Name == name })
	if i < 0 || before == (printed{}) {
		return before
	}
	p.done[call] = printed{value: true}
	p.done[call] = p.list(p.roots[i].Root, before)
	return p.done[call]
}

// text is what before becomes when a text of the template is printed that ends at a place.
func (a printed) text(text string, at parse.Pos) printed {
	end := strings.LastIndexByte(text, '\n')
	switch {
	case a == printed{}:
		return a
	case strings.TrimSpace(text[end+1:]) != "":
		return printed{open: at + 1}
	case end >= 0:
		return printed{line: true}
	}
	return a
}

// unknown is what it becomes when a value is printed that may be anything, and may be empty.
func (a printed) unknown(at parse.Pos) printed {
	if a.open > 0 {
		a.open = at + 1
	}
	a.value = a.value || a.line
	return a
}

var verb = regexp.MustCompile(`%[-+# 0]*(?:\[\d+\])?[\d.*]*[a-zA-Z]`)

// action is what before becomes when an action prints.
func (p *printer) action(n *parse.ActionNode, before printed) printed {
	last := n.Pipe.Cmds[len(n.Pipe.Cmds)-1]
	if text, ok := literal(last.Args[0]); ok {
		return before.text(text, n.Pos)
	}
	if constant(n.Pipe, func(function string) bool { return p.pure[function] }, nil) {
		if result, err := run("{{ " + n.Pipe.String() + " }}"); err == nil {
			return before.text(string(result.Output), n.Pos)
		}
	}
	first := "" // argument, where it is written out: a format, or a name
	if len(last.Args) > 1 {
		first, _ = literal(last.Args[1])
	}
	switch {
	case quiet(last):
		return before
	case call(last) == "executeTemplate" && first != "":
		return p.template(first, before)
	case call(last) == "file": // nearly every one ends with a newline
		return printed{value: true}
	case call(last) == "println":
		return before.text("\n", n.Pos)
	case call(last) == "printf" && first != "":
		pieces := verb.Split(strings.ReplaceAll(first, "%%", "\x00"), -1)
		for i, piece := range pieces {
			if i > 0 {
				before = before.unknown(n.Pos)
			}
			before = before.text(piece, n.Pos)
		}
		return before
	case call(last) == "print" && len(n.Pipe.Cmds) == 1:
		for _, arg := range last.Args[1:] {
			if text, ok := literal(arg); ok {
				before = before.text(text, n.Pos)
			} else {
				before = before.unknown(n.Pos)
			}
		}
		return before
	}
	return before.unknown(n.Pos)
}

// quiet tells whether a command prints nothing.
func quiet(c *parse.CommandNode) bool {
	if chain, ok := c.Args[0].(*parse.ChainNode); ok {
		id, ok := chain.Node.(*parse.IdentifierNode)
		return ok && id.Ident == "scratch" && slices.Contains([]string{"Set", "SetX", "MapSet", "MapSetX"}, chain.Field[0])
	}
	return slices.Contains([]string{"writeToFile", "spew_dump", "spew_printf"}, call(c))
}
