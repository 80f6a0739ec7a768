package file

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

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
	c := &catalog{byNode: map[string][]*instance{}, byService: map[string][]*instance{}, proxies: map[string][]*instance{}, distances: from.Nodes}
	for _, path := range slices.Sorted(maps.Keys(from.KV)) {
		pair := *from.KV[path]
		pair.Path, pair.Key = path, path
		c.keys = append(c.keys, &pair)
	}
	nodes := r.nodes(dc, from)
	c.nodes = slices.SortedFunc(maps.Values(nodes), func(a, b *watch.Node) int { return cmp.Compare(a.Node, b.Node) })
	for _, i := range r.instances(from, nodes) {
		c.byService[i.name] = append(c.byService[i.name], i)
		c.byNode[i.node.Node] = append(c.byNode[i.node.Node], i)
		if i.ConnectNative {
			c.proxies[i.name] = append(c.proxies[i.name], i)
		} else if i.ProxyFor != "" {
			c.proxies[i.ProxyFor] = append(c.proxies[i.ProxyFor], i)
		}
	}
	for _, list := range c.byNode {
		slices.SortStableFunc(list, func(a, b *instance) int { return cmp.Compare(a.name, b.name) })
	}
	return c
}

// instances fills in the defaults of the instances. They are sorted by node and id.
func (r *resolver) instances(from *Registry, nodes map[string]*watch.Node) []*instance {
	ids := r.ids(from)
	var all []*instance
	for name, in := range from.instances() {
		node := nodes[nodeName(in)]
		if node == nil {
			continue // is among the problems already
		}
		i := &instance{Instance: in, name: name, node: node}
		declared := cmp.Or(from.Nodes[node.Node], &Node{})
		i.service = i.answer(ids[in], declared.Health)
		all = append(all, i)
	}
	slices.SortStableFunc(all, func(a, b *instance) int {
		return cmp.Or(cmp.Compare(a.node.Node, b.node.Node), cmp.Compare(a.service.ID, b.service.ID))
	})
	return all
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
	first := map[string]*Instance{} // on each node that is not declared
	for service, in := range from.instances() {
		name := nodeName(in)
		if name == "" {
			r.fail(in, "an instance of service %q has neither an address nor a node; give it one of them", service)
			continue
		}
		if nodes[name] == nil {
			nodes[name], first[name] = &watch.Node{Node: name, Datacenter: dc}, in
		}
		nodes[name].Address = cmp.Or(nodes[name].Address, in.Address)
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		switch {
		case nodes[name].Address != "":
		case first[name] == nil:
			r.fail(from.Nodes[name], "node %q has no address; give it one", name)
		default:
			r.fail(first[name], "node %q, which this instance is on, has no address; add it to nodes, or give the instance an address", name)
		}
	}
	return nodes
}

// ids gives an id to each instance that has none: its service's name, numbered where the node has that already. Consul knows
// an instance by its node and id.
func (r *resolver) ids(from *Registry) map[*Instance]string {
	type key struct{ node, id string }
	taken, ids := map[key]*Instance{}, map[*Instance]string{}
	for _, in := range from.instances() {
		if in.ID == "" {
			continue
		}
		k := key{nodeName(in), in.ID}
		if first := taken[k]; first != nil {
			r.fail(in, "node %q has an instance with the id %q already (%s); give each its own", k.node, k.id, cmp.Or(r.where[first], "the other has it too"))
		}
		taken[k], ids[in] = in, in.ID
	}
	for name, in := range from.instances() {
		if in.ID != "" {
			continue
		}
		k := key{nodeName(in), name}
		for n := 2; taken[k] != nil; n++ {
			k.id = fmt.Sprintf("%s-%d", name, n)
		}
		taken[k], ids[in] = in, k.id
	}
	return ids
}
