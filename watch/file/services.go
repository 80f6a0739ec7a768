package file

import (
	"fmt"
	"net"
	"slices"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// serviceMap is the instances of each service of a datacenter: a list, which is the whole of the service and replaces what an
// earlier file says, or a mapping by id, which is merged with it.
type serviceMap struct{ at *map[string][]*Instance }

func (m serviceMap) read(d *decoder, _ string, n *yaml.Node) {
	d.each(n, "services", func(name string, key, value *yaml.Node) {
		what := fmt.Sprintf("service %q", name)
		switch value = resolve(value); {
		case name == "":
			d.fail(key, "a service needs a name")
		case isNull(value) && value.Value != "":
			delete(*m.at, name)
		case value.Kind == yaml.SequenceNode:
			instances := []*Instance{}
			d.list(value, what, func(i int, n *yaml.Node) {
				instances = append(instances, newInstance(""))
				readInstance(d, instances[i], fmt.Sprintf("instance %d of %s", i+1, what), n, n)
			})
			put(m.at, name, instances)
		case value.Kind == yaml.MappingNode:
			put(m.at, name, mergeByID(d, (*m.at)[name], what, value))
		default:
			d.fail(value, "%s must be a list of instances, or a mapping of ids to instances, not %s; write [] for a service without instances", what, kind(value))
		}
	})
}

func (m serviceMap) absent() bool { return len(*m.at) == 0 }

func (m serviceMap) node() *yaml.Node {
	return mappingNode(*m.at, func(_ string, instances []*Instance) *yaml.Node {
		return listNode(instances, func(in *Instance) *yaml.Node { return instanceFields(in, "").node() })
	})
}

func newInstance(id string) *Instance { return &Instance{ID: id, Weights: defaultWeights} }

// mergeByID merges a mapping of ids to instances into the instances that there are.
func mergeByID(d *decoder, instances []*Instance, service string, n *yaml.Node) []*Instance {
	all := append([]*Instance{}, instances...)
	d.each(n, service, func(id string, key, value *yaml.Node) {
		hasID := func(in *Instance) bool { return in.ID == id }
		i := slices.IndexFunc(all, hasID)
		value = resolve(value)
		what := fmt.Sprintf("instance %q of %s", id, service)
		switch {
		case id == "":
			d.fail(key, "an instance in %s needs an id", service)
		case i >= 0 && slices.ContainsFunc(all[i+1:], hasID):
			d.fail(key, "%s is on several nodes in an earlier file; write the whole list of instances here", what)
		case isNull(value) && value.Value != "":
			all = slices.DeleteFunc(all, hasID)
		case i >= 0:
			readInstance(d, all[i], what, key, value)
		default:
			in := newInstance(id)
			readInstance(d, in, what, key, value)
			all = append(all, in)
		}
	})
	return all
}

// readInstance reads an instance. Errors that only show in the whole name the line of where.
func readInstance(d *decoder, in *Instance, what string, where, n *yaml.Node) {
	d.note(in, where)
	if n.Kind != yaml.ScalarNode || isNull(n) {
		instanceFields(in, what).read(d, what, n)
		return
	}
	var ok bool
	if in.Address, in.Port, ok = hostPort(n.Value); !ok {
		d.fail(n, "%s must be an address and port such as 10.0.0.1:80, or a mapping of fields, not %q", what, n.Value)
	}
}

// hostPort takes "10.0.0.1:80" apart.
func hostPort(s string) (host string, number int, ok bool) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, false
	}
	number, err = port.parse(text)
	return host, number, err == nil && host != ""
}

// weights are the weights of an instance, which problems call what. Both are written where they are not the default.
type weights struct {
	*watch.Weights
	what string
}

// defaultWeights are those of an instance that says nothing of them.
var defaultWeights = watch.Weights{Passing: 1, Warning: 1}

func (w weights) read(d *decoder, what string, n *yaml.Node) {
	fields{
		{"passing", titled{single[int]{&w.Passing, passingWeight}, "passing weight of " + w.what}},
		{"warning", titled{single[int]{&w.Warning, warningWeight}, "warning weight of " + w.what}},
	}.read(d, what, n)
}

func (w weights) absent() bool { return *w.Weights == watch.Weights{} || *w.Weights == defaultWeights }

func (w weights) node() *yaml.Node {
	return mappingNode(map[string]int{"passing": w.Passing, "warning": w.Warning}, func(_ string, n int) *yaml.Node { return scalarNode(n) })
}

// taggedAddresses are the tagged addresses of an instance.
func taggedAddresses(at *map[string]watch.ServiceAddress) mapOf[watch.ServiceAddress] {
	return mapOf[watch.ServiceAddress]{at, entryTitle, false, func(_ string, a *watch.ServiceAddress) codec { return taggedAddress{a} }}
}

// taggedAddress is an address with its port. "address:port" is short for it.
type taggedAddress struct{ *watch.ServiceAddress }

func (a taggedAddress) fields() fields {
	return fields{{"address", &a.Address}, {"port", single[int]{&a.Port, port}}}
}

func (a taggedAddress) read(d *decoder, what string, n *yaml.Node) {
	if n = resolve(n); n.Kind != yaml.ScalarNode {
		a.fields().read(d, what, n)
		return
	}
	var ok bool
	if a.Address, a.Port, ok = hostPort(n.Value); !ok {
		d.fail(n, "%s must be an address and port such as 10.0.0.1:80, not %q", what, n.Value)
	}
}

func (a taggedAddress) absent() bool     { return false }
func (a taggedAddress) node() *yaml.Node { return a.fields().node() }
