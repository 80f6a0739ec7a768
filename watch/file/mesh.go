package file

import (
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// mesh adds the fields for what Consul knows beside its catalog and keys. Each later list replaces an earlier one.
func (p *parser) mesh(known fields) {
	d := p.into
	known["ca_roots"] = things(p, &d.CARoots, "ca_roots", "CA root", rootFields)
	known["ca_leaves"] = func(n *yaml.Node) {
		p.each(n, "ca_leaves", func(name string, _, value *yaml.Node) {
			if value = resolve(value); isNull(value) {
				delete(d.CALeaves, name)
				return
			}
			leaf := d.CALeaves[name]
			if leaf == nil {
				leaf = &watch.LeafCert{Service: name}
				put(&d.CALeaves, name, leaf)
			}
			what := fmt.Sprintf("CA leaf %q", name)
			p.fields(value, what, p.known(leafFields(leaf), what))
		})
	}
	known["partitions"] = things(p, &d.Partitions, "partitions", "partition", partitionFields)
	known["peerings"] = things(p, &d.Peerings, "peerings", "peering", peeringFields)
	exported := things(p, &d.Exported, "exported_services", "exported service", exportedFields)
	known["exported_services"] = func(n *yaml.Node) {
		exported(n)
		for _, e := range d.Exported { // Consul says "none" with an empty list
			e.Consumers.Peers = append([]string{}, e.Consumers.Peers...)
			e.Consumers.Partitions = append([]string{}, e.Consumers.Partitions...)
		}
	}
	known["imported_services"] = things(p, &d.Imported, "imported_services", "imported service", importedFields)
}

// things decodes a list of things that have the fields given.
func things[E any](p *parser, to *[]*E, name, one string, list func(*E) []field) func(*yaml.Node) {
	return func(n *yaml.Node) {
		*to = []*E{}
		p.list(n, name, func(i int, n *yaml.Node) {
			thing, what := new(E), fmt.Sprintf("%s %d", one, i+1)
			p.fields(n, what, p.known(list(thing), what))
			*to = append(*to, thing)
		})
	}
}

// writeMesh writes what Consul knows beside its catalog and keys. An empty list is written too: it differs from none.
func writeMesh(m mapping, d *Data) {
	writeThings(m, "ca_roots", d.CARoots, rootFields)
	leaves := newMapping()
	for _, name := range slices.Sorted(maps.Keys(d.CALeaves)) {
		leaf := newMapping()
		leaf.fields(leafFields(d.CALeaves[name]))
		leaves.add(name, leaf.node)
	}
	m.mapping("ca_leaves", leaves)
	writeThings(m, "partitions", d.Partitions, partitionFields)
	writeThings(m, "peerings", d.Peerings, peeringFields)
	writeThings(m, "exported_services", d.Exported, exportedFields)
	writeThings(m, "imported_services", d.Imported, importedFields)
}

func writeThings[E any](m mapping, name string, list []*E, of func(*E) []field) {
	if list == nil {
		return
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, thing := range list {
		inner := newMapping()
		inner.fields(of(thing))
		n.Content = append(n.Content, inner.node)
	}
	m.add(name, n)
}
