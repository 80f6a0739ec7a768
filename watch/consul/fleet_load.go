package consul

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"sync"
	"time"

	"lictor/watch"
)

// A host is a node of the registry, and what was last seen on it.
type host struct {
	mu       sync.Mutex // held while the node is read, so that one look follows another
	services ledger
	content  digest
	seen     bool
}

// A checkBook is what the list of all checks held when it was last read.
type checkBook struct {
	mu     sync.Mutex // held while the list is read, so that one look follows another
	ledger ledger
	index  uint64 // 0 before the first look
}

// A crowd is what a load collects: the instances of the services that are wanted, and their checks.
type crowd struct {
	wanted map[string]bool

	mu        sync.Mutex
	instances []*located
	ofNode    map[string][]*watch.HealthCheck    // a node's own checks
	ofService map[[2]string][]*watch.HealthCheck // by node and service id
	watch.Evidence
}

// A located is an instance and its node.
type located struct {
	node    *rawNode
	service *rawService
}

// weigh takes the evidence of one more read into account: all is as good as its worst part.
func (c *crowd) weigh(e watch.Evidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.NoLeader = c.NoLeader || e.NoLeader
	c.Filtered = c.Filtered || e.Filtered
	c.Age = max(c.Age, e.Age)
}

// load answers all members that have no answer yet, from the services of each node and the list of all checks.
func (f *fleet) load(ctx context.Context) error {
	f.still.Lock()
	defer f.still.Unlock()
	begin := time.Now()
	c := &crowd{wanted: map[string]bool{}, ofNode: map[string][]*watch.HealthCheck{}, ofService: map[[2]string][]*watch.HealthCheck{}}
	var plain []*asked
	f.mu.Lock()
	for name, w := range f.members {
		for _, a := range w.queries {
			if s, ok := a.query.(watch.Service); ok && !a.known && s.Near == "" && s.Filter == "" {
				plain = append(plain, a)
				c.wanted[name] = true
			}
		}
	}
	nodes := len(f.nodes)
	f.loading = true
	f.mu.Unlock()
	defer f.loaded()
	index, err := f.readChecks(ctx, f.p.readMode(), c, f.markOwner)
	if err != nil {
		return err
	}
	if index <= 1 {
		return errors.New("the server has not read its log yet")
	}
	if err := f.sweep(ctx, f.p.readMode(), c); err != nil {
		return err
	}
	lists := c.assemble()
	// A service and its checks were read at two moments. What changed in between is not believed, but read by itself.
	r, err := f.p.read(ctx, f.noChecks(), leader, 0)
	if err != nil {
		return err
	}
	late := map[string]bool{}
	if r.index != index {
		_, err := f.readChecks(ctx, leader, nil, func(o owner) {
			if o.service != "" {
				late[o.service] = true
			}
			for name, list := range lists {
				if o.service == "" && slices.ContainsFunc(list, func(i *watch.ServiceInstance) bool { return i.Node == o.node }) {
					late[name] = true
				}
			}
			f.markOwner(o)
		})
		if err != nil {
			return err
		}
	}
	for _, a := range plain {
		name := nameOf(a.query)
		if late[name] {
			continue
		}
		list := lists[name]
		if list == nil {
			list = []*watch.ServiceInstance{}
		}
		f.mu.Lock()
		w := f.members[name]
		f.mu.Unlock()
		if w == nil {
			continue
		}
		f.note(w, a, list, 0, false)
		if err := f.p.offer(ctx, a.query, watch.Answer{Value: list, Evidence: c.Evidence}); err != nil {
			f.p.failed(a.query, err)
			f.mark(name)
		}
	}
	f.p.log.Debug("consul services loaded", "services", len(plain), "nodes", nodes, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// loaded marks what changed while the load did not know yet which services it concerns.
func (f *fleet) loaded() {
	f.mu.Lock()
	late := f.late
	f.loading, f.late = false, nil
	f.mu.Unlock()
	for _, node := range late {
		f.markOwner(owner{node: node})
	}
}

// assemble makes the answers that direct reads would give.
func (c *crowd) assemble() map[string][]*watch.ServiceInstance {
	lists := make(map[string][]*watch.ServiceInstance, len(c.wanted))
	for _, l := range c.instances {
		of := c.ofService[[2]string{l.node.Node, l.service.ID}]
		checks := slices.Concat(c.ofNode[l.node.Node], of)
		lists[l.service.Service] = append(lists[l.service.Service], newInstance(l.node, l.service, checks))
	}
	for _, list := range lists {
		slices.SortStableFunc(list, byInstance)
	}
	return lists
}

func (f *fleet) checksEndpoint(state string) endpoint {
	return endpoint{path: "health/state/" + state, query: scopeQuery(f.scope)}
}

// ownCheck decodes whose a check is.
func ownCheck(element []byte) (owner, error) {
	var c struct{ Node, ServiceName string }
	err := json.Unmarshal(element, &c)
	if c.ServiceName != "" {
		return owner{service: c.ServiceName}, err
	}
	return owner{node: c.Node}, err
}

// readChecks reads the list of all checks and tells whose have changed since it was last read. It collects the checks of
// a crowd's instances.
func (f *fleet) readChecks(ctx context.Context, m mode, c *crowd, tell func(owner)) (index uint64, err error) {
	book := &f.checks
	book.mu.Lock()
	defer book.mu.Unlock()
	e := f.checksEndpoint("any")
	e.decode = func(r io.Reader) (any, error) {
		if c != nil {
			return ledger(nil).read(r, f.digests, c.ownCheck)
		}
		return book.ledger.read(r, f.digests, ownCheck)
	}
	r, err := f.p.read(ctx, e, m, 0)
	if err != nil {
		return 0, err
	}
	if c != nil {
		c.weigh(r.Evidence)
	}
	next := r.Value.(ledger)
	if book.index != 0 || c == nil {
		book.ledger.changed(next, tell)
	}
	book.ledger, book.index = next, r.index
	return r.index, nil
}

// ownCheck is ownCheck, and collects the check.
func (c *crowd) ownCheck(element []byte) (owner, error) {
	check := &watch.HealthCheck{}
	if err := json.Unmarshal(element, check); err != nil {
		return owner{}, err
	}
	tidy(check)
	if check.ServiceName == "" {
		c.ofNode[check.Node] = append(c.ofNode[check.Node], check)
		return owner{node: check.Node}, nil
	}
	if c.wanted[check.ServiceName] {
		at := [2]string{check.Node, check.ServiceID}
		c.ofService[at] = append(c.ofService[at], check)
	}
	return owner{service: check.ServiceName}, nil
}

// noChecks asks for no check at all: what is wanted is the index of the list.
func (f *fleet) noChecks() endpoint {
	e := f.checksEndpoint("any")
	e.query.Set("filter", `CheckID == ""`)
	e.decode = func(r io.Reader) (any, error) { _, err := io.Copy(io.Discard, r); return true, err }
	return e
}

// readNodes reads the list of nodes, for a fleet that does not hold it open.
func (f *fleet) readNodes(ctx context.Context) error {
	r, err := f.p.read(ctx, f.nodesEndpoint(nil), f.p.readMode(), 0)
	if err == nil {
		f.setNodes(r.Value.(ledger))
	}
	return err
}

func (f *fleet) nodesEndpoint(before ledger) endpoint {
	return endpoint{path: "catalog/nodes", query: scopeQuery(f.scope), decode: func(r io.Reader) (any, error) {
		return before.read(r, f.digests, func(element []byte) (owner, error) {
			var n struct{ Node string }
			err := json.Unmarshal(element, &n)
			return owner{node: n.Node}, err
		})
	}}
}

// setNodes takes in which nodes there are.
func (f *fleet) setNodes(l ledger) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[string]*host, len(l))
	for _, o := range l {
		h := f.nodes[o.node]
		if h == nil {
			h = &host{}
		}
		next[o.node] = h
	}
	f.nodes = next
	signal(f.moved)
}

// sweep reads the services of all nodes and marks those that have changed, or collects them.
func (f *fleet) sweep(ctx context.Context, m mode, c *crowd) error {
	f.mu.Lock()
	nodes := make([]string, 0, len(f.nodes))
	for name := range f.nodes {
		nodes = append(nodes, name)
	}
	f.mu.Unlock()
	work := make(chan string)
	var wg sync.WaitGroup
	var once sync.Once
	var failure error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range fleetReaders {
		wg.Go(func() {
			for name := range work {
				if err := f.readNode(ctx, name, m, c); err != nil {
					once.Do(func() { failure = err; cancel() })
				}
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
	if failure == nil {
		failure = context.Cause(ctx)
	}
	return failure
}

// nodeEndpoint reads the services of a node as text.
func (f *fleet) nodeEndpoint(name string) endpoint {
	return endpoint{path: "catalog/node-services/" + url.PathEscape(name), query: scopeQuery(f.scope), none: []byte(nil),
		decode: func(r io.Reader) (any, error) { return io.ReadAll(r) }}
}

// readNode reads the services of a node and marks those that have changed, and collects those that a crowd wants.
func (f *fleet) readNode(ctx context.Context, name string, m mode, c *crowd) error {
	r, err := f.p.read(ctx, f.nodeEndpoint(name), m, 0)
	if err != nil {
		return err
	}
	if c != nil {
		c.weigh(r.Evidence)
	}
	return f.takeNode(name, r.Value.([]byte), c)
}

// takeNode takes in the text of a node's services.
func (f *fleet) takeNode(name string, text []byte, c *crowd) error {
	f.mu.Lock()
	h := f.nodes[name]
	f.mu.Unlock()
	if h == nil { // it has gone meanwhile: its services were marked then
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	content := f.digests.of(text)
	if h.seen && content == h.content && c == nil {
		return nil
	}
	var raw *struct {
		Node     rawNode
		Services []json.RawMessage
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &raw); err != nil {
			return unexpected(err)
		}
	}
	next := ledger{}
	if raw != nil {
		for _, element := range raw.Services {
			d := f.digests.of(element)
			o, ok := h.services[d]
			if !ok || c != nil {
				s := &rawService{}
				if err := json.Unmarshal(element, s); err != nil {
					return err
				}
				o = owner{service: s.Service}
				c.add(&raw.Node, s)
			}
			next[d] = o
		}
	}
	if h.seen || c == nil {
		h.services.changed(next, f.markOwner)
	}
	h.services, h.content, h.seen = next, content, true
	return nil
}

// add collects an instance if it is wanted.
func (c *crowd) add(n *rawNode, s *rawService) {
	if c == nil || !c.wanted[s.Service] {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instances = append(c.instances, &located{n, s})
}
