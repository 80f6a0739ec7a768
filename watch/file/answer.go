package file

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lictor/watch"
)

// A snapshot is data that is ready to answer queries. It never changes.
type snapshot struct {
	data     *Data
	catalogs map[string]*catalog
}

// newSnapshot fills in what data leaves out. Its error names what does not fit together, such as an instance without an address.
func newSnapshot(d *Data) (*snapshot, error) {
	catalogs, err := resolveAll(d)
	if err != nil {
		return nil, err
	}
	return &snapshot{d, catalogs}, nil
}

// Answer answers a query of any kind that a registry answers, as Consul would for the same data. Its error is permanent
// ([watch.Permanent]) where only another query would help, as for a filter that does not parse; any other error says what
// the data does not have.
func (d *Data) Answer(q watch.Query) (any, error) {
	s, err := newSnapshot(d)
	if err != nil {
		return nil, err
	}
	return s.answer(q)
}

func (s *snapshot) answer(q watch.Query) (any, error) {
	switch q := q.(type) {
	case watch.Key:
		return scoped(s, q.Scope, func(c *catalog) (any, error) { return c.key(q.Path), nil })
	case watch.Prefix:
		return scoped(s, q.Scope, func(c *catalog) (any, error) { return watch.RelativeTo(q.Path, watch.KeysBelow(c.keys, q.Path)), nil })
	case watch.Service:
		return scoped(s, q.Scope, func(c *catalog) (any, error) { return s.service(c, q) })
	case watch.Services:
		return scoped(s, q.Scope, func(c *catalog) (any, error) { return c.services(), nil })
	case watch.CatalogService:
		return scoped(s, q.Scope, func(c *catalog) (any, error) { return s.catalogService(c, q), nil })
	case watch.Nodes:
		return scoped(s, q.Scope, func(c *catalog) (any, error) {
			return nearest(s, c, q.Near, c.nodes, func(n *watch.Node) string { return n.Node }), nil
		})
	case watch.NodeServices:
		return scoped(s, q.Scope, func(c *catalog) (any, error) { return s.node(c, q.Name) })
	case watch.Datacenters:
		return slices.Sorted(maps.Keys(s.catalogs)), nil
	case watch.CARoots:
		return section(s.data.CARoots, "ca_roots")
	case watch.CALeaf:
		return scoped(s, q.Scope, func(*catalog) (any, error) {
			if leaf := s.data.CALeaves[q.Service]; leaf != nil {
				return leaf, nil
			}
			return nil, fmt.Errorf("the data file has no certificate of service %q; add it under ca_leaves", q.Service)
		})
	case watch.Partitions:
		return section(s.data.Partitions, "partitions")
	case watch.Peerings:
		return scoped(s, q.Scope, func(*catalog) (any, error) { return section(s.data.Peerings, "peerings") })
	case watch.ExportedServices:
		return scoped(s, q.Scope, func(*catalog) (any, error) { return section(s.data.Exported, "exported_services") })
	case watch.ImportedServices:
		return scoped(s, q.Scope, func(*catalog) (any, error) { return section(s.data.Imported, "imported_services") })
	}
	return nil, watch.Permanent(fmt.Errorf("%s: a data file does not answer queries of this kind", q))
}

// scoped answers from the datacenter that a query is about.
func scoped(s *snapshot, scope watch.Scope, answer func(*catalog) (any, error)) (any, error) {
	for _, o := range [...]struct{ name, value string }{
		{"namespaces", scope.Namespace}, {"partitions", scope.Partition}, {"peers", scope.Peer}, {"sameness groups", scope.SamenessGroup},
	} {
		if o.value != "" {
			return nil, watch.Permanent(fmt.Errorf("a data file does not tell %s apart; leave %q out of the query", o.name, o.value))
		}
	}
	dc := cmp.Or(scope.Datacenter, s.data.Datacenter, DefaultDatacenter)
	c := s.catalogs[dc]
	if c == nil {
		return nil, fmt.Errorf("the data file has no datacenter %q, only %s", dc, strings.Join(slices.Sorted(maps.Keys(s.catalogs)), ", "))
	}
	return answer(c)
}

func section[E any](list []E, name string) (any, error) {
	if list == nil {
		return nil, fmt.Errorf("the data file has no %s; add them", name)
	}
	return list, nil
}

// agent is the agent's own node, "" where nothing says which it is.
func (s *snapshot) agent() string {
	home := s.catalogs[cmp.Or(s.data.Datacenter, DefaultDatacenter)]
	if s.data.Agent == "" && len(home.nodes) == 1 {
		return home.nodes[0].Node
	}
	return s.data.Agent
}

func (c *catalog) key(path string) *watch.KeyPair {
	if below := watch.KeysBelow(c.keys, path); len(below) > 0 && below[0].Path == path {
		return below[0]
	}
	return nil
}

func (s *snapshot) service(c *catalog, q watch.Service) (any, error) {
	list := c.byService[q.Name]
	if q.Connect {
		list = c.proxies[q.Name]
	}
	if q.Filter != "" {
		var err error
		if list, err = filter(q.Filter, list); err != nil {
			return nil, err
		}
	}
	list = nearest(s, c, q.Near, list, onNode)
	answer := make([]*watch.ServiceInstance, len(list))
	for i, in := range list {
		answer[i] = in.service
	}
	return answer, nil
}

func onNode(i *instance) string { return i.node.Node }

func (c *catalog) services() []*watch.ServiceName {
	names := []*watch.ServiceName{}
	for _, name := range slices.Sorted(maps.Keys(c.byService)) {
		n := &watch.ServiceName{Name: name, Tags: watch.ServiceTags{}}
		for _, in := range c.byService[name] {
			n.Tags = append(n.Tags, in.Tags...)
		}
		slices.Sort(n.Tags)
		n.Tags = slices.Compact(n.Tags)
		names = append(names, n)
	}
	return names
}

func (s *snapshot) catalogService(c *catalog, q watch.CatalogService) []*watch.CatalogInstance {
	list := nearest(s, c, q.Near, c.byService[q.Name], onNode)
	answer := make([]*watch.CatalogInstance, len(list))
	for i, in := range list {
		n := in.node
		answer[i] = &watch.CatalogInstance{
			ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter, TaggedAddresses: n.TaggedAddresses, NodeMeta: n.Meta,
			ServiceID: in.service.ID, ServiceName: in.name, ServiceAddress: in.Instance.Address, ServiceTags: in.service.Tags,
			ServiceMeta: in.Meta, ServicePort: in.Port, Namespace: in.Namespace,
		}
	}
	return answer
}

func (s *snapshot) node(c *catalog, name string) (*watch.CatalogNode, error) {
	if name = cmp.Or(name, s.agent()); name == "" {
		return nil, fmt.Errorf("the data file does not say which node is the agent's own; set agent to its name")
	}
	i, ok := slices.BinarySearchFunc(c.nodes, name, func(n *watch.Node, name string) int { return strings.Compare(n.Node, name) })
	if !ok {
		return nil, nil
	}
	answer := &watch.CatalogNode{Node: c.nodes[i], Services: []*watch.NodeService{}}
	for _, in := range c.byNode[name] {
		answer.Services = append(answer.Services, &watch.NodeService{
			ID: in.service.ID, Service: in.name, Tags: in.service.Tags, Meta: in.Meta, Port: in.Port, Address: in.Instance.Address,
			EnableTagOverride: in.EnableTagOverride,
		})
	}
	return answer, nil
}
