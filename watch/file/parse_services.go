package file

import (
	"fmt"
	"math"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// services reads the instances of each service: a list, which is the whole of the service and replaces what an earlier file
// says, or a mapping by id, which is merged with it.
func (p *parser) services(to *map[string][]*Instance, n *yaml.Node) {
	p.each(n, "services", func(name string, key, value *yaml.Node) {
		what := fmt.Sprintf("service %q", name)
		switch value = resolve(value); {
		case name == "":
			p.fail(key, "a service needs a name")
		case isNull(value) && value.Value != "":
			delete(*to, name)
		case value.Kind == yaml.SequenceNode:
			instances := []*Instance{}
			p.list(value, what, func(i int, n *yaml.Node) {
				in := &Instance{Weights: watch.Weights{Passing: 1, Warning: 1}}
				p.note(in, n)
				p.instance(in, fmt.Sprintf("instance %d of %s", i+1, what), n)
				instances = append(instances, in)
			})
			put(to, name, instances)
		case value.Kind == yaml.MappingNode:
			put(to, name, p.byID((*to)[name], what, value))
		default:
			p.fail(value, "%s must be a list of instances, or a mapping of ids to instances, not %s; write [] for a service without instances", what, kind(value))
		}
	})
}

// byID merges a mapping of ids to instances into the instances that there are.
func (p *parser) byID(instances []*Instance, service string, n *yaml.Node) []*Instance {
	out := append([]*Instance{}, instances...)
	p.each(n, service, func(id string, key, value *yaml.Node) {
		var with []int
		for i, in := range out {
			if in.ID == id {
				with = append(with, i)
			}
		}
		value = resolve(value)
		what := fmt.Sprintf("instance %q of %s", id, service)
		switch {
		case id == "":
			p.fail(key, "an instance in %s needs an id", service)
		case len(with) > 1:
			p.fail(key, "%s is on several nodes in an earlier file; write the whole list of instances here", what)
		case isNull(value) && value.Value != "":
			if len(with) == 1 {
				out = append(out[:with[0]:with[0]], out[with[0]+1:]...)
			}
		case len(with) == 1:
			p.note(out[with[0]], key)
			p.instance(out[with[0]], what, value)
		default:
			in := &Instance{ID: id, Weights: watch.Weights{Passing: 1, Warning: 1}}
			p.note(in, key)
			p.instance(in, what, value)
			out = append(out, in)
		}
	})
	return out
}

func (p *parser) instance(in *Instance, what string, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && !isNull(n) { // just "address:port"
		host, port, ok := hostPort(n.Value)
		if !ok {
			p.fail(n, "%s must be an address and port such as 10.0.0.1:80, or a mapping of fields, not %q", what, n.Value)
		}
		in.Address, in.Port = host, port
		return
	}
	known := fields{
		"id":                  p.text(&in.ID, "id of "+what),
		"node":                p.text(&in.Node, "node of "+what),
		"address":             p.text(&in.Address, "address of "+what),
		"port":                p.number(&in.Port, "port of "+what, 0, 65535),
		"tags":                p.texts(&in.Tags, "tags of "+what),
		"meta":                p.textMap(&in.Meta, "meta of "+what),
		"tagged_addresses":    func(n *yaml.Node) { p.taggedAddresses(in, what, n) },
		"kind":                p.oneOf(&in.Kind, "kind of "+what, "", kinds...),
		"proxy_for":           p.text(&in.ProxyFor, "proxy_for of "+what),
		"connect_native":      p.flag(&in.ConnectNative, "connect_native of "+what),
		"enable_tag_override": p.flag(&in.EnableTagOverride, "enable_tag_override of "+what),
		"namespace":           p.text(&in.Namespace, "namespace of "+what),
		"partition":           p.text(&in.Partition, "partition of "+what),
		"weights": func(n *yaml.Node) {
			p.fields(n, "weights of "+what, fields{
				"passing": p.number(&in.Weights.Passing, "passing weight of "+what, 1, math.MaxUint16),
				"warning": p.number(&in.Weights.Warning, "warning weight of "+what, 0, math.MaxUint16),
			})
		},
	}
	p.health(known, &in.Health, what)
	p.fields(n, what, known)
}

var kinds = []string{"connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"}

func (p *parser) taggedAddresses(in *Instance, what string, n *yaml.Node) {
	what = "tagged_addresses of " + what
	filled(&in.TaggedAddresses, resolve(n))
	p.each(n, what, func(name string, _, value *yaml.Node) {
		a := in.TaggedAddresses[name]
		each := fmt.Sprintf("%q in %s", name, what)
		if value = resolve(value); value.Kind == yaml.ScalarNode {
			host, port, ok := hostPort(value.Value)
			if !ok {
				p.fail(value, "%s must be an address and port such as 10.0.0.1:80, not %q", each, value.Value)
			}
			a = watch.ServiceAddress{Address: host, Port: port}
		} else {
			p.fields(value, each, fields{
				"address": p.text(&a.Address, "address of "+each), "port": p.number(&a.Port, "port of "+each, 0, 65535),
			})
		}
		put(&in.TaggedAddresses, name, a)
	})
}
