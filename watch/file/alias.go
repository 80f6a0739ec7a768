package file

import (
	"math"
	"slices"

	"gopkg.in/yaml.v3"
)

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// maxRepeated bounds how many values of a document may come from its aliases: a small document with aliases of aliases can
// stand for one that no memory would hold.
const maxRepeated = 1_000_000

// checkAliases fails for an alias that contains itself, and for aliases that repeat too much.
func (d *decoder) checkAliases(n *yaml.Node) {
	sizes := map[*yaml.Node]int{}
	if size := d.measure(n, sizes); size-len(sizes) > maxRepeated && len(d.problems) == 0 {
		d.fail(n, "the aliases of this document repeat more than %d values; write less with them", maxRepeated)
	}
}

// measure counts the values of a document with its aliases written out.
func (d *decoder) measure(n *yaml.Node, sizes map[*yaml.Node]int) int {
	const underWay = -1
	n = resolve(n)
	if size, ok := sizes[n]; ok {
		if size == underWay {
			d.fail(n, "an alias in this value stands for the value itself; write it out")
			return 0
		}
		return size
	}
	sizes[n] = underWay
	size := 1
	for _, c := range n.Content {
		size = min(size+d.measure(c, sizes), math.MaxInt32)
	}
	sizes[n] = size
	return size
}

type entry struct{ key, value *yaml.Node }

// entries lists the entries of a mapping: first those that it merges in with <<, then its own.
func (d *decoder) entries(n *yaml.Node, what string) []entry {
	var merged, own []entry
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key, "a name in %s must be text, not %s", what, kind(key))
		case key.Tag == "!!merge":
			sources := []*yaml.Node{value}
			if v := resolve(value); v.Kind == yaml.SequenceNode {
				sources = v.Content
			}
			for _, s := range sources {
				if s = resolve(s); s.Kind != yaml.MappingNode {
					d.fail(key, "<< in %s must name a mapping, not %s", what, kind(s))
					continue
				}
				merged = append(merged, d.entries(s, what)...)
			}
		case lines[key.Value] > 0:
			d.fail(key, "%q is given twice in %s, first in line %d; keep one of them", key.Value, what, lines[key.Value])
		default:
			lines[key.Value] = key.Line
			own = append(own, entry{key, value})
		}
	}
	if merged == nil {
		return own
	}
	// What the mapping says itself wins over what it merges in, and so does what is merged in first.
	merged = slices.DeleteFunc(merged, func(e entry) bool {
		seen := lines[e.key.Value] > 0
		lines[e.key.Value] = e.key.Line
		return seen
	})
	return append(merged, own...)
}
