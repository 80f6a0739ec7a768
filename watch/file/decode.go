package file

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"lictor/internal/spell"
)

// A decoder takes one document apart, strictly, and collects what is wrong with it. Each complaint is one line: file,
// line, what, why, and what to do.
type decoder struct {
	file     string
	problems []string
}

const maxProblems = 10

// fail notes a problem at n. KV values never appear in it: they may be secrets.
func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, fmt.Sprintf("%s:%d: ", d.file, n.Line)+fmt.Sprintf(format, args...))
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

// fields is how to decode each field that a mapping may have.
type fields map[string]func(*yaml.Node)

// fields decodes a mapping of known fields.
func (d *decoder) fields(n *yaml.Node, what string, known fields) {
	d.each(n, what, func(name string, key, value *yaml.Node) {
		if decode, ok := known[name]; ok {
			decode(resolve(value))
			return
		}
		names := slices.Sorted(func(yield func(string) bool) {
			for k := range known {
				if !yield(k) {
					return
				}
			}
		})
		hint := "; known are " + strings.Join(names, ", ")
		if close := spell.Closest(name, names); close != "" {
			hint = fmt.Sprintf("; did you mean %q?", close)
		}
		d.fail(key, "unknown field %q in %s%s", name, what, hint)
	})
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

// scalar returns the text of a single value just as it is written, so that 08080 stays 08080 and yes stays yes.
func (d *decoder) scalar(n *yaml.Node, what string) (string, bool) {
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

func (d *decoder) text(to *string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if s, ok := d.scalar(n, what); ok {
			*to = s
		}
	}
}

func (d *decoder) oneOf(to *string, what, hint string, allowed ...string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, what)
		if ok && s != "" && !slices.Contains(allowed, s) {
			d.fail(n, "%s must be one of %s, not %q%s", what, strings.Join(allowed, ", "), s, hint)
			return
		}
		*to = s
	}
}

func (d *decoder) flag(to *bool, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, what)
		if !ok {
			return
		}
		b, err := strconv.ParseBool(s)
		if err != nil {
			d.fail(n, "%s must be true or false, not %q", what, s)
		}
		*to = b
	}
}

func (d *decoder) number(to *int, what string, low, high int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, what)
		if !ok {
			return
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < low || i > high {
			d.fail(n, "%s must be a whole number from %d to %d, not %q", what, low, high, s)
		}
		*to = i
	}
}

func (d *decoder) unsigned(to *uint64, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, what)
		if !ok {
			return
		}
		i, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			d.fail(n, "%s must be a whole number from 0, not %q", what, s)
		}
		*to = i
	}
}

func (d *decoder) float(to *float64, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, what)
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			d.fail(n, "%s must be a number, not %q", what, s)
			return
		}
		*to = f
	}
}

func (d *decoder) duration(to *time.Duration, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, what)
		if !ok {
			return
		}
		v, err := time.ParseDuration(s)
		if err != nil || v < 0 {
			d.fail(n, "%s must be a duration with its unit, such as 12ms, not %q", what, s)
		}
		*to = v
	}
}

func (d *decoder) moment(to *time.Time, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := d.scalar(n, what)
		if !ok {
			return
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			d.fail(n, "%s must be a time such as 2026-01-31T12:00:00Z, not %q", what, s)
		}
		*to = t
	}
}

// texts decodes a list of texts, which replaces what an earlier file said; null leaves none.
func (d *decoder) texts(to *[]string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if isNull(n) {
			*to = nil
			return
		}
		out := []string{}
		d.list(n, what, func(i int, n *yaml.Node) {
			if s, ok := d.scalar(n, fmt.Sprintf("entry %d of %s", i+1, what)); ok {
				out = append(out, s)
			}
		})
		*to = out
	}
}

// textMap decodes a mapping of names to texts over what an earlier file said; null takes a name away. {} is an empty mapping,
// which differs from none.
func (d *decoder) textMap(to *map[string]string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		filled(to, n)
		d.each(n, what, func(name string, _, value *yaml.Node) {
			if isNull(resolve(value)) {
				delete(*to, name)
				return
			}
			if s, ok := d.scalar(value, fmt.Sprintf("%q in %s", name, what)); ok {
				put(to, name, s)
			}
		})
	}
}

// filled makes the map that a mapping is decoded into, so that it is there also where the mapping is empty.
func filled[V any](m *map[string]V, n *yaml.Node) {
	if *m == nil && n.Kind == yaml.MappingNode {
		*m = map[string]V{}
	}
}

// put sets an entry of a map that may not be made yet.
func put[V any](m *map[string]V, name string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = v
}
