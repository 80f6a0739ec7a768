package file

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// A field is one field of a thing: its name in a data file, and where its value is, which is a pointer, or a list of fields for
// a mapping. Reading and writing go by the same list, so that what is written can be read, and the other way around.
type field struct {
	name string
	at   any
}

func checkFields(c *Check) []field {
	return []field{
		{"id", &c.CheckID}, {"name", checkName{c}}, {"status", &c.Status}, {"notes", &c.Notes}, {"output", &c.Output}, {"type", &c.Type},
		{"service_name", &c.ServiceName}, {"service_tags", &c.ServiceTags}, {"namespace", &c.Namespace}, {"partition", &c.Partition},
		{"exposed_port", &c.ExposedPort}, {"peer_name", &c.PeerName}, {"definition", definitionFields(&c.Definition)},
		{"create_index", &c.CreateIndex}, {"modify_index", &c.ModifyIndex},
	}
}

// A checkName is the name of a check, which may be empty and then is not made up.
type checkName struct{ *Check }

func definitionFields(d *watch.CheckDefinition) []field {
	return []field{
		{"http", &d.HTTP}, {"header", &d.Header}, {"method", &d.Method}, {"body", &d.Body}, {"tls_server_name", &d.TLSServerName},
		{"tls_skip_verify", &d.TLSSkipVerify}, {"tcp", &d.TCP}, {"tcp_use_tls", &d.TCPUseTLS}, {"udp", &d.UDP}, {"grpc", &d.GRPC},
		{"os_service", &d.OSService}, {"grpc_use_tls", &d.GRPCUseTLS}, {"session_name", &d.SessionName},
		{"interval", &d.IntervalDuration}, {"timeout", &d.TimeoutDuration},
		{"deregister_critical_service_after", &d.DeregisterCriticalServiceAfterDuration},
	}
}

func rootFields(r *watch.CARoot) []field {
	return []field{
		{"id", &r.ID}, {"name", &r.Name}, {"root_cert", &r.RootCertPEM}, {"active", &r.Active}, {"not_before", &r.NotBefore},
		{"not_after", &r.NotAfter}, {"days_remaining", &r.DaysRemaining}, {"create_index", &r.CreateIndex}, {"modify_index", &r.ModifyIndex},
	}
}

// leafFields are the fields of a certificate, without its service.
func leafFields(l *watch.LeafCert) []field {
	return []field{
		{"serial_number", &l.SerialNumber}, {"cert", &l.CertPEM}, {"private_key", &l.PrivateKeyPEM}, {"service_uri", &l.ServiceURI},
		{"valid_after", &l.ValidAfter}, {"valid_before", &l.ValidBefore}, {"create_index", &l.CreateIndex}, {"modify_index", &l.ModifyIndex},
	}
}

func partitionFields(p *watch.Partition) []field {
	return []field{{"name", &p.Name}, {"description", &p.Description}}
}

func peeringFields(p *watch.Peering) []field {
	s := &p.StreamStatus
	return []field{
		{"id", &p.ID}, {"name", &p.Name}, {"partition", &p.Partition}, {"meta", &p.Meta}, {"peer_id", &p.PeerID}, {"peer_ca_pems", &p.PeerCAPems},
		{"peer_server_name", &p.PeerServerName}, {"peer_server_addresses", &p.PeerServerAddresses}, {"state", &p.PeeringState},
		{"imported_services", &s.ImportedServices}, {"exported_services", &s.ExportedServices},
		{"last_heartbeat", &s.LastHeartbeat}, {"last_receive", &s.LastReceive}, {"last_send", &s.LastSend},
		{"remote", []field{{"partition", &p.Remote.Partition}, {"datacenter", &p.Remote.Datacenter}}},
	}
}

func exportedFields(e *watch.ExportedService) []field {
	return []field{
		{"service", &e.Service}, {"partition", &e.Partition}, {"namespace", &e.Namespace}, {"partitions", &e.Consumers.Partitions},
		{"peers", &e.Consumers.Peers}, {"sameness_groups", &e.Consumers.SamenessGroups},
	}
}

func importedFields(s *watch.ImportedService) []field {
	return []field{
		{"service", &s.Service}, {"namespace", &s.Namespace}, {"source_partition", &s.SourcePartition}, {"source_peer", &s.SourcePeer},
	}
}

// known makes decoders of fields of the thing that what names.
func (d *decoder) known(list []field, what string) fields {
	known := fields{}
	for _, f := range list {
		known[f.name] = d.value(f.at, f.name+" of "+what)
	}
	return known
}

// value decodes what a field's pointer points to.
func (d *decoder) value(at any, what string) func(*yaml.Node) {
	switch at := at.(type) {
	case *string:
		return d.text(at, what)
	case *bool:
		return d.flag(at, what)
	case *int:
		return d.number(at, what, math.MinInt32, math.MaxInt32)
	case **int:
		return optional(at, func(at *int) func(*yaml.Node) { return d.value(at, what) })
	case *uint64:
		return d.unsigned(at, what)
	case *time.Duration:
		return d.duration(at, what)
	case *time.Time:
		return d.moment(at, what)
	case **time.Time:
		return optional(at, func(at *time.Time) func(*yaml.Node) { return d.value(at, what) })
	case *[]string:
		return d.texts(at, what)
	case *map[string]string:
		return d.textMap(at, what)
	case *map[string][]string:
		return func(n *yaml.Node) {
			filled(at, n)
			d.each(n, what, func(name string, _, value *yaml.Node) {
				var list []string
				d.texts(&list, fmt.Sprintf("%q in %s", name, what))(resolve(value))
				put(at, name, list)
			})
		}
	case checkName:
		return func(n *yaml.Node) {
			d.text(&at.Name, what)(n)
			at.Nameless = at.Name == "" && !isNull(n)
		}
	case []field:
		return func(n *yaml.Node) { d.fields(n, what, d.known(at, what)) }
	}
	panic(fmt.Sprintf("%s: a data file can't hold a %T", what, at))
}

// optional decodes what may not be there: null takes it away.
func optional[E any](at **E, decode func(*E) func(*yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		*at = nil
		if !isNull(n) {
			*at = new(E)
			decode(*at)(n)
		}
	}
}

// fields writes fields. What is not there and what is zero is left out; an empty list or mapping is written, since it differs
// from none.
func (m mapping) fields(list []field) {
	for _, f := range list {
		switch at := f.at.(type) {
		case *string:
			m.text(f.name, *at)
		case *bool:
			m.flag(f.name, *at)
		case *int:
			m.number(f.name, *at)
		case **int:
			if *at != nil {
				m.add(f.name, plainNode(strconv.Itoa(**at)))
			}
		case *uint64:
			m.unsigned(f.name, *at)
		case *time.Duration:
			if *at != 0 {
				m.add(f.name, plainNode(at.String()))
			}
		case *time.Time:
			m.moment(f.name, *at)
		case **time.Time:
			if *at != nil {
				m.add(f.name, plainNode((*at).Format(time.RFC3339Nano)))
			}
		case *[]string:
			if *at != nil {
				m.add(f.name, listNode(*at))
			}
		case *map[string]string:
			m.texts(f.name, *at)
		case *map[string][]string:
			if *at != nil {
				inner := newMapping()
				for _, k := range slices.Sorted(maps.Keys(*at)) {
					inner.add(k, listNode((*at)[k]))
				}
				m.add(f.name, inner.node)
			}
		case checkName:
			if at.Name != "" || at.Nameless {
				m.add(f.name, textNode(at.Name))
			}
		case []field:
			inner := newMapping()
			inner.fields(at)
			m.mapping(f.name, inner)
		}
	}
}
