package file

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"lictor/internal/spell"
)

// A codec reads something from a data file into its place, and writes it from there.
type codec interface {
	// read takes the value of n, and notes what is wrong with it as problems of d, which call it what.
	read(d *decoder, what string, n *yaml.Node)
	// absent tells whether it is left out when its mapping is written.
	absent() bool
	// node is what is written.
	node() *yaml.Node
}

// A field is one field of a thing: its name in a data file, and where its value is, which is a pointer or a codec. Reading and
// writing go by the same list, so that what is written can be read, and the other way around.
type field struct {
	name string
	at   any
}

func (f field) codec() codec {
	switch at := f.at.(type) {
	case codec:
		return at
	case *string:
		return single[string]{at, anyText}
	case *bool:
		return single[bool]{at, flag}
	case *int:
		return single[int]{at, integer}
	case **int:
		return optional[int]{at, integer}
	case *uint64:
		return single[uint64]{at, unsigned}
	case *float64:
		return single[float64]{at, float}
	case *time.Duration:
		return single[time.Duration]{at, duration}
	case *time.Time:
		return single[time.Time]{at, moment}
	case **time.Time:
		return optional[time.Time]{at, moment}
	case *[]string:
		return textList(at)
	case *map[string]string:
		return textMap(at)
	}
	panic(fmt.Sprintf("%s: a data file can't hold a %T", f.name, f.at))
}

// fields are the fields of a thing, which is a mapping.
type fields []field

// wholeFile is what problems call the outermost mapping. Its fields are called by their names alone.
const wholeFile = "the data file"

func (f fields) read(d *decoder, what string, n *yaml.Node) {
	d.each(n, what, func(name string, key, value *yaml.Node) {
		if found := f.find(name); found != nil {
			if what != wholeFile {
				name += " of " + what
			}
			found.read(d, name, resolve(value))
			return
		}
		known := slices.Sorted(slices.Values(f.names()))
		hint := "; known are " + strings.Join(known, ", ")
		if close := spell.Closest(name, known); close != "" {
			hint = fmt.Sprintf("; did you mean %q?", close)
		}
		d.fail(key, "unknown field %q in %s%s", name, what, hint)
	})
}

// find returns the codec of a field, nil where there is no such field.
func (f fields) find(name string) codec {
	for _, one := range f {
		if one.name == name {
			return one.codec()
		}
	}
	return nil
}

func (f fields) names() []string {
	var all []string
	for _, one := range f {
		all = append(all, one.name)
	}
	return all
}

func (f fields) absent() bool { return false }

func (f fields) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, one := range f {
		if c := one.codec(); !c.absent() {
			n.Content = append(n.Content, textNode(one.name), c.node())
		}
	}
	return n
}

// single is a single value, which is left out where it is zero.
type single[T comparable] struct {
	at *T
	scalar[T]
}

func (s single[T]) read(d *decoder, what string, n *yaml.Node) { s.scalar.read(d, s.at, what, n) }
func (s single[T]) absent() bool                               { return *s.at == *new(T) }
func (s single[T]) node() *yaml.Node                           { return scalarNode(*s.at) }

// optional is a single value that may not be there, which differs from zero; null takes it away.
type optional[T any] struct {
	at **T
	scalar[T]
}

func (o optional[T]) read(d *decoder, what string, n *yaml.Node) {
	*o.at = nil
	if !isNull(n) {
		*o.at = new(T)
		o.scalar.read(d, *o.at, what, n)
	}
}

func (o optional[T]) absent() bool     { return *o.at == nil }
func (o optional[T]) node() *yaml.Node { return scalarNode(**o.at) }

// nonEmpty leaves out a mapping or a list that has nothing in it.
type nonEmpty struct{ codec }

func (e nonEmpty) absent() bool { return e.codec.absent() || len(e.codec.node().Content) == 0 }

// titled is called by its title in problems, in place of the field's name.
type titled struct {
	codec
	title string
}

func (t titled) read(d *decoder, _ string, n *yaml.Node) { t.codec.read(d, t.title, n) }
