package lint

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
)

// extension is that of the file that a template makes, by the template's name.
func extension(name string) string {
	for _, ending := range []string{".ctmpl", ".tmpl", ".tpl"} {
		name = strings.TrimSuffix(name, ending)
	}
	return filepath.Ext(name)
}

// startsBlock matches a line after which a text stands that is indented deeper than it: key: | or - >-.
var startsBlock = regexp.MustCompile(`(^|[\s:-])[|>][-+0-9]*(\s+#.*)?$`)

func tabsInYAML(t *tree, found func(Position, string, ...any)) {
	if !slices.Contains([]string{".yaml", ".yml"}, extension(t.Name)) {
		return
	}
	blocks := t.textBlocks()
	t.each(func(n parse.Node) {
		text, ok := n.(*parse.TextNode)
		if !ok {
			return
		}
		offset := int(text.Pos)
		for line := range strings.Lines(string(text.Text)) {
			blank := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
			tab := strings.IndexByte(blank, '\t')
			if tab >= 0 && (offset == 0 || t.Text[offset-1] == '\n') && strings.TrimSpace(line) != "" {
				if at := t.position(parse.Pos(offset + tab)); !blocks[at.Line] {
					found(at, "YAML does not allow a tab here; indent with blanks")
				}
			}
			offset += len(line)
		}
	})
}

// textBlocks are the lines, counted from 1, that are within a text which is written out in lines: a tab may stand in those,
// behind the blanks.
func (t *tree) textBlocks() map[int]bool {
	blocks := map[int]bool{}
	left := cmp.Or(t.Left, "{{")
	within := -1 // how deep the line is indented that the text belongs to
	for i, line := range strings.Split(t.Text, "\n") {
		content := strings.TrimLeft(line, " ")
		depth := len(line) - len(content)
		if strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), left) {
			continue // what an action prints, or whether it does, is not known here
		}
		if depth > within {
			blocks[i+1] = within >= 0
		} else {
			within = -1
		}
		if within < 0 && startsBlock.MatchString(strings.TrimRight(line, " \t\r")) {
			within = depth
		}
	}
	return blocks
}
