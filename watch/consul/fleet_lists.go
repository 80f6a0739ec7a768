package consul

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lictor/watch"
)

func (f *fleet) checksEndpoint(state string) endpoint {
	return endpoint{path: "health/state/" + state, query: scopeQuery(f.scope)}
}

// ownCheck decodes whose a check is.
func (d digester) ownCheck(element []byte) (owner, error) {
	var c struct{ Node, CheckID, ServiceName string }
	if err := json.Unmarshal(element, &c); err != nil {
		return owner{}, err
	}
	return d.checkOwner(c.Node, c.CheckID, c.ServiceName)
}

func (d digester) checkOwner(node, id, service string) (owner, error) {
	o := owner{which: d.name(node, id)}
	switch {
	case node == "":
		return owner{}, errNameless
	case service == "":
		o.node = fold(node)
	default:
		o.service = fold(service)
	}
	return o, nil
}

// readChecks reads the list of all checks and tells whose have changed since it was last read. It collects the checks of
// a crowd's instances.
func (f *fleet) readChecks(ctx context.Context, m mode, c *crowd, tell func(owner)) (l ledger, index uint64, err error) {
	book := &f.checks
	book.mu.Lock()
	defer book.mu.Unlock()
	e := f.checksEndpoint("any")
	e.decode = func(r io.Reader) (any, error) {
		if c != nil {
			return ledger(nil).read(r, f.digests, func(element []byte) (owner, error) { return c.ownCheck(f.digests, element) })
		}
		return book.ledger.read(r, f.digests, f.digests.ownCheck)
	}
	r, err := f.p.read(ctx, e, m, 0)
	if err != nil {
		return nil, 0, err
	}
	if c != nil {
		c.weigh(r.Evidence)
	}
	next := r.Value.(ledger)
	if book.index == 0 {
		f.firstLook(next, "")
	} else {
		book.ledger.changed(next, tell)
		f.compareAnswers(next, f.checkNews, book.begun, f.checksOf)
	}
	book.ledger, book.index, book.begun = next, r.index, r.begun
	return next, r.index, nil
}

// ownCheck is ownCheck, and collects the check.
func (c *crowd) ownCheck(d digester, element []byte) (owner, error) {
	check := &watch.HealthCheck{}
	if err := json.Unmarshal(element, check); err != nil {
		return owner{}, err
	}
	tidy(check)
	node := fold(check.Node)
	if check.ServiceName == "" {
		c.ofNode[node] = append(c.ofNode[node], check)
	} else if c.wanted[fold(check.ServiceName)] {
		at := [2]string{node, check.ServiceID}
		c.ofService[at] = append(c.ofService[at], check)
	}
	return d.checkOwner(check.Node, check.CheckID, check.ServiceName)
}

// noChecks asks for no check at all: what is wanted is the index of the list.
func (f *fleet) noChecks() endpoint {
	e := f.checksEndpoint("any")
	e.query.Set("filter", `CheckID == ""`)
	e.decode = discard
	return e
}

// readNodes reads the list of nodes, for a fleet that does not hold it open.
func (f *fleet) readNodes(ctx context.Context) error {
	r, err := f.p.read(ctx, f.nodesEndpoint(nil), consistent, 0)
	if err == nil {
		f.setNodes(r)
	}
	return err
}

func (f *fleet) nodesEndpoint(before ledger) endpoint {
	return endpoint{path: "catalog/nodes", query: scopeQuery(f.scope), decode: func(r io.Reader) (any, error) {
		return before.read(r, f.digests, f.digests.ownNode)
	}}
}

// ownNode decodes the name of a node.
func (d digester) ownNode(element []byte) (owner, error) {
	var n struct{ Node string }
	if err := json.Unmarshal(element, &n); err != nil {
		return owner{}, err
	}
	return d.checkOwner(n.Node, "", "")
}

// setNodes takes in which nodes there are, and returns those that have gone.
func (f *fleet) setNodes(r result) (gone map[string]*host) {
	l := r.Value.(ledger)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.partial = r.Filtered
	next := make(map[string]*host, len(l))
	for _, o := range l {
		h := f.nodes[o.node]
		if h == nil {
			h = &host{news: news{}}
			signal(f.grown)
		}
		next[o.node] = h
	}
	gone, f.nodes = f.nodes, next
	maps.DeleteFunc(gone, func(name string, _ *host) bool { return next[name] != nil })
	signal(f.moved)
	return gone
}

// host is a node, or nil for one that is not there.
func (f *fleet) host(name string) *host {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[name]
}

// partly tells whether access rules hide some nodes from our token.
func (f *fleet) partly() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.partial
}

// allNodes lists the nodes.
func (f *fleet) allNodes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.nodes))
}

// unreadNodes lists the nodes that were not read since then, those first that were read longest ago.
func (f *fleet) unreadNodes(since time.Time) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, 0, len(f.nodes))
	for name, h := range f.nodes {
		if h.read.Before(since) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(f.nodes[a].read.Compare(f.nodes[b].read), strings.Compare(a, b))
	})
	return names
}

// sweep reads the services of nodes and marks those that have changed, or collects them. It tells whether any has changed.
func (f *fleet) sweep(ctx context.Context, nodes []string, m mode, c *crowd) (changed bool, err error) {
	work := make(chan string)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range fleetReaders {
		wg.Go(func() {
			for name := range work {
				new, err := f.readNode(ctx, name, m, c)
				if err != nil {
					cancel(err)
				}
				mu.Lock()
				changed = changed || new
				mu.Unlock()
			}
		})
	}
send:
	for _, name := range nodes {
		select {
		case work <- name:
		case <-ctx.Done():
			break send
		}
	}
	close(work)
	wg.Wait()
	return changed, context.Cause(ctx)
}

func nodePath(name string) string { return "catalog/node-services/" + pathSegment(name) }

// nodeEndpoint reads the services of a node as text.
func (f *fleet) nodeEndpoint(name string) endpoint {
	return endpoint{path: nodePath(name), query: scopeQuery(f.scope), none: []byte(nobody),
		decode: func(r io.Reader) (any, error) { return io.ReadAll(r) }}
}

// nobody is how Consul writes the services of a node that does not exist.
const nobody = `{"Node":null,"Services":null}`

// decodeNode splits the text of a node's services.
func decodeNode(text []byte) (node *rawNode, services []json.RawMessage, err error) {
	var raw struct{ Node, Services json.RawMessage }
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, nil, err
	}
	if raw.Node == nil || raw.Services == nil {
		return nil, nil, errors.New("a node and its services were expected")
	}
	if err := json.Unmarshal(raw.Node, &node); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(raw.Services, &services); err != nil {
		return nil, nil, err
	}
	if node == nil && len(services) > 0 {
		return nil, nil, errNull
	}
	return node, services, nil
}

// decodeService decodes an element of a node's services.
func decodeService(element []byte) (*rawService, error) {
	var s *rawService
	if err := json.Unmarshal(element, &s); err != nil {
		return nil, err
	}
	switch {
	case s == nil:
		return nil, errNull
	case s.Service == "":
		return nil, errNameless
	}
	return s, nil
}

// readNode reads the services of a node and marks those that have changed, and collects those that a crowd wants.
func (f *fleet) readNode(ctx context.Context, name string, m mode, c *crowd) (changed bool, err error) {
	r, err := f.p.read(ctx, f.nodeEndpoint(name), m, 0)
	if err != nil {
		return false, err
	}
	if c != nil {
		c.weigh(r.Evidence)
	}
	if changed, err = f.takeNode(ctx, name, r, c); err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.nodes[name]; h != nil && m != stale { // another server may not have come to the change yet that is looked for
		h.read = r.begun
	}
	return changed, nil
}

// takeNode takes in the text of a node's services, and tells whether it has changed.
func (f *fleet) takeNode(ctx context.Context, name string, r result, c *crowd) (changed bool, err error) {
	text := r.Value.([]byte)
	h := f.host(name)
	if h == nil { // it has gone meanwhile: its services were marked then
		return false, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	content := f.digests.of(text)
	if h.seen && content == h.content && c == nil {
		f.compareAnswers(h.services, h.news, h.begun, f.instancesOn(name))
		h.begun = r.begun
		return false, nil
	}
	node, services, err := decodeNode(text)
	if err != nil {
		return false, f.p.client.malformed(ctx, call{path: nodePath(name)}, err)
	}
	next := ledger{}
	for _, element := range services {
		d := f.digests.of(element)
		o, ok := h.services[d]
		if !ok || c != nil {
			s, err := decodeService(element)
			if err != nil {
				return false, f.p.client.malformed(ctx, call{path: nodePath(name)}, err)
			}
			o = owner{service: fold(s.Service), which: f.digests.name(name, s.ID)}
			c.add(node, s)
		}
		next[d] = o
	}
	if h.seen {
		h.services.changed(next, f.markOwner)
		f.compareAnswers(next, h.news, h.begun, f.instancesOn(name))
	} else {
		f.firstLook(next, name)
	}
	h.services, h.content, h.begun, h.seen = next, content, r.begun, true
	return true, nil
}

// add collects an instance if it is wanted.
func (c *crowd) add(n *rawNode, s *rawService) {
	if c == nil || !c.wanted[fold(s.Service)] {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instances = append(c.instances, &located{n, s})
}
