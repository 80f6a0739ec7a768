package consul

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"lictor/watch"
)

func catalogServiceEndpoint(q watch.CatalogService) endpoint {
	convert := func(i *watch.CatalogInstance) (*watch.CatalogInstance, error) {
		if i.Node == "" {
			return nil, errNameless
		}
		i.ServiceTags = sortedTags(i.ServiceTags)
		return i, nil
	}
	order := func(a, b *watch.CatalogInstance) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ServiceID, b.ServiceID))
	}
	return endpoint{path: "catalog/service/" + pathSegment(q.Name), query: near(scopeQuery(q.Scope), q.Near), decode: sorted(q.Near, convert, order)}
}

func nodesEndpoint(q watch.Nodes) endpoint {
	convert := func(n *watch.Node) (*watch.Node, error) {
		if n.Node == "" {
			return nil, errNameless
		}
		return n, nil
	}
	order := func(a, b *watch.Node) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
	}
	return endpoint{path: "catalog/nodes", query: near(scopeQuery(q.Scope), q.Near), decode: sorted(q.Near, convert, order)}
}

// nodeServicesEndpoint reads a node with its services. For the agent's own node it asks the agent first who that is.
func (s *Source) nodeServicesEndpoint(ctx context.Context, q watch.NodeServices) (endpoint, error) {
	name := q.Name
	if name == "" {
		var self struct{ Config struct{ NodeName string } }
		_, err := s.client.get(ctx, call{path: "agent/self"}, func(r io.Reader) error { return one(r, &self) })
		if err != nil {
			return endpoint{}, fmt.Errorf("asking the agent for its own node's name: %w", err)
		}
		name = self.Config.NodeName
	}
	return endpoint{path: "catalog/node/" + pathSegment(name), query: scopeQuery(q.Scope), none: (*watch.CatalogNode)(nil), decode: decodeNodeServices}, nil
}

func decodeNodeServices(r io.Reader) (any, error) {
	var raw *struct {
		Node     *watch.Node
		Services map[string]*watch.NodeService
	}
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	switch {
	case raw == nil: // Consul's way to say that there is no such node
		return (*watch.CatalogNode)(nil), nil
	case raw.Node == nil:
		return nil, errNull
	case raw.Node.Node == "":
		return nil, errNameless
	}
	answer := &watch.CatalogNode{Node: raw.Node, Services: []*watch.NodeService{}}
	for _, s := range raw.Services {
		if s == nil {
			return nil, errNull
		}
		s.Tags = sortedTags(s.Tags)
		answer.Services = append(answer.Services, s)
	}
	slices.SortFunc(answer.Services, func(a, b *watch.NodeService) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.ID, b.ID))
	})
	return answer, nil
}

// datacentersEndpoint reads the names of the datacenters. That endpoint can not be held open.
func (s *Source) datacentersEndpoint(q watch.Datacenters) endpoint {
	e := endpoint{path: "catalog/datacenters", agent: true, every: pollEvery, decode: func(r io.Reader) (any, error) {
		return decodeDatacenters(r)
	}}
	if q.IgnoreFailing {
		e.finish = s.reachable
	}
	return e
}

// reachable keeps the datacenters that answer now.
func (s *Source) reachable(ctx context.Context, names any) (any, error) {
	reached := []string{}
	for _, name := range names.([]string) {
		_, err := s.client.get(ctx, call{path: "catalog/nodes", query: url.Values{"dc": {name}, "filter": {`Node == ""`}}},
			func(r io.Reader) error { _, err := discard(r); return err })
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil || denied(err) {
			reached = append(reached, name)
		}
	}
	return reached, nil
}
