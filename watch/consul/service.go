package consul

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"lictor/watch"
)

// The raw types hold of Consul's JSON what answers need.

type rawNode struct {
	ID, Node, Address, Datacenter string
	TaggedAddresses, Meta         map[string]string
}

type rawService struct {
	ID, Service, Kind    string
	Tags                 []string
	Meta                 map[string]string
	Port                 int
	Address              string
	TaggedAddresses      map[string]watch.ServiceAddress
	Weights              watch.Weights
	EnableTagOverride    bool
	Namespace, Partition string
}

type rawEntry struct {
	Node    rawNode
	Service rawService
	Checks  []*watch.HealthCheck
}

func serviceEndpoint(q watch.Service) endpoint {
	kind := "service"
	if q.Connect {
		kind = "connect"
	}
	query := near(scopeQuery(q.Scope), q.Near)
	if q.Filter != "" {
		query.Set("filter", q.Filter)
	}
	if q.Name == "" { // Consul refuses an empty name; no service has it
		return endpoint{path: "status/leader", query: scopeQuery(q.Scope), agent: true, every: pollEvery,
			decode: func(io.Reader) (any, error) { return []*watch.ServiceInstance{}, nil }}
	}
	return endpoint{path: "health/" + kind + "/" + pathSegment(q.Name), query: query, decode: sorted(q.Near, newEntry, byInstance)}
}

func newEntry(e *rawEntry) (*watch.ServiceInstance, error) {
	if e.Node.Node == "" || e.Service.Service == "" {
		return nil, errNameless
	}
	for _, c := range e.Checks {
		if c == nil {
			return nil, errNull
		}
		tidy(c)
	}
	return newInstance(&e.Node, &e.Service, e.Checks), nil
}

// tidy gives a check its final form.
func tidy(c *watch.HealthCheck) { slices.Sort(c.ServiceTags) }

// newInstance makes the answer's form of an instance from its node, itself, and its checks: the node's and its own. All
// plans make instances here, so that their answers are equal.
func newInstance(n *rawNode, s *rawService, checks []*watch.HealthCheck) *watch.ServiceInstance {
	slices.SortFunc(checks, byCheck)
	checks = notNil(checks)
	return &watch.ServiceInstance{
		Node: n.Node, NodeID: n.ID, NodeAddress: n.Address, NodeDatacenter: n.Datacenter,
		NodeTaggedAddresses: n.TaggedAddresses, NodeMeta: n.Meta,
		ID: s.ID, Name: s.Service, Kind: s.Kind, Tags: sortedTags(s.Tags), ServiceMeta: s.Meta, Port: s.Port,
		Address: cmp.Or(s.Address, n.Address), ServiceTaggedAddresses: s.TaggedAddresses, Weights: s.Weights,
		Namespace: s.Namespace, Partition: s.Partition,
		Checks: checks, Status: watch.HealthChecks(checks).AggregatedStatus(),
	}
}

// sortedTags are the tags of a service as all answers have them: an empty list where there are none, since endpoints differ in
// whether they write that as null.
func sortedTags(tags []string) watch.ServiceTags {
	slices.Sort(tags)
	return notNil(tags)
}

func notNil[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}

func byInstance(a, b *watch.ServiceInstance) int {
	return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
}

// byCheck puts a node's own checks before those of its instances.
func byCheck(a, b *watch.HealthCheck) int {
	return cmp.Or(strings.Compare(a.ServiceID, b.ServiceID), strings.Compare(a.CheckID, b.CheckID))
}

// sorted decodes a list and sorts it, unless it comes in the order of distance from a node.
func sorted[R, A any](near string, convert func(*R) (A, error), order func(a, b A) int) func(io.Reader) (any, error) {
	return func(r io.Reader) (any, error) {
		answer, err := list(r, convert)
		if near == "" {
			slices.SortStableFunc(answer, order)
		}
		return answer, err
	}
}

type rawCatalog struct {
	ID, Node, Address, Datacenter string
	TaggedAddresses, NodeMeta     map[string]string
	ServiceID, ServiceName        string
	ServiceAddress                string
	ServiceTags                   []string
	ServiceMeta                   map[string]string
	ServicePort                   int
	Namespace                     string
}

func catalogServiceEndpoint(q watch.CatalogService) endpoint {
	convert := func(c *rawCatalog) (*watch.CatalogInstance, error) {
		if c.Node == "" {
			return nil, errNameless
		}
		return &watch.CatalogInstance{
			ID: c.ID, Node: c.Node, Address: c.Address, Datacenter: c.Datacenter, TaggedAddresses: c.TaggedAddresses, NodeMeta: c.NodeMeta,
			ServiceID: c.ServiceID, ServiceName: c.ServiceName, ServiceAddress: c.ServiceAddress, ServiceTags: sortedTags(c.ServiceTags),
			ServiceMeta: c.ServiceMeta, ServicePort: c.ServicePort, Namespace: c.Namespace,
		}, nil
	}
	order := func(a, b *watch.CatalogInstance) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ServiceID, b.ServiceID))
	}
	return endpoint{path: "catalog/service/" + pathSegment(q.Name), query: near(scopeQuery(q.Scope), q.Near), decode: sorted(q.Near, convert, order)}
}
