package file

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lictor/watch"
)

// A catalog is a datacenter's data with every default filled in, in the order in which Consul gives it.
type catalog struct {
	keys      []*watch.KeyPair // by path
	nodes     []*watch.Node    // by name
	byNode    map[string][]*instance
	byService map[string][]*instance // by node and id
	proxies   map[string][]*instance // by the service that they stand before, native ones included
	distances distances
}

// An instance is a service instance with its defaults filled in.
type instance struct {
	*Instance
	name    string
	node    *watch.Node
	service *watch.ServiceInstance
}

// resolveAll fills in the defaults of all datacenters. Its error names all that is wrong, by line.
func resolveAll(d *Data) (map[string]*catalog, error) {
	home := cmp.Or(d.Datacenter, DefaultDatacenter)
	r := &resolver{where: d.where}
	catalogs := map[string]*catalog{home: r.datacenter(home, &d.Registry)}
	for _, name := range slices.Sorted(maps.Keys(d.Datacenters)) {
		if name == home {
			r.problems = append(r.problems, fmt.Errorf("datacenter %q is the home datacenter: its kv, nodes and services belong at the top of the file", name))
			continue
		}
		catalogs[name] = r.datacenter(name, d.Datacenters[name])
	}
	if d.Agent != "" && !slices.ContainsFunc(catalogs[home].nodes, func(n *watch.Node) bool { return n.Node == d.Agent }) {
		r.problems = append(r.problems, fmt.Errorf("agent %q is not one of the nodes; add it to nodes", d.Agent))
	}
	if len(r.problems) > maxProblems {
		r.problems = r.problems[:maxProblems]
	}
	return catalogs, errors.Join(r.problems...)
}

type resolver struct {
	where    map[any]string
	problems []error
}

func (r *resolver) fail(thing any, format string, args ...any) {
	at := ""
	if where := r.where[thing]; where != "" {
		at = where + ": "
	}
	r.problems = append(r.problems, fmt.Errorf(at+format, args...))
}

func (r *resolver) datacenter(dc string, from *Registry) *catalog {
	c := &catalog{byNode: map[string][]*instance{}, byService: map[string][]*instance{}, proxies: map[string][]*instance{}}
	for _, path := range slices.Sorted(maps.Keys(from.KV)) {
		pair := *from.KV[path]
		pair.Path, pair.Key = path, path
		c.keys = append(c.keys, &pair)
	}
	nodes := r.nodes(dc, from)
	c.nodes = slices.SortedFunc(maps.Values(nodes), func(a, b *watch.Node) int { return cmp.Compare(a.Node, b.Node) })
	ids := r.ids(from)
	for _, name := range slices.Sorted(maps.Keys(from.Services)) {
		for _, in := range from.Services[name] {
			node := nodes[nodeName(in)]
			if node == nil {
				continue // is among the problems already
			}
			i := &instance{Instance: in, name: name, node: node}
			var nodeHealth Health
			if n := from.Nodes[node.Node]; n != nil {
				nodeHealth = n.Health
			}
			i.service = i.answer(ids[in], nodeHealth)
			c.byService[name] = append(c.byService[name], i)
			c.byNode[node.Node] = append(c.byNode[node.Node], i)
			if in.ConnectNative {
				c.proxies[name] = append(c.proxies[name], i)
			} else if in.ProxyFor != "" {
				c.proxies[in.ProxyFor] = append(c.proxies[in.ProxyFor], i)
			}
		}
	}
	for _, m := range []map[string][]*instance{c.byService, c.byNode, c.proxies} {
		for _, list := range m {
			slices.SortStableFunc(list, func(a, b *instance) int {
				return cmp.Or(cmp.Compare(a.node.Node, b.node.Node), cmp.Compare(a.service.ID, b.service.ID))
			})
		}
	}
	for _, list := range c.byNode {
		slices.SortStableFunc(list, func(a, b *instance) int {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.service.ID, b.service.ID))
		})
	}
	c.distances = r.distances(from)
	return c
}

// nodeName is the node that an instance is on: where it names none, one that is named by its address.
func nodeName(in *Instance) string { return cmp.Or(in.Node, in.Address) }

// nodes lists the nodes that are declared, and those that are implied by the instances on them.
func (r *resolver) nodes(dc string, from *Registry) map[string]*watch.Node {
	nodes := map[string]*watch.Node{}
	for _, name := range slices.Sorted(maps.Keys(from.Nodes)) {
		n := from.Nodes[name]
		nodes[name] = &watch.Node{ID: n.ID, Node: name, Address: n.Address, Datacenter: dc, TaggedAddresses: n.TaggedAddresses, Meta: n.Meta}
	}
	for _, service := range slices.Sorted(maps.Keys(from.Services)) {
		for _, in := range from.Services[service] {
			name := nodeName(in)
			if name == "" {
				r.fail(in, "an instance of service %q has neither an address nor a node; give it one of them", service)
				continue
			}
			if nodes[name] == nil {
				nodes[name] = &watch.Node{Node: name, Datacenter: dc}
			}
			if nodes[name].Address == "" {
				nodes[name].Address = in.Address
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if nodes[name].Address != "" {
			continue
		}
		if n := from.Nodes[name]; n != nil {
			r.fail(n, "node %q has no address; give it one", name)
			continue
		}
		r.fail(r.firstOn(from, name), "node %q, which this instance is on, has no address; add it to nodes, or give the instance an address", name)
	}
	return nodes
}

func (r *resolver) firstOn(from *Registry, node string) *Instance {
	for _, service := range slices.Sorted(maps.Keys(from.Services)) {
		for _, in := range from.Services[service] {
			if nodeName(in) == node {
				return in
			}
		}
	}
	return nil
}

// ids gives an id to each instance that has none: its service's name, numbered where the node has that already. Consul knows
// an instance by its node and id.
func (r *resolver) ids(from *Registry) map[*Instance]string {
	type key struct{ node, id string }
	taken, ids := map[key]*Instance{}, map[*Instance]string{}
	names := slices.Sorted(maps.Keys(from.Services))
	for _, name := range names {
		for _, in := range from.Services[name] {
			if in.ID == "" {
				continue
			}
			k := key{nodeName(in), in.ID}
			if first := taken[k]; first != nil {
				r.fail(in, "node %q has an instance with the id %q already (%s); give each its own", k.node, k.id, cmp.Or(r.where[first], "the other has it too"))
			}
			taken[k], ids[in] = in, in.ID
		}
	}
	for _, name := range names {
		for _, in := range from.Services[name] {
			if in.ID != "" {
				continue
			}
			k := key{nodeName(in), name}
			for n := 2; taken[k] != nil; n++ {
				k.id = fmt.Sprintf("%s-%d", name, n)
			}
			taken[k], ids[in] = in, k.id
		}
	}
	return ids
}

// answer fills in what templates see of an instance.
func (i *instance) answer(id string, nodeHealth Health) *watch.ServiceInstance {
	in, node := i.Instance, i.node
	s := &watch.ServiceInstance{
		Node: node.Node, NodeID: node.ID, NodeAddress: node.Address, NodeDatacenter: node.Datacenter,
		NodeTaggedAddresses: node.TaggedAddresses, NodeMeta: node.Meta,
		ServiceMeta: in.Meta, Address: cmp.Or(in.Address, node.Address), ServiceTaggedAddresses: in.TaggedAddresses,
		ID: id, Name: i.name, Kind: in.Kind, Tags: sortedTags(in.Tags), Port: in.Port, Weights: in.Weights,
		Namespace: in.Namespace, Partition: in.Partition,
	}
	if s.Kind == "" && in.ProxyFor != "" {
		s.Kind = "connect-proxy"
	}
	if s.Weights == (watch.Weights{}) {
		s.Weights = watch.Weights{Passing: 1, Warning: 1}
	}
	s.Checks = append(nodeChecks(node.Node, nodeHealth), i.checks(id)...)
	s.Status = s.Checks.AggregatedStatus()
	return s
}

func sortedTags(tags []string) watch.ServiceTags {
	t := append(watch.ServiceTags{}, tags...) // never nil: toJSON shows the difference
	slices.Sort(t)
	return t
}

// written are the checks that are written out, with what is made up where they don't say it: the name, and the id of the n-th.
func written(list []Check, name string, id func(n int) string) watch.HealthChecks {
	var checks watch.HealthChecks
	for n, c := range list {
		check := c.HealthCheck
		check.CheckID, check.Status = cmp.Or(check.CheckID, id(n+1)), cmp.Or(check.Status, watch.StatusPassing)
		if !c.Nameless {
			check.Name = cmp.Or(check.Name, name)
		}
		checks = append(checks, &check)
	}
	return checks
}

func nodeChecks(node string, h Health) watch.HealthChecks {
	checks := written(h.Checks, "Node check", func(n int) string { return fmt.Sprintf("node:%d", n) })
	if h.Status != "" {
		output := "Agent alive and reachable"
		if h.Status != watch.StatusPassing {
			output = "Agent not live or unreachable"
		}
		checks = append(checks, &watch.HealthCheck{CheckID: "serfHealth", Name: "Serf Health Status", Status: h.Status, Output: output})
	}
	if h.Maintenance != "" {
		checks = append(checks, &watch.HealthCheck{CheckID: "_node_maintenance", Name: "Node Maintenance Mode", Status: watch.StatusCritical, Notes: h.Maintenance})
	}
	for _, c := range checks {
		c.Node = node
		c.ServiceTags = sortedTags(c.ServiceTags)
	}
	return byCheckID(checks)
}

func (i *instance) checks(id string) watch.HealthChecks {
	h := i.Health
	name := fmt.Sprintf("Service '%s' check", i.name)
	checks := written(h.Checks, name, func(n int) string {
		if len(h.Checks) > 1 || h.Status != "" {
			return fmt.Sprintf("service:%s:%d", id, n)
		}
		return "service:" + id
	})
	if h.Status != "" {
		checks = append(checks, &watch.HealthCheck{CheckID: "service:" + id, Name: name, Status: h.Status})
	}
	if h.Maintenance != "" {
		checks = append(checks, &watch.HealthCheck{CheckID: "_service_maintenance:" + id, Name: "Service Maintenance Mode", Status: watch.StatusCritical, Notes: h.Maintenance})
	}
	for _, c := range checks {
		c.Node, c.ServiceID, c.ServiceName = i.node.Node, id, cmp.Or(c.ServiceName, i.name)
		if c.ServiceTags == nil {
			c.ServiceTags = i.Tags
		}
		c.ServiceTags = sortedTags(c.ServiceTags)
	}
	return byCheckID(checks)
}

func byCheckID(checks watch.HealthChecks) watch.HealthChecks {
	slices.SortStableFunc(checks, func(a, b *watch.HealthCheck) int { return strings.Compare(a.CheckID, b.CheckID) })
	return checks
}
