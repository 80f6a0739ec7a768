package file

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// scalarList is a list of single values, which replaces what an earlier file said; null leaves none. An empty list is written
// too: it differs from none.
type scalarList[T any] struct {
	at  *[]T
	one string // what problems call an element, before its number
	scalar[T]
}

func textList(at *[]string) scalarList[string] { return scalarList[string]{at, "entry", anyText} }

func (l scalarList[T]) read(d *decoder, what string, n *yaml.Node) {
	if n = resolve(n); isNull(n) {
		*l.at = nil
		return
	}
	*l.at = []T{}
	d.list(n, what, func(i int, n *yaml.Node) {
		var v T
		l.scalar.read(d, &v, fmt.Sprintf("%s %d of %s", l.one, i+1, what), n)
		*l.at = append(*l.at, v)
	})
}

func (l scalarList[T]) absent() bool { return *l.at == nil }

// node has the list in one line, unless one of its elements has several.
func (l scalarList[T]) node() *yaml.Node {
	n := listNode(*l.at, func(v T) *yaml.Node { return scalarNode(v) })
	if !slices.ContainsFunc(n.Content, func(n *yaml.Node) bool { return strings.Contains(n.Value, "\n") }) {
		n.Style = yaml.FlowStyle
	}
	return n
}

// listOf is a list of things, which replaces an earlier one. An empty list is written too: it differs from none.
type listOf[E any] struct {
	at     *[]*E
	one    string // what problems call a thing, before its number
	fields func(*E) fields
}

func (l listOf[E]) read(d *decoder, what string, n *yaml.Node) {
	*l.at = []*E{}
	d.list(n, what, func(i int, n *yaml.Node) {
		thing := new(E)
		l.fields(thing).read(d, fmt.Sprintf("%s %d", l.one, i+1), n)
		*l.at = append(*l.at, thing)
	})
}

func (l listOf[E]) absent() bool { return *l.at == nil }

func (l listOf[E]) node() *yaml.Node {
	return listNode(*l.at, func(thing *E) *yaml.Node { return l.fields(thing).node() })
}

// mapOf is a mapping of names, which is merged with that of an earlier file. An empty mapping is written too: it differs from
// none.
type mapOf[V any] struct {
	at       *map[string]V
	title    string // what problems call an entry: %[1]q is its name, %[2]s what the mapping is called
	takeAway bool   // null takes an entry away
	entry    func(name string, v *V) codec
}

// entryTitle is the title of entries that have no better one.
const entryTitle = "%[1]q in %[2]s"

func (m mapOf[V]) read(d *decoder, what string, n *yaml.Node) {
	if *m.at == nil && resolve(n).Kind == yaml.MappingNode {
		*m.at = map[string]V{}
	}
	d.each(n, what, func(name string, _, value *yaml.Node) {
		if m.takeAway && isNull(resolve(value)) {
			delete(*m.at, name)
			return
		}
		v := (*m.at)[name]
		m.entry(name, &v).read(d, fmt.Sprintf(m.title, name, what), value)
		(*m.at)[name] = v
	})
}

func (m mapOf[V]) absent() bool { return *m.at == nil }

func (m mapOf[V]) node() *yaml.Node {
	return mappingNode(*m.at, func(name string, v V) *yaml.Node { return m.entry(name, &v).node() })
}

// textMap is a mapping of names to texts.
func textMap(at *map[string]string) mapOf[string] {
	return mapOf[string]{at, entryTitle, true, func(_ string, s *string) codec { return single[string]{s, anyText} }}
}

// put sets an entry of a map that may not be made yet.
func put[V any](m *map[string]V, name string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = v
}
