package consul

import (
	"lictor/watch"
	"slices"
	"time"
)

// readAlone has a member read by itself: for good where nodes can't answer it, and otherwise once.
func (c *catalogMirror) readAlone(m *catalogMember) {
	once := c.mode == byNodes && m.plain()
	p := policy{rank: rankQuery, leader: true}
	if !once {
		p.poll = c.mode == byPolling
		if c.mode == byQueries {
			p.hold, p.rank = true, rankNode
		}
	}
	m.own, c.own[m] = c.s.newQueryView(m.sub, p), true
	take := m.own.reader.take
	m.own.reader.take = func(r result) bool {
		believed := take(r)
		if believed && !r.same {
			m.on = nodesIn(r.Value)
			if c.mode == byQueries {
				c.lists.found++
			}
		}
		if once && (believed || r.Consistent) {
			c.readOnce(m, r, believed)
		}
		return believed
	}
	c.s.add(m.own)
}

// readOnce takes in what a member's own read gave. Nodes that don't agree are read again, and count no more until then.
func (c *catalogMirror) readOnce(m *catalogMember, r result, believed bool) {
	own := m.own
	if !believed && c.s.once { // nothing hints at changes then
		own.policy.poll = true
		return
	}
	c.closeOwn(m)
	if believed {
		list := r.Value.([]*watch.ServiceInstance)
		if !sameInstances(list, c.instances(m.service)) {
			m.after = own.readAt
			c.blocked[m] = true
			for _, n := range c.nodesOf(m) {
				n.askWhole()
			}
		}
	}
	if own.dirty {
		c.answer(m)
	}
}

// nodesIn are the nodes in a list of instances, folded.
func nodesIn(answer any) (nodes []string) {
	switch list := answer.(type) {
	case []*watch.ServiceInstance:
		for _, i := range list {
			nodes = append(nodes, fold(i.Node))
		}
	case []*watch.CatalogInstance:
		for _, i := range list {
			nodes = append(nodes, fold(i.Node))
		}
	}
	return nodes
}

// nodesOf are the nodes that have a part in a member's answer, as far as they are known.
func (c *catalogMirror) nodesOf(m *catalogMember) []*mirrorNode {
	nodes := slices.Clone(c.services[m.service].nodes)
	for _, name := range m.on {
		if n := c.nodes[name]; n != nil && !slices.Contains(nodes, n) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// caughtUp tells whether a member may be answered out of nodes again.
func (c *catalogMirror) caughtUp(m *catalogMember) bool {
	if m.after.IsZero() {
		return true
	}
	for _, n := range c.nodesOf(m) {
		if n.read.readAt.Before(m.after) {
			return false
		}
	}
	for _, name := range m.on {
		if c.nodes[name] == nil && c.lists.nodes.readAt.Before(m.after) {
			return false
		}
	}
	m.after = time.Time{}
	delete(c.blocked, m)
	return true
}

// unblock answers members whose nodes have been read again.
func (c *catalogMirror) unblock() {
	for m := range c.blocked {
		if c.caughtUp(m) {
			c.answer(m)
		}
	}
}

// hintOwn has members read again whose own answer changed at a time or after it, when a node of theirs was read before. It may hold what came and
// went on that node between its two reads, of which the node shows nothing.
func (c *catalogMirror) hintOwn(n *mirrorNode, after time.Time) {
	for m := range c.own {
		if !m.own.changedAt.Before(after) && slices.Contains(c.nodesOf(m), n) {
			c.s.hint(m.own)
		}
	}
}

// changed is called when the instances of a service have changed on some node, or may have.
func (c *catalogMirror) changed(name string) {
	s := c.services[name]
	if s == nil {
		return
	}
	for _, m := range s.members {
		if m.plain() {
			c.answer(m)
		} else if m.own != nil {
			c.s.hint(m.own)
		}
	}
}

// readPlain has the members that ask for all instances of a service read by themselves.
func (c *catalogMirror) readPlain(name string) {
	s := c.services[name]
	if s == nil {
		return
	}
	for _, m := range s.members {
		if m.own != nil {
			c.s.hint(m.own)
		} else if m.plain() && c.loaded() {
			c.readAlone(m)
		}
	}
}

// answer answers a member out of nodes. What is not believed is read by itself, consistently.
func (c *catalogMirror) answer(m *catalogMember) {
	switch {
	case m.own != nil:
		c.s.hint(m.own)
	case !c.loaded() || slices.Contains(c.refresh.waiting, m):
	case !c.caughtUp(m):
	default:
		list := c.instances(m.service)
		if !m.sub.Report(watch.Answer{Value: list, Evidence: c.evidence(m.service, len(list) == 0)}) {
			c.readAlone(m)
		}
	}
}

// instances are those of a service on all nodes.
func (c *catalogMirror) instances(name string) []*watch.ServiceInstance {
	list := []*watch.ServiceInstance{}
	for _, n := range c.services[name].nodes {
		list = append(list, n.state.instances[name]...)
	}
	slices.SortStableFunc(list, byInstance)
	return list
}

// evidence is how far an answer about a service may be believed: as far as its worst part. What access rules hide on a node is of
// other services, unless they hide nodes, or all of this one.
func (c *catalogMirror) evidence(name string, empty bool) watch.Evidence {
	e := watch.Evidence{Age: c.lists.evidence.Age, WentBack: c.lists.evidence.WentBack, Filtered: c.lists.evidence.Filtered}
	for _, n := range c.services[name].nodes {
		e.Age = max(e.Age, n.state.evidence.Age)
		e.WentBack = e.WentBack || n.state.evidence.WentBack
	}
	for _, n := range c.nodes {
		if !empty || e.Filtered {
			break
		}
		e.Filtered = n.state != nil && n.state.evidence.Filtered
	}
	return e
}
