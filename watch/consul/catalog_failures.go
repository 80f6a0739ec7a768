package consul

import (
	"maps"
	"time"
)

// ListFailures are the lists that fail while Consul answers otherwise.
type listFailures struct {
	views map[*view]bool
	retry *view // until nodes are mirrored again after they could not be read; nil for never
	told  bool  // members were told that the list of nodes fails
	said  bool  // the operator was told that a list fails
}

// blind tells whether a list fails while Consul answers otherwise, such as one that a gateway refuses: then changes may not be
// hinted at, and all queries are polled.
func (f listFailures) blind() bool { return len(f.views) > 0 }

// listFailed takes note of a failure of what tells of changes.
func (c *catalogMirror) listFailed(v *view, err error) {
	f := &c.lists.failures
	if v.failures.row < 3 || c.s.absent() || f.views[v] {
		return
	}
	f.views[v] = true
	c.tryList(v)
	if !f.said {
		f.said = true
		c.s.log.Warn("consul does not tell of changes of services: they are polled until it does", "list", v.name, "error", err)
	}
	if v.policy.rank >= rankNode && f.retry == nil { // nodes are not read any more
		f.retry = c.s.callAfter(time.Minute, func() {
			f.retry = nil
			maps.DeleteFunc(f.views, func(v *view, _ bool) bool { return v.policy.rank >= rankNode })
			c.decide()
		})
	}
	c.decide()
}

// tryList has a list that fails read now and then, since what is held may be silent for long when it works again.
func (c *catalogMirror) tryList(v *view) {
	c.s.callAfter(2*steadyAfter, func() {
		if c.lists.failures.views[v] && v.state != removed {
			c.s.readAgain(v)
			c.tryList(v)
		}
	})
}

// listWorks takes note that a list does not fail any more, when it has not failed for a while.
func (c *catalogMirror) listWorks(v *view) {
	if c.lists.failures.views[v] && v.failures.row == 0 {
		delete(c.lists.failures.views, v)
		c.decide()
	}
}

// nodesFailed is called when the list of nodes can't be read. That needs all that the rest needs, so members are told, unless it
// turns out that only the list fails.
func (c *catalogMirror) nodesFailed(err error) (pause time.Duration, told int) {
	c.listFailed(c.lists.nodes, err)
	if c.lists.failures.blind() {
		return 0, 0
	}
	for _, m := range c.members {
		switch {
		case m.own == nil:
			pause = max(pause, m.sub.Failed(err))
		case m.own.state == idle && m.own.request == nil: // it waits to be hinted at
			more, _ := m.own.reader.fail(err)
			m.own.cursor = cursor{}
			pause = max(pause, more)
		default:
			continue
		}
		told++
	}
	c.lists.failures.told = true
	return pause, told
}

func (c *catalogMirror) recovered() {
	for _, m := range c.members {
		if m.own != nil && !m.own.policy.hold {
			c.s.readAgain(m.own)
		}
	}
	for _, n := range c.nodes {
		n.next.whole, n.next.checks = true, true
		c.s.readAgain(n.read)
	}
}

// startOver has everything read again after Consul was away.
func (c *catalogMirror) startOver() {
	if c.lists.names != nil {
		c.s.readAgain(c.lists.names)
	}
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
