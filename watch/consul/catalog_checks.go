package consul

import (
	"io"
	"lictor/watch"
	"time"
)

// stateEndpoint reads the list of the checks in a state. Only elements that were not in the list before are decoded.
func (c *catalogMirror) stateEndpoint(state string) endpoint {
	last := checkSnapshot{}
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
	var last checkSnapshot
	var lookedAt time.Time
	return func(r result) bool {
		now := r.Value.(checkSnapshot)
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
func (c *catalogMirror) compareLooks(last, now checkSnapshot, lookedAt time.Time) {
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

// allChecks is the list of all checks, which is large, and what tells when it has to be read.
type allChecks struct {
	list       *view
	index      *view  // of all checks
	knownIndex uint64 // that was seen with a read that told what had changed
	verify     *view  // until the list is read, since other changes may have hidden one; nil for none
}

// checksToll is what Consul works for each byte of the list of all checks: measured on 1.13.9, 80 ms for 5 MB.
const checksToll = 16 * time.Nanosecond

// newAllChecks makes the view of all checks, which is read only when hinted at.
func (c *catalogMirror) newAllChecks(e endpoint) *view {
	compare := c.checksTaker(watch.StatusAny)
	v := &view{name: "all checks", policy: policy{rank: rankList, leader: true, datacenter: c.scope.Datacenter}}
	v.reader = reader{
		begin: c.s.reading(e),
		take: func(r result) bool {
			c.listWorks(v)
			c.lists.all.known(r.index)
			if c.lists.all.verify != nil {
				c.s.remove(c.lists.all.verify)
				c.lists.all.verify = nil
			}
			return compare(r)
		},
		fail: func(err error) (time.Duration, int) { c.listFailed(v, err); return 0, 0 },
	}
	return v
}

// known notes the index of all checks at a moment when what had changed was known.
func (a *allChecks) known(index uint64) { a.knownIndex = max(a.knownIndex, index) }

// takeChecksIndex is called when a check has changed, or may have. All checks are read when nothing else has told whose it is; and
// later where that may have told only of another.
func (c *catalogMirror) takeChecksIndex(r result) bool {
	all := &c.lists.all
	switch {
	case c.mode == undecided:
		all.known(r.index) // all else is read later than this was
	case r.WentBack, r.index > all.knownIndex:
		all.knownIndex = r.index
		c.readAllChecks()
	case all.verify == nil:
		all.verify = c.s.callAfter(checksEvery, func() { all.verify = nil; c.readAllChecks() })
	}
	return true
}

func (c *catalogMirror) readAllChecks() {
	v := c.lists.all.list
	if v.pace == nil { // for the first time
		c.s.add(v)
		v.pace = newPace(0.1, time.Second)
		return
	}
	c.s.hint(v)
}

// perNode are the checks of each node, by its folded name.
func (l checkSnapshot) perNode() map[string]checkSum {
	sums := map[string]checkSum{}
	for d, o := range l {
		sums[o.node] += checkSum(d)
	}
	return sums
}

// checksEvery is how long a change of a check that leaves its state as it is may go unseen while other changes are seen.
const checksEvery = 5 * time.Second
