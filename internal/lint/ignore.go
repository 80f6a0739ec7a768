package lint

import (
	"slices"
	"strings"
	"text/template/parse"
)

// silence is which codes are ignored where.
type silence struct {
	everywhere []string
	lines      map[int][]string
}

func (s silence) covers(code string, line int) bool {
	return slices.Contains(s.everywhere, code) || slices.Contains(s.lines[line], code)
}

// ignores reads the comments that silence codes. "lictor:ignore L003 L006" is for the line of the comment and the next,
// "lictor:ignore-file L003" for the whole file. A comment that names no known code is a finding.
func (t *tree) ignores() (silence, []Finding) {
	s := silence{lines: map[int][]string{}}
	var idle []Finding
	known := func(code string) bool {
		return slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Code == code && r.Code != "L000" })
	}
	t.each(func(n parse.Node) {
		c, ok := n.(*parse.CommentNode)
		if !ok {
			return
		}
		text := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(c.Text, "/*"), "*/"))
		words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\t\n", r) })
		if len(words) == 0 || words[0] != "lictor:ignore" && words[0] != "lictor:ignore-file" {
			return
		}
		var codes []string
		for _, w := range words[1:] {
			if !known(w) {
				break // the reason why, in words
			}
			codes = append(codes, w)
		}
		at := t.position(c.Pos)
		last := at.Line + strings.Count(c.Text, "\n")
		switch {
		case len(codes) == 0:
			idle = append(idle, Finding{t.Name, at, "L007", "this ignores nothing: name the codes, such as " + words[0] + " L004"})
		case words[0] == "lictor:ignore-file":
			s.everywhere = append(s.everywhere, codes...)
		default:
			for line := at.Line; line <= last+1; line++ {
				s.lines[line] = append(s.lines[line], codes...)
			}
		}
	})
	return s, idle
}
