package consul

import (
	"lictor/watch"
	"time"
)

// openNames has the list of names read where it is needed, and each node held where there are slots for all.
func (c *catalogMirror) openNames() {
	held := c.holdAll()
	c.lists.holdsAll = held
	derived := held && c.allSeen()
	wanted := c.members[watch.Services{Scope: c.scope}] != nil
	need := c.mode != undecided && (!held && !c.s.once || wanted && !derived && (c.refresh.once || !held))
	switch {
	case need && c.lists.names == nil:
		c.lists.names = c.newNames()
		c.s.add(c.lists.names)
	case !need && c.lists.names != nil:
		c.s.remove(c.lists.names)
		delete(c.lists.failures.views, c.lists.names)
		c.lists.names = nil
	}
}

func (c *catalogMirror) newNames() *view {
	v := &view{name: "names", policy: policy{hold: !c.s.once, poll: !c.s.once, rank: rankList, datacenter: c.scope.Datacenter}}
	e := namesEndpoint(scopeQuery(c.scope))
	e.toll = 0
	first := true
	v.reader = reader{
		begin: c.s.reading(e),
		take: func(r result) bool {
			c.listWorks(v)
			at := time.Now()
			v.policy.gap = c.lists.gap()
			if first { // what was read before this look began may have changed since
				at, first = v.readAt, false
			}
			c.sweep(at)
			if m := c.members[watch.Services{Scope: c.scope}]; m != nil && !c.namesDerived() {
				return m.sub.Report(r.Answer)
			}
			return true
		},
		fail: func(err error) (time.Duration, int) {
			first = true
			c.listFailed(v, err)
			if m := c.members[watch.Services{Scope: c.scope}]; m != nil && !c.namesDerived() {
				return m.sub.Failed(err), 1
			}
			return 0, 0
		},
	}
	return v
}

// sweep has all read that is not held open and was not read since.
func (c *catalogMirror) sweep(since time.Time) {
	for _, n := range c.nodes {
		if n.held == nil || n.held.state != holding {
			c.s.hintAt(n.read, since)
		}
	}
	if c.mode != byNodes {
		for _, m := range c.members {
			if m.own != nil {
				c.s.hintAt(m.own, since)
			}
		}
	}
}

// holdAll has a blocking query on each node, where there are slots for all, and tells whether there are.
func (c *catalogMirror) holdAll() bool {
	if c.mode != byNodes || c.s.force == PlanSweep || c.s.once {
		return false
	}
	holds := 0
	for _, n := range c.nodes {
		if n.held != nil && n.held.slot {
			holds++
		}
	}
	room := c.s.client.budget.slots.limit() - (len(c.s.slots) - holds)
	if !c.lists.holdsAll { // nodes that come and go must not change this each time
		room -= 1 + room/32
	}
	if len(c.nodes) > room && c.s.force != PlanNodes {
		return false
	}
	for _, n := range c.nodes {
		if n.held == nil && n.state != nil { // else it is held once it was read
			n.held = n.newHold()
			c.s.add(n.held)
		}
	}
	return len(c.nodes) <= room
}

// holdChanged has a blocking query on a node that has changed, where there is a slot: it may soon change again.
func (c *catalogMirror) holdChanged(n *mirrorNode) {
	if c.s.once || n.held != nil && n.held.slot {
		return
	}
	n.release() // one that lost its slot
	v := n.newHold()
	v.policy.rank, v.changedAt = rankChanged, time.Now()
	if c.s.claim(v) {
		n.held = v
		c.s.add(v)
	}
}

// openRestoreView has a restore view where queries on services are held.
func (c *catalogMirror) openRestoreView() {
	l := &c.lists
	if need := c.mode == byQueries && !c.s.once; need && l.restores == nil {
		l.restores = c.s.newRestoreView(c.scope.Datacenter)
		c.s.add(l.restores)
	} else if !need && l.restores != nil {
		c.s.remove(l.restores)
		l.restores = nil
	}
}

// gap is how long it is at least from one sweep to the next. While each finds one change there is nothing to be saved by waiting for
// more of them.
func (l *catalogLists) gap() time.Duration {
	found := l.found
	if l.found = 0; found > 1 {
		return manyGap
	}
	return oneGap
}

const (
	oneGap  = 50 * time.Millisecond
	manyGap = 500 * time.Millisecond
)
