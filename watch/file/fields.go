package file

import (
	"slices"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// documentFields are the fields of a data file.
func documentFields(d *Data) fields {
	top := fields{{"datacenter", &d.Datacenter}, {"agent", &d.Agent}}
	return slices.Concat(top, registryFields(&d.Registry), fields{
		{"datacenters", nonEmpty{mapOf[*Registry]{&d.Datacenters, "datacenter %[1]q", true, func(_ string, r **Registry) codec {
			if *r == nil {
				*r = &Registry{}
			}
			return registryFields(*r)
		}}}},
		{"ca_roots", listOf[watch.CARoot]{&d.CARoots, "CA root", rootFields}},
		{"ca_leaves", nonEmpty{mapOf[*watch.LeafCert]{&d.CALeaves, "CA leaf %[1]q", true, func(service string, l **watch.LeafCert) codec {
			if *l == nil {
				*l = &watch.LeafCert{Service: service}
			}
			return leafFields(*l)
		}}}},
		{"partitions", listOf[watch.Partition]{&d.Partitions, "partition", partitionFields}},
		{"peerings", listOf[watch.Peering]{&d.Peerings, "peering", peeringFields}},
		{"exported_services", exportedList{listOf[watch.ExportedService]{&d.Exported, "exported service", exportedFields}}},
		{"imported_services", listOf[watch.ImportedService]{&d.Imported, "imported service", importedFields}},
	})
}

func registryFields(r *Registry) fields {
	return fields{{"kv", keyTree{&r.KV}}, {"nodes", nodeMap{&r.Nodes}}, {"services", serviceMap{&r.Services}}}
}

func keyFields(p *watch.KeyPair) fields {
	return fields{
		{"$value", plainValue{single[string]{&p.Value, anyText}}}, {"$base64", encodedValue{single[string]{&p.Value, base64Text}}},
		{"$flags", &p.Flags}, {"$session", &p.Session}, {"$lock_index", &p.LockIndex},
		{"$create_index", &p.CreateIndex}, {"$modify_index", &p.ModifyIndex},
	}
}

// nodeFields are the fields of a node, which problems call what.
func nodeFields(n *Node, what string) fields {
	return slices.Concat(
		fields{{"id", &n.ID}, {"address", &n.Address}, {"meta", &n.Meta}, {"tagged_addresses", &n.TaggedAddresses}},
		healthFields(&n.Health, what),
		fields{{"coordinate", coordinateOf{n}}, {"rtt", nonEmpty{roundTrips(&n.RTT)}}},
	)
}

// instanceFields are the fields of an instance, which problems call what.
func instanceFields(in *Instance, what string) fields {
	own := fields{
		{"id", &in.ID}, {"node", &in.Node}, {"address", &in.Address}, {"port", single[int]{&in.Port, port}}, {"tags", nonEmpty{textList(&in.Tags)}},
		{"meta", &in.Meta}, {"tagged_addresses", taggedAddresses(&in.TaggedAddresses)}, {"weights", weights{&in.Weights, what}},
		{"kind", single[string]{&in.Kind, serviceKind}}, {"proxy_for", &in.ProxyFor}, {"connect_native", &in.ConnectNative},
		{"enable_tag_override", &in.EnableTagOverride}, {"namespace", &in.Namespace}, {"partition", &in.Partition},
	}
	return append(own, healthFields(&in.Health, what)...)
}

// healthFields are the fields for the health of a node or an instance, which problems call what.
func healthFields(h *Health, what string) fields {
	return fields{
		{"status", single[string]{&h.Status, status}}, {"maintenance", maintenance{&h.Maintenance}}, {"checks", checkList{&h.Checks, what}},
	}
}

func checkFields(c *Check) fields {
	return fields{
		{"id", &c.CheckID}, {"name", checkName{c}}, {"status", single[string]{&c.Status, status}}, {"notes", &c.Notes}, {"output", &c.Output}, {"type", &c.Type},
		{"service_name", &c.ServiceName}, {"service_tags", &c.ServiceTags}, {"namespace", &c.Namespace}, {"partition", &c.Partition},
		{"exposed_port", single[int]{&c.ExposedPort, port}}, {"peer_name", &c.PeerName},
		{"definition", nonEmpty{definitionFields(&c.Definition)}}, {"create_index", &c.CreateIndex}, {"modify_index", &c.ModifyIndex},
	}
}

func definitionFields(d *watch.CheckDefinition) fields {
	return fields{
		{"http", &d.HTTP}, {"header", headers(&d.Header)}, {"method", &d.Method}, {"body", &d.Body}, {"tls_server_name", &d.TLSServerName},
		{"tls_skip_verify", &d.TLSSkipVerify}, {"tcp", &d.TCP}, {"tcp_use_tls", &d.TCPUseTLS}, {"udp", &d.UDP}, {"grpc", &d.GRPC},
		{"os_service", &d.OSService}, {"grpc_use_tls", &d.GRPCUseTLS}, {"session_name", &d.SessionName},
		{"interval", &d.IntervalDuration}, {"timeout", &d.TimeoutDuration},
		{"deregister_critical_service_after", &d.DeregisterCriticalServiceAfterDuration},
	}
}

func rootFields(r *watch.CARoot) fields {
	return fields{
		{"id", &r.ID}, {"name", &r.Name}, {"root_cert", &r.RootCertPEM}, {"active", &r.Active}, {"not_before", &r.NotBefore},
		{"not_after", &r.NotAfter}, {"days_remaining", &r.DaysRemaining}, {"create_index", &r.CreateIndex}, {"modify_index", &r.ModifyIndex},
	}
}

// leafFields are the fields of a certificate, without its service.
func leafFields(l *watch.LeafCert) fields {
	return fields{
		{"serial_number", &l.SerialNumber}, {"cert", &l.CertPEM}, {"private_key", &l.PrivateKeyPEM}, {"service_uri", &l.ServiceURI},
		{"valid_after", &l.ValidAfter}, {"valid_before", &l.ValidBefore}, {"create_index", &l.CreateIndex}, {"modify_index", &l.ModifyIndex},
	}
}

func partitionFields(p *watch.Partition) fields {
	return fields{{"name", &p.Name}, {"description", &p.Description}}
}

func peeringFields(p *watch.Peering) fields {
	s := &p.StreamStatus
	return fields{
		{"id", &p.ID}, {"name", &p.Name}, {"partition", &p.Partition}, {"meta", &p.Meta}, {"peer_id", &p.PeerID}, {"peer_ca_pems", &p.PeerCAPems},
		{"peer_server_name", &p.PeerServerName}, {"peer_server_addresses", &p.PeerServerAddresses}, {"state", &p.PeeringState},
		{"imported_services", &s.ImportedServices}, {"exported_services", &s.ExportedServices},
		{"last_heartbeat", &s.LastHeartbeat}, {"last_receive", &s.LastReceive}, {"last_send", &s.LastSend},
		{"remote", nonEmpty{fields{{"partition", &p.Remote.Partition}, {"datacenter", &p.Remote.Datacenter}}}},
	}
}

func exportedFields(e *watch.ExportedService) fields {
	return fields{
		{"service", &e.Service}, {"partition", &e.Partition}, {"namespace", &e.Namespace}, {"partitions", &e.Consumers.Partitions},
		{"peers", &e.Consumers.Peers}, {"sameness_groups", &e.Consumers.SamenessGroups},
	}
}

// exportedList is the exported services. Where one has no peers or partitions it gets empty lists, as Consul answers.
type exportedList struct{ listOf[watch.ExportedService] }

func (l exportedList) read(d *decoder, what string, n *yaml.Node) {
	l.listOf.read(d, what, n)
	for _, e := range *l.at {
		e.Consumers.Peers = append([]string{}, e.Consumers.Peers...)
		e.Consumers.Partitions = append([]string{}, e.Consumers.Partitions...)
	}
}

func importedFields(s *watch.ImportedService) fields {
	return fields{
		{"service", &s.Service}, {"namespace", &s.Namespace}, {"source_partition", &s.SourcePartition}, {"source_peer", &s.SourcePeer},
	}
}
