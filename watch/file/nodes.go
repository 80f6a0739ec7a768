package file

import (
	"fmt"
	"time"

	"gopkg.in/yaml.v3"
)

// nodeMap is the nodes of a datacenter by their names.
type nodeMap struct{ at *map[string]*Node }

func (m nodeMap) read(d *decoder, _ string, n *yaml.Node) {
	d.each(n, "nodes", func(name string, key, value *yaml.Node) {
		if value = resolve(value); isNull(value) && value.Value != "" {
			delete(*m.at, name)
			return
		}
		if name == "" {
			d.fail(key, "a node needs a name")
			return
		}
		node := (*m.at)[name]
		if node == nil {
			node = &Node{}
			put(m.at, name, node)
		}
		d.note(node, key)
		what := fmt.Sprintf("node %q", name)
		if value.Kind == yaml.ScalarNode && !isNull(value) { // just its address
			node.Address = value.Value
			return
		}
		nodeFields(node, what).read(d, what, value)
	})
}

func (m nodeMap) absent() bool { return len(*m.at) == 0 }

func (m nodeMap) node() *yaml.Node {
	return mappingNode(*m.at, func(_ string, n *Node) *yaml.Node { return nodeFields(n, "").node() })
}

// roundTrips are a node's round-trip times to others.
func roundTrips(at *map[string]time.Duration) mapOf[time.Duration] {
	return mapOf[time.Duration]{at, "rtt to %[1]s", false, func(_ string, rtt *time.Duration) codec {
		return single[time.Duration]{rtt, duration}
	}}
}

// coordinateOf is the coordinate of a node. A list is short for its vec.
type coordinateOf struct{ *Node }

func (c coordinateOf) read(d *decoder, what string, n *yaml.Node) {
	c.Coordinate = &Coordinate{}
	if n.Kind == yaml.SequenceNode {
		n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Content: []*yaml.Node{textNode("vec"), n}}
	}
	c.fields(what).read(d, what, n)
	if len(c.Coordinate.Vec) == 0 {
		d.fail(n, "%s needs at least one number", what)
	}
}

// fields are the fields of the coordinate. Problems call it what, and its vec too.
func (c coordinateOf) fields(what string) fields {
	at := c.Coordinate
	return fields{{"vec", titled{scalarList[float64]{&at.Vec, "number", float}, what}}, {"height", &at.Height}, {"adjustment", &at.Adjustment}}
}

func (c coordinateOf) absent() bool     { return c.Coordinate == nil }
func (c coordinateOf) node() *yaml.Node { return c.fields("").node() }
