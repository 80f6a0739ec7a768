package file

import (
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// Write writes data as a data file that says the same: sorted, so that equal data gives equal bytes, and without what is
// the default anyway.
func Write(w io.Writer, d *Data) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(documentFields(d).node()); err != nil {
		return err
	}
	return enc.Close()
}

// mappingNode is a mapping, sorted by its names.
func mappingNode[V any](m map[string]V, value func(name string, v V) *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		n.Content = append(n.Content, textNode(name), value(name, m[name]))
	}
	return n
}

// listNode is a list with one element a line.
func listNode[E any](list []E, element func(E) *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, e := range list {
		n.Content = append(n.Content, element(e))
	}
	return n
}

func plainNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// textNode is a text, quoted where it would be read as something else.
func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	odd := s == "" || s[0] == ' ' || s[0] == '\n' || s == "<<"
	for line := range strings.SplitSeq(s, "\n") {
		// A block of lines can't hold these faithfully, or would hide them from the reader.
		odd = odd || strings.TrimRight(line, " ") != line || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) })
	}
	if odd {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
