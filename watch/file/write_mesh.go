package file

import (
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// writeMesh writes what Consul knows beside its catalog and keys. An empty list is written too: it differs from none.
func writeMesh(m mapping, d *Data) {
	records(m, "ca_roots", d.CARoots, func(r *mapping, i int) {
		c := d.CARoots[i]
		r.text("id", c.ID)
		r.text("name", c.Name)
		r.text("root_cert", c.RootCertPEM)
		r.flag("active", c.Active)
		r.unsigned("create_index", c.CreateIndex)
		r.unsigned("modify_index", c.ModifyIndex)
	})
	leaves := newMapping()
	for _, name := range slices.Sorted(maps.Keys(d.CALeaves)) {
		c, l := d.CALeaves[name], newMapping()
		l.text("serial_number", c.SerialNumber)
		l.text("cert", c.CertPEM)
		l.text("private_key", c.PrivateKeyPEM)
		l.text("service_uri", c.ServiceURI)
		l.moment("valid_after", c.ValidAfter)
		l.moment("valid_before", c.ValidBefore)
		l.unsigned("create_index", c.CreateIndex)
		l.unsigned("modify_index", c.ModifyIndex)
		leaves.add(name, l.node)
	}
	m.mapping("ca_leaves", leaves)
	records(m, "partitions", d.Partitions, func(r *mapping, i int) {
		r.text("name", d.Partitions[i].Name)
		r.text("description", d.Partitions[i].Description)
	})
	records(m, "peerings", d.Peerings, func(r *mapping, i int) {
		p := d.Peerings[i]
		r.text("id", p.ID)
		r.text("name", p.Name)
		r.text("partition", p.Partition)
		r.texts("meta", p.Meta)
		r.text("peer_id", p.PeerID)
		r.list("peer_ca_pems", p.PeerCAPems)
		r.text("peer_server_name", p.PeerServerName)
		r.list("peer_server_addresses", p.PeerServerAddresses)
		r.text("state", p.PeeringState)
		r.list("imported_services", p.StreamStatus.ImportedServices)
		r.list("exported_services", p.StreamStatus.ExportedServices)
	})
	records(m, "exported_services", d.Exported, func(r *mapping, i int) {
		e := d.Exported[i]
		r.text("service", e.Service)
		r.list("partitions", e.Consumers.Partitions)
		r.list("peers", e.Consumers.Peers)
		r.list("sameness_groups", e.Consumers.SamenessGroups)
	})
	records(m, "imported_services", d.Imported, func(r *mapping, i int) {
		s := d.Imported[i]
		r.text("service", s.Service)
		r.text("source_partition", s.SourcePartition)
		r.text("source_peer", s.SourcePeer)
	})
}

func records[E any](m mapping, name string, list []E, write func(r *mapping, i int)) {
	if list == nil {
		return
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range list {
		r := newMapping()
		write(&r, i)
		n.Content = append(n.Content, r.node)
	}
	m.add(name, n)
}
