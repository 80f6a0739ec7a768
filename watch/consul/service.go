package consul

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"lictor/watch"
)

// A rawService is an instance as its node and the health endpoints have it.
type rawService struct {
	watch.NodeService
	Kind                 string
	TaggedAddresses      map[string]watch.ServiceAddress
	Weights              watch.Weights
	Namespace, Partition string
}

func serviceEndpoint(q watch.Service) endpoint {
	if q.Name == "" { // Consul refuses an empty name; no service has it
		return endpoint{path: "status/leader", query: scopeQuery(q.Scope), agent: true, every: pollEvery,
			decode: func(io.Reader) (any, error) { return []*watch.ServiceInstance{}, nil }}
	}
	kind := "service"
	if q.Connect {
		kind = "connect"
	}
	query := near(scopeQuery(q.Scope), q.Near)
	if q.Filter != "" {
		query.Set("filter", q.Filter)
	}
	return endpoint{path: "health/" + kind + "/" + pathSegment(q.Name), query: query, decode: sorted(q.Near, newEntry, byInstance)}
}

// A rawEntry is an instance with its node and its checks.
type rawEntry struct {
	Node    watch.Node
	Service rawService
	Checks  []*watch.HealthCheck
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
func newInstance(n *watch.Node, s *rawService, checks []*watch.HealthCheck) *watch.ServiceInstance {
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

func byInstance(a, b *watch.ServiceInstance) int {
	return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
}

// byCheck puts a node's own checks before those of its instances.
func byCheck(a, b *watch.HealthCheck) int {
	return cmp.Or(strings.Compare(a.ServiceID, b.ServiceID), strings.Compare(a.CheckID, b.CheckID))
}
