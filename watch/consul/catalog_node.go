package consul

import (
	"context"
	"slices"
	"time"

	"lictor/watch"
)

// A mirrorNode is a node of the registry, with what is on it.
type mirrorNode struct {
	c     *catalogMirror
	name  string     // folded
	read  *view      // reads its services and checks when hinted at
	held  *view      // a blocking query on its services, or nil
	state *nodeState // nil before the first read
	next  nodeRead   // what the next read has to read
	// lookedAt is when the last read began.
	lookedAt time.Time
}

// A nodeRead says what a read of a node has to read.
type nodeRead struct {
	services *nodeServices // what the blocking query has just brought, so that it need not be read
	checks   bool          // also when the services are as before
	whole    bool          // the services, though they are held
	state    *nodeState    // what is known
	before   *nodeServices // what is known of the services
}

// A nodeServices is what Consul says of the services of a node.
type nodeServices struct {
	content  digest // of the whole text
	identity digest // of the part on the node itself, as it is in the list of nodes
	node     *rawNode
	services []*rawService
	byText   map[digest]*rawService // by the digests of their texts
	index    uint64
	evidence watch.Evidence
}

// A nodeState is the services and checks of a node, read so that they fit together.
type nodeState struct {
	*nodeServices
	instances map[string][]*watch.ServiceInstance    // by folded service name
	made      map[*rawService]*watch.ServiceInstance // the same, by what each was made of
	checks    map[digest]*watch.HealthCheck          // by the digests of their texts
	sums      map[string]checkSum                    // of the checks in each state, and of all in StatusAny
	index     uint64                                 // of the checks
	evidence  watch.Evidence
}

// A checkSum stands for a set of checks, whatever their order.
type checkSum uint64

func (c *catalogMirror) addNode(name string) {
	n := &mirrorNode{c: c, name: name, next: nodeRead{checks: true}}
	c.nodes[name] = n
	n.read = &view{name: "node " + name, policy: policy{rank: rankNode, leader: true, datacenter: c.scope.Datacenter}}
	n.read.reader = reader{begin: n.begin, take: n.take, fail: func(err error) (time.Duration, int) {
		n.next.whole, n.next.checks = true, true
		c.listFailed(n.read, err)
		return 0, 0
	}, dropped: func() { n.next.whole, n.next.checks = true, true }}
	c.s.add(n.read)
	if c.refresh.behind != nil {
		c.refresh.behind[n] = true
	}
}

func (n *mirrorNode) close() {
	n.c.s.remove(n.read)
	n.release()
}

// services are what is known of the node's services, nil for nothing.
func (n *mirrorNode) services() *nodeServices {
	if n.state == nil {
		return nil
	}
	return n.state.nodeServices
}

// release ends the blocking query.
func (n *mirrorNode) release() {
	if n.held != nil {
		n.c.s.remove(n.held)
		n.held = nil
	}
}

// newHold makes a view that holds a blocking query on the node's services open, beyond what was read of them.
func (n *mirrorNode) newHold() *view {
	c := n.c
	v := &view{name: "services of node " + n.name, policy: policy{hold: true, rank: rankNode, datacenter: c.scope.Datacenter}}
	v.cursor = cursor{wait: n.state.nodeServices.index, seen: n.state.nodeServices.index, known: true}
	v.reader = reader{begin: func(a ask) func(context.Context) (result, error) {
		e := c.nodeEndpoint(n.name, n.services())
		return func(ctx context.Context) (result, error) { return c.s.read(ctx, e, a) }
	}, take: func(r result) bool {
		services := r.Value.(*nodeServices)
		services.index, services.evidence = r.index, r.Evidence
		if n.state == nil || n.state.content != services.content {
			n.next.services, n.next.checks = services, true
			c.s.hint(n.read)
		}
		return true
	}, fail: func(err error) (time.Duration, int) {
		n.next.whole = true
		c.listFailed(v, err)
		return 0, 0
	}}
	return v
}

// ask has the node read, its checks too where they may have changed.
func (n *mirrorNode) ask(checks bool) {
	n.next.checks = n.next.checks || checks
	n.c.s.hint(n.read)
}

// askWhole has all of the node read, though its services may be held.
func (n *mirrorNode) askWhole() {
	n.next.whole = true
	n.ask(true)
}

func (n *mirrorNode) begin(a ask) func(context.Context) (result, error) {
	todo := n.next
	todo.state, todo.before = n.state, n.services()
	todo.whole = todo.whole || n.held == nil || n.held.state != holding || n.state == nil
	todo.checks = todo.checks || n.state == nil
	n.next = nodeRead{}
	return func(ctx context.Context) (result, error) { return n.c.readNode(ctx, n.name, todo, a) }
}

// readNode reads the services of a node and then its checks, and makes sure that the services are still the same, so that both are of one
// moment: an instance that joins or leaves meanwhile must not be seen without its checks.
func (c *catalogMirror) readNode(ctx context.Context, name string, todo nodeRead, a ask) (result, error) {
	begin := time.Now()
	read := func() (*nodeServices, error) {
		r, err := c.s.read(ctx, c.nodeEndpoint(name, todo.before), a)
		if err != nil {
			return nil, err
		}
		services := r.Value.(*nodeServices)
		services.index, services.evidence = r.index, r.Evidence
		return services, nil
	}
	services := todo.services
	if services == nil && !todo.whole {
		services = todo.before
	}
	var err error
	if services == nil {
		if services, err = read(); err != nil {
			return result{}, err
		}
		if !todo.checks && services.content == todo.state.content {
			evidence := services.evidence
			evidence.Filtered = evidence.Filtered || todo.state.evidence.Filtered
			return result{Answer: watch.Answer{Evidence: evidence}, index: services.index, same: true, unindexed: true}, nil
		}
	}
	if a.mode == stale { // another server may not have the checks of what this one says
		a.mode = leader
	}
	var checks map[digest]*watch.HealthCheck
	if todo.state != nil {
		checks = todo.state.checks
	}
	for try := 0; ; try++ {
		r, err := c.s.read(ctx, c.nodeChecksEndpoint(name, checks), a)
		if err != nil {
			return result{}, err
		}
		if r.null {
			return result{}, c.s.client.malformed(ctx, call{path: "health/node/" + name}, errNull)
		}
		still, err := c.s.read(ctx, c.nodeIndexEndpoint(name), a)
		if err != nil {
			return result{}, err
		}
		if still.index != services.index && try < 5 {
			if services, err = read(); err != nil {
				return result{}, err
			}
			continue
		}
		state := newNodeState(services, r.Value.(*nodeChecks), todo.state)
		state.index, state.evidence = r.index, services.evidence
		state.evidence.Filtered = state.evidence.Filtered || r.Filtered
		return result{Answer: watch.Answer{Value: state, Evidence: state.evidence}, index: services.index, unindexed: true, took: time.Since(begin) / 8}, nil
	}
}

// take takes in what was read of the node, and answers the services that have changed by that.
func (n *mirrorNode) take(r result) bool {
	c := n.c
	c.hintOwn(n, n.lookedAt)
	n.lookedAt = n.read.readAt
	if r.same {
		n.state.evidence = r.Evidence
		c.refreshed(n)
		c.unblock()
		return true
	}
	before, now := n.state, r.Value.(*nodeState)
	now.evidence.WentBack = r.WentBack
	n.state = now
	changed := changedServices(before, now)
	for _, name := range changed {
		c.reindex(name, n)
	}
	if before != nil && len(changed) > 0 {
		c.lists.found++
	}
	switch {
	case c.lists.holdsAll && n.held == nil:
		n.held = n.newHold()
		c.s.add(n.held)
	case before != nil && len(changed) > 0:
		c.holdChanged(n)
	}
	c.lists.all.known(now.index)
	c.refreshed(n)
	c.unblock()
	for _, name := range changed {
		if now.evidence.Filtered && before != nil && len(now.instances[name]) < len(before.instances[name]) {
			c.readPlain(name) // access rules may have hidden them, which the nodes show one after the other
			continue
		}
		c.changed(name)
	}
	c.tellAllNames()
	return true
}

// reindex notes whether a node has instances of a service.
func (c *catalogMirror) reindex(name string, n *mirrorNode) {
	s := c.service(name)
	has, had := n.state != nil && len(n.state.instances[name]) > 0, slices.Contains(s.nodes, n)
	if has && !had {
		s.nodes = append(s.nodes, n)
	} else if had && !has {
		s.nodes = slices.DeleteFunc(s.nodes, func(other *mirrorNode) bool { return other == n })
	}
	c.names.update(name, s)
	c.tidy(name)
}

// removeNode takes a node out that is there no more.
func (c *catalogMirror) removeNode(name string) {
	n := c.nodes[name]
	c.hintOwn(n, n.lookedAt)
	delete(c.nodes, name)
	n.close()
	var gone []string
	if n.state != nil {
		gone = changedServices(nil, n.state)
		n.state = nil
		for _, service := range gone {
			c.reindex(service, n)
		}
	}
	c.refreshed(n)
	for _, service := range gone {
		c.changed(service)
	}
}
