package consul

import (
	"encoding/json"
	"io"
	"time"

	"lictor/watch"
)

// What hints at changes: lists of the critical and of the warning checks, which are small; the list of nodes; and for the services
// on the nodes either a blocking query on each node, or the list of the names of all services, which is answered when any instance
// has changed and does not say whose: then all is read that is not held open: see [catalogLists.gap]. The list of all checks is
// large, so that it is read only when its index tells that it has changed and nothing else has told why.
//
// Where nodes are mirrored each list is compared with what is known of the nodes, so that it does not matter what was missed
// between two looks, or why. Otherwise it is compared with the look before it, and a query whose answer has changed since that
// look is read once more, since it may hold what came and went in between.
type catalogLists struct {
	nodes, critical, warning *view
	names                    *view // nil where all nodes are held
	all                      allChecks
	failures                 listFailures

	holdsAll bool              // each node is held, or will be when it was read
	restores *view             // where queries are held that may be answered out of Consul's event stream
	entries  map[string]digest // the nodes, by folded name; nil before the list was read
	evidence watch.Evidence    // of the list of nodes
	lookedAt time.Time         // when that was taken in last
	found    int               // nodes or queries that have changed since the last sweep began
}

func (c *catalogMirror) openLists() {
	l := &c.lists
	l.failures.views = map[*view]bool{}
	add := func(name string, p policy, e endpoint, take func(r result) bool) *view {
		p.datacenter = c.scope.Datacenter
		v := &view{name: name, policy: p}
		v.reader = reader{begin: c.s.reading(e), take: func(r result) bool { c.listWorks(v); return take(r) },
			fail: func(err error) (time.Duration, int) { c.listFailed(v, err); return 0, 0 }}
		c.s.add(v)
		return v
	}
	held := policy{hold: !c.s.once, poll: !c.s.once, rank: rankList}
	l.nodes = add("nodes", held, c.nodesEndpoint(), c.takeNodes)
	l.nodes.reader.fail = c.nodesFailed
	if c.s.once {
		return
	}
	l.critical = add("critical checks", held, c.stateEndpoint(watch.StatusCritical), c.checksTaker(watch.StatusCritical))
	l.warning = add("warning checks", held, c.stateEndpoint(watch.StatusWarning), c.checksTaker(watch.StatusWarning))
	any := c.stateEndpoint(watch.StatusAny)
	any.toll = checksToll
	l.all.list = c.newAllChecks(any)
	none := endpoint{path: "health/state/none", query: scopeQuery(c.scope), decode: discard}
	l.all.index = add("index of checks", policy{rank: rankList, poll: true}, none, c.takeChecksIndex)
}

func (c *catalogMirror) closeLists() {
	l := &c.lists
	for _, v := range []*view{l.nodes, l.critical, l.warning, l.all.list, l.all.index, l.names, l.failures.retry, l.all.verify, l.restores} {
		if v != nil {
			c.s.remove(v)
		}
	}
}

func discard(r io.Reader) (any, error) { _, err := io.Copy(io.Discard, r); return true, err }

// takeNodes takes in which nodes there are.
func (c *catalogMirror) takeNodes(r result) bool {
	l := &c.lists
	entries := r.Value.(map[string]digest)
	l.entries, l.evidence = entries, r.Evidence
	if l.failures.told {
		l.failures.told = false
		defer c.startOver()
	}
	if c.mode == byNodes {
		for m := range c.own { // it may hold what was on a node that came and went
			if !m.own.changedAt.Before(l.lookedAt) {
				c.s.hint(m.own)
			}
		}
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
	} else {
		c.sweep(time.Now())
	}
	c.decide()
	c.unblock()
	c.tellAllNames()
	l.lookedAt = time.Now()
	l.evidence.WentBack, l.evidence.Age = false, 0 // that was about what has changed by this look
	return true
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
