package consul

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"time"

	"lictor/watch"
)

// What hints at changes: lists of the critical and of the warning checks, which are small; the list of nodes; and for the services
// on the nodes either a blocking query on each node, or the list of the names of all services, which is answered when any instance
// has changed and does not say whose: then all is read that is not held open, at most twice a second. The list of all checks is
// large, so that it is read only when its index tells that it has changed and nothing else has told why.
//
// Where nodes are mirrored each list is compared with what is known of the nodes, so that it does not matter what was missed
// between two looks, or why. Otherwise it is compared with the look before it, and a query whose answer has changed since that
// look is read once more, since it may hold what came and went in between.
type catalogLists struct {
	nodes, critical, warning *view
	checksIndex, checks      *view
	names                    *view // nil where all nodes are held

	holdsAll   bool              // each node is held, or will be when it was read
	canary     *view             // where queries are held that may be answered out of Consul's event stream
	entries    map[string]digest // the nodes, by folded name; nil before the list was read
	evidence   watch.Evidence    // of the list of nodes
	failing    map[*view]bool    // that fail while Consul is there
	retry      *view             // until nodes are mirrored again after they could not be read
	told       bool              // members were told that the list of nodes fails
	said       bool              // the operator was told that a list fails
	knownIndex uint64            // of all checks, that was seen with a read that told what had changed
	verify     *view             // until all checks are read, since other changes may have hidden one; nil for none
}

// namesGap is how long it is at least from one sweep to the next.
const namesGap = 500 * time.Millisecond

// checksEvery is how long a change of a check that leaves its state as it is may go unseen while other changes are seen.
const checksEvery = 30 * time.Second

func (c *catalogMirror) openLists() {
	l := &c.lists
	l.failing = map[*view]bool{}
	add := func(name string, p policy, e endpoint, take func(r result) bool) *view {
		p.datacenter = c.scope.Datacenter
		v := &view{name: name, policy: p}
		v.source = reader{begin: c.s.reading(e), take: func(r result) bool { c.listWorks(v); return take(r) },
			fail: func(err error) (time.Duration, int) { c.listFailed(v, err); return 0, 0 }}
		c.s.add(v)
		return v
	}
	held := policy{hold: !c.s.once, poll: !c.s.once, rank: rankList}
	l.nodes = add("nodes", held, c.nodesEndpoint(), c.takeNodes)
	l.nodes.source.fail = c.nodesFailed
	if c.s.once {
		return
	}
	l.critical = add("critical checks", held, c.stateEndpoint(watch.StatusCritical), c.checksTaker(watch.StatusCritical))
	l.warning = add("warning checks", held, c.stateEndpoint(watch.StatusWarning), c.checksTaker(watch.StatusWarning))
	any := c.stateEndpoint(watch.StatusAny)
	any.toll = checksToll
	l.checks = c.newAllChecks(any)
	none := endpoint{path: "health/state/none", query: scopeQuery(c.scope), decode: discard}
	l.checksIndex = add("index of checks", policy{rank: rankList, poll: true}, none, c.takeChecksIndex)
}

func (c *catalogMirror) closeLists() {
	l := &c.lists
	for _, v := range []*view{l.nodes, l.critical, l.warning, l.checks, l.checksIndex, l.names, l.retry, l.verify, l.canary} {
		if v != nil {
			c.s.remove(v)
		}
	}
}

func discard(r io.Reader) (any, error) { _, err := io.Copy(io.Discard, r); return true, err }

// openNames has the list of names read where it is needed, and each node held where there are slots for all.
func (c *catalogMirror) openNames() {
	held := c.holdAll()
	c.lists.holdsAll = held
	derived := held && c.allSeen()
	wanted := c.members[watch.Services{Scope: c.scope}] != nil
	need := !held && c.mode != undecided && !c.s.once || wanted && !derived
	switch {
	case need && c.lists.names == nil:
		c.lists.names = c.newNames()
		c.s.add(c.lists.names)
	case !need && c.lists.names != nil:
		c.s.remove(c.lists.names)
		delete(c.lists.failing, c.lists.names)
		c.lists.names = nil
	}
}

func (c *catalogMirror) newNames() *view {
	v := &view{name: "names", policy: policy{hold: !c.s.once, poll: !c.s.once, rank: rankList, gap: namesGap, datacenter: c.scope.Datacenter}}
	e := namesEndpoint(scopeQuery(c.scope))
	e.toll = 0
	first := true
	v.source = reader{
		begin: c.s.reading(e),
		take: func(r result) bool {
			c.listWorks(v)
			at := time.Now()
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
	if c.mode == byQueries {
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
	if n.held != nil || c.s.once {
		return
	}
	v := n.newHold()
	v.changedAt = time.Now()
	if c.s.claim(v) {
		n.held = v
		c.s.add(v)
	}
}

// takeNodes takes in which nodes there are.
func (c *catalogMirror) takeNodes(r result) bool {
	l := &c.lists
	entries := r.Value.(map[string]digest)
	l.entries, l.evidence = entries, r.Evidence
	if l.told {
		l.told = false
		defer c.startOver()
	}
	if c.mode == byNodes {
		for name := range c.nodes {
			if _, ok := entries[name]; !ok {
				c.removeNode(name)
			}
		}
		for name, identity := range entries {
			if n := c.nodes[name]; n == nil {
				c.addNode(name)
			} else if n.state != nil && n.state.identity != identity {
				n.askWhole()
			}
		}
	} else if c.mode == byQueries {
		c.sweep(time.Now())
	}
	c.decide()
	c.unblock()
	c.tellAllNames()
	return true
}

// startOver has everything read again after Consul was away.
func (c *catalogMirror) startOver() {
	for _, m := range c.members {
		if m.own != nil && m.own.state == idle {
			c.s.readAgain(m.own)
		}
	}
	if c.mode != byNodes {
		return
	}
	for _, n := range c.nodes {
		n.read.cursor = cursor{}
	}
	c.refresh.waiting, c.names.told = nil, nil
	for _, m := range c.members {
		if m.plain() && m.own == nil {
			c.refresh.waiting = append(c.refresh.waiting, m)
		}
	}
	c.beginRefresh()
}

func (c *catalogMirror) nodesEndpoint() endpoint {
	return endpoint{path: "catalog/nodes", query: scopeQuery(c.scope), decode: func(r io.Reader) (any, error) {
		entries := map[string]digest{}
		err := elements(r, func(element []byte) error {
			var n struct{ Node string }
			if err := json.Unmarshal(element, &n); err != nil {
				return err
			}
			if n.Node == "" {
				return errNameless
			}
			entries[fold(n.Node)] = c.digests.of(element)
			return nil
		})
		return entries, err
	}}
}

// stateEndpoint reads the list of the checks in a state. Only elements that were not in the list before are decoded.
func (c *catalogMirror) stateEndpoint(state string) endpoint {
	last := ledger{}
	return endpoint{path: "health/state/" + state, query: scopeQuery(c.scope), decode: func(r io.Reader) (any, error) {
		next, err := last.read(r, c.digests)
		if err == nil {
			last = next
		}
		return next, err
	}}
}

// checksTaker makes what compares the list of the checks in a state with what is known.
func (c *catalogMirror) checksTaker(state string) func(r result) bool {
	var last ledger
	var lookedAt time.Time
	return func(r result) bool {
		now := r.Value.(ledger)
		if c.mode == byNodes {
			sums := now.perNode()
			for name, n := range c.nodes {
				if n.state != nil && n.state.sums[state] != sums[name] {
					n.ask(true)
				}
			}
		} else {
			c.compareLooks(last, now, lookedAt)
		}
		last, lookedAt = now, time.Now()
		return true
	}
}

// compareLooks hints at what has changed from one look at a list of checks to the next.
func (c *catalogMirror) compareLooks(last, now ledger, lookedAt time.Time) {
	services, all := map[string]bool{}, last == nil
	last.changed(now, func(o owner) {
		services[o.service] = true
		all = all || o.service == "" // of a node: whose instances are there is not known
	})
	for _, m := range c.members {
		if m.own != nil && (all || services[m.service] || m.own.changedAt.After(lookedAt)) {
			c.s.hint(m.own)
		}
	}
}

// checksToll is what Consul works for each byte of the list of all checks: measured on 1.13.9, 80 ms for 5 MB.
const checksToll = 16 * time.Nanosecond

// newAllChecks makes the view of all checks, which is read only when hinted at.
func (c *catalogMirror) newAllChecks(e endpoint) *view {
	compare := c.checksTaker(watch.StatusAny)
	v := &view{name: "all checks", policy: policy{rank: rankList, leader: true, datacenter: c.scope.Datacenter}}
	v.source = reader{
		begin: c.s.reading(e),
		take: func(r result) bool {
			c.listWorks(v)
			c.lists.checksKnown(r.index)
			if c.lists.verify != nil {
				c.s.remove(c.lists.verify)
				c.lists.verify = nil
			}
			return compare(r)
		},
		fail: func(err error) (time.Duration, int) { c.listFailed(v, err); return 0, 0 },
	}
	return v
}

// checksKnown notes the index of all checks at a moment when what had changed was known.
func (l *catalogLists) checksKnown(index uint64) { l.knownIndex = max(l.knownIndex, index) }

// takeChecksIndex is called when a check has changed, or may have. All checks are read when nothing else has told whose it is; and
// later where that may have told only of another.
func (c *catalogMirror) takeChecksIndex(r result) bool {
	l := &c.lists
	switch {
	case c.mode == undecided:
		l.checksKnown(r.index) // all else is read later than this was
	case r.WentBack, r.index > l.knownIndex:
		l.knownIndex = r.index
		c.readAllChecks()
	case l.verify == nil:
		l.verify = c.s.after(checksEvery, func() { l.verify = nil; c.readAllChecks() })
	}
	return true
}

func (c *catalogMirror) readAllChecks() {
	v := c.lists.checks
	if v.pace == nil { // for the first time
		c.s.add(v)
		v.pace = newPace(0.1, time.Second)
		return
	}
	c.s.hint(v)
}

// perNode are the checks of each node, by its folded name.
func (l ledger) perNode() map[string]checkSum {
	sums := map[string]checkSum{}
	for d, o := range l {
		sums[o.node] += checkSum(d)
	}
	return sums
}

// blind tells whether a list fails while Consul answers otherwise, such as one that a gateway refuses: then changes may not be
// hinted at, and all queries are polled.
func (l *catalogLists) blind() bool { return len(l.failing) > 0 }

// listFailed takes note of a failure of what tells of changes.
func (c *catalogMirror) listFailed(v *view, err error) {
	l := &c.lists
	if v.trouble.failures < 3 || c.s.absent() || l.failing[v] {
		return
	}
	l.failing[v] = true
	if !l.said {
		l.said = true
		c.s.log.Warn("consul does not tell of changes of services: they are polled until it does", "list", v.name, "error", err)
	}
	if v.policy.rank == rankNode && l.retry == nil { // nodes are not read any more
		l.retry = c.s.after(time.Minute, func() {
			l.retry = nil
			maps.DeleteFunc(l.failing, func(v *view, _ bool) bool { return v.policy.rank == rankNode })
			c.decide()
		})
	}
	c.decide()
}

// listWorks takes note that a list does not fail any more, when it has not failed for a while.
func (c *catalogMirror) listWorks(v *view) {
	if c.lists.failing[v] && v.trouble.failures == 0 {
		delete(c.lists.failing, v)
		c.decide()
	}
}

// nodesFailed is called when the list of nodes can't be read. That needs all that the rest needs, so members are told, unless it
// turns out that only the list fails.
func (c *catalogMirror) nodesFailed(err error) (pause time.Duration, told int) {
	c.listFailed(c.lists.nodes, err)
	if c.lists.blind() {
		return 0, 0
	}
	for _, m := range c.members {
		switch {
		case m.own == nil:
			pause = max(pause, m.sub.Failed(err))
		case m.own.state == idle: // it waits to be hinted at
			more, _ := m.own.source.fail(err)
			pause = max(pause, more)
		default:
			continue
		}
		told++
	}
	c.lists.told = true
	return pause, told
}

// sendCanary has a canary where queries on services are held.
func (c *catalogMirror) sendCanary() {
	l := &c.lists
	if need := c.mode == byQueries && !c.s.once; need && l.canary == nil {
		l.canary = c.s.newCanary(c.scope.Datacenter)
		c.s.add(l.canary)
	} else if !need && l.canary != nil {
		c.s.remove(l.canary)
		l.canary = nil
	}
}

// after calls what after a while, on the scheduler's goroutine. The view that it returns is removed to call it off.
func (s *scheduler) after(d time.Duration, what func()) *view {
	v := &view{name: "timer"}
	v.source.begin = func(ask) func(context.Context) (result, error) {
		return func(context.Context) (result, error) { return result{index: 1}, nil }
	}
	v.source.take = func(result) bool { s.remove(v); what(); return true }
	s.rest(v, d)
	return v
}
