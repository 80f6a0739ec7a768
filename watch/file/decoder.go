package file

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// A decoder takes one document apart, strictly, and collects what is wrong with it. Each problem is one line: file,
// line, what, why, and what to do.
type decoder struct {
	file     string
	problems []string
	where    map[any]string // "file:line" of nodes and instances, for errors that only show in the whole
}

const maxProblems = 10

// fail notes a problem at n. KV values never appear in it: they may be secrets.
func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, fmt.Sprintf("%s:%d: ", d.file, n.Line)+fmt.Sprintf(format, args...))
}

// note remembers where a node or an instance is written.
func (d *decoder) note(thing any, n *yaml.Node) {
	d.where[thing] = fmt.Sprintf("%s:%d", d.file, n.Line)
}

func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(d.problems, "\n"))
}

func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kind says what n is, for an error message.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "nothing"
	}
	return "a single value"
}

// each calls visit for each entry of a mapping, in the order of the document.
func (d *decoder) each(n *yaml.Node, what string, visit func(name string, key, value *yaml.Node)) {
	if n = resolve(n); isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s must be a mapping (name: value), not %s", what, kind(n))
		return
	}
	for _, e := range d.entries(n, what) {
		if d.full() {
			return
		}
		visit(e.key.Value, e.key, e.value)
	}
}

// list decodes a sequence.
func (d *decoder) list(n *yaml.Node, what string, visit func(i int, n *yaml.Node)) {
	if n = resolve(n); isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "%s must be a list, not %s", what, kind(n))
		return
	}
	for i, e := range n.Content {
		if d.full() {
			return
		}
		visit(i, resolve(e))
	}
}

// single returns the text of a single value just as it is written, so that 08080 stays 08080 and yes stays yes.
func (d *decoder) single(n *yaml.Node, what string) (string, bool) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode {
		d.fail(n, "%s must be a single value, not %s", what, kind(n))
		return "", false
	}
	if isNull(n) {
		return "", true
	}
	return n.Value, true
}
