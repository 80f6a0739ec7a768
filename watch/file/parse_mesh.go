package file

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// mesh adds the fields for what Consul knows beside its catalog and keys. Each later list replaces an earlier one.
func (p *parser) mesh(known fields) {
	d := p.into
	known["ca_roots"] = func(n *yaml.Node) {
		d.CARoots = []*watch.CARoot{}
		p.list(n, "ca_roots", func(i int, n *yaml.Node) {
			r := &watch.CARoot{}
			p.fields(n, fmt.Sprintf("CA root %d", i+1), fields{
				"id": p.text(&r.ID, "id"), "name": p.text(&r.Name, "name"), "root_cert": p.text(&r.RootCertPEM, "root_cert"),
				"active":       p.flag(&r.Active, "active"),
				"create_index": p.unsigned(&r.CreateIndex, "create_index"), "modify_index": p.unsigned(&r.ModifyIndex, "modify_index"),
			})
			d.CARoots = append(d.CARoots, r)
		})
	}
	known["ca_leaves"] = func(n *yaml.Node) {
		p.each(n, "ca_leaves", func(name string, _, value *yaml.Node) {
			l := &watch.LeafCert{Service: name}
			put(&d.CALeaves, name, l)
			p.fields(resolve(value), fmt.Sprintf("CA leaf %q", name), fields{
				"serial_number": p.text(&l.SerialNumber, "serial_number"), "cert": p.text(&l.CertPEM, "cert"),
				"private_key": p.text(&l.PrivateKeyPEM, "private_key"), "service_uri": p.text(&l.ServiceURI, "service_uri"),
				"valid_after": p.moment(&l.ValidAfter, "valid_after"), "valid_before": p.moment(&l.ValidBefore, "valid_before"),
				"create_index": p.unsigned(&l.CreateIndex, "create_index"), "modify_index": p.unsigned(&l.ModifyIndex, "modify_index"),
			})
		})
	}
	known["partitions"] = func(n *yaml.Node) {
		d.Partitions = []*watch.Partition{}
		p.list(n, "partitions", func(i int, n *yaml.Node) {
			t := &watch.Partition{}
			p.fields(n, fmt.Sprintf("partition %d", i+1), fields{"name": p.text(&t.Name, "name"), "description": p.text(&t.Description, "description")})
			d.Partitions = append(d.Partitions, t)
		})
	}
	known["peerings"] = func(n *yaml.Node) {
		d.Peerings = []*watch.Peering{}
		p.list(n, "peerings", func(i int, n *yaml.Node) { d.Peerings = append(d.Peerings, p.peering(i, n)) })
	}
	known["exported_services"] = func(n *yaml.Node) {
		d.Exported = []*watch.ExportedService{}
		p.list(n, "exported_services", func(i int, n *yaml.Node) {
			e := &watch.ExportedService{}
			p.fields(n, fmt.Sprintf("exported service %d", i+1), fields{
				"service": p.text(&e.Service, "service"), "partitions": p.texts(&e.Consumers.Partitions, "partitions"),
				"peers": p.texts(&e.Consumers.Peers, "peers"), "sameness_groups": p.texts(&e.Consumers.SamenessGroups, "sameness_groups"),
			})
			d.Exported = append(d.Exported, e)
		})
	}
	known["imported_services"] = func(n *yaml.Node) {
		d.Imported = []*watch.ImportedService{}
		p.list(n, "imported_services", func(i int, n *yaml.Node) {
			s := &watch.ImportedService{}
			p.fields(n, fmt.Sprintf("imported service %d", i+1), fields{
				"service": p.text(&s.Service, "service"), "source_partition": p.text(&s.SourcePartition, "source_partition"),
				"source_peer": p.text(&s.SourcePeer, "source_peer"),
			})
			d.Imported = append(d.Imported, s)
		})
	}
}

func (p *parser) peering(i int, n *yaml.Node) *watch.Peering {
	g := &watch.Peering{}
	p.fields(n, fmt.Sprintf("peering %d", i+1), fields{
		"id": p.text(&g.ID, "id"), "name": p.text(&g.Name, "name"), "partition": p.text(&g.Partition, "partition"),
		"meta": p.textMap(&g.Meta, "meta"), "peer_id": p.text(&g.PeerID, "peer_id"),
		"peer_ca_pems": p.texts(&g.PeerCAPems, "peer_ca_pems"), "peer_server_name": p.text(&g.PeerServerName, "peer_server_name"),
		"peer_server_addresses": p.texts(&g.PeerServerAddresses, "peer_server_addresses"), "state": p.text(&g.PeeringState, "state"),
		"imported_services": p.texts(&g.StreamStatus.ImportedServices, "imported_services"),
		"exported_services": p.texts(&g.StreamStatus.ExportedServices, "exported_services"),
	})
	return g
}
