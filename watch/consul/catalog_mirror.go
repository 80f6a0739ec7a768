package consul

import (
	"slices"
	"time"

	"lictor/watch"
)

// A catalogMirror answers queries on the services of one scope, however many, with few requests held open.
//
// Where more services are wanted than there are nodes it mirrors the nodes: it reads what is on each, and makes answers out of
// that. Otherwise each query has a view of its own, that is read when something hints that its answer has changed. What hints is
// in the file catalog_lists.go; hints may tell too much, answers come from reads.
type catalogMirror struct {
	s       *scheduler
	scope   watch.Scope
	digests digester

	members  map[watch.Query]*catalogMember
	services map[string]*mirrorService // by folded name: those that are wanted or that a node has
	nodes    map[string]*mirrorNode    // by folded name; empty unless nodes are mirrored
	names    nameIndex
	lists    catalogLists
	mode     mirrorMode
	refresh  refresh
	blocked  map[*catalogMember]bool // that must not be answered out of nodes before some were read again
	own      map[*catalogMember]bool // that have a view of their own
}

// A mirrorMode says where answers come from.
type mirrorMode int

const (
	undecided mirrorMode = iota // until the list of nodes was read
	byNodes
	byQueries // each query has a view of its own, that is held or read when hinted at
	byPolling // the same, and it is polled, since not all changes may be hinted at
)

// A mirrorService is what there is to know of one service.
type mirrorService struct {
	members []*catalogMember
	nodes   []*mirrorNode // that have instances of it
}

// A catalogMember is a query that a mirror answers.
type catalogMember struct {
	sub     *watch.Subscription
	service string // folded; "" for the list of names
	own     *view  // that reads it by itself, nil where it is answered out of nodes
	// after is when a read of its own began whose answer was another than that of the nodes, zero for none: no node of it may
	// count that was read before, or an answer from before would replace it.
	after time.Time
	on    []string // the nodes in the last answer to a read of its own, folded
}

func newCatalogMirror(s *scheduler, scope watch.Scope) *catalogMirror {
	c := &catalogMirror{
		s: s, scope: scope, digests: newDigester(), members: map[watch.Query]*catalogMember{}, services: map[string]*mirrorService{},
		nodes: map[string]*mirrorNode{}, blocked: map[*catalogMember]bool{}, own: map[*catalogMember]bool{}, names: newNameIndex(),
	}
	c.openLists()
	return c
}

// plain tells whether a member asks for all instances of a service, which is what nodes can answer.
func (m *catalogMember) plain() bool {
	q, ok := m.sub.Query.(watch.Service)
	return ok && q.Near == "" && q.Filter == ""
}

// serviceOf is the service that a query asks for, folded, "" for none.
func serviceOf(q watch.Query) string {
	switch q := q.(type) {
	case watch.Service:
		return fold(q.Name)
	case watch.CatalogService:
		return fold(q.Name)
	}
	return ""
}

func (c *catalogMirror) service(name string) *mirrorService {
	s := c.services[name]
	if s == nil {
		s = &mirrorService{}
		c.services[name] = s
	}
	return s
}

// tidy forgets a service that nobody wants and no node has.
func (c *catalogMirror) tidy(name string) {
	if s := c.services[name]; s != nil && len(s.members) == 0 && len(s.nodes) == 0 {
		delete(c.services, name)
	}
}

func (c *catalogMirror) change(add []*watch.Subscription, drop []watch.Query) {
	for _, q := range drop {
		m := c.members[q]
		if m == nil {
			continue
		}
		delete(c.members, q)
		delete(c.blocked, m)
		c.closeOwn(m)
		if m.service != "" {
			s := c.service(m.service)
			s.members = slices.DeleteFunc(s.members, func(other *catalogMember) bool { return other == m })
			c.tidy(m.service)
		}
		c.refresh.waiting = slices.DeleteFunc(c.refresh.waiting, func(other *catalogMember) bool { return other == m })
	}
	var fresh []*catalogMember
	for _, sub := range add {
		m := &catalogMember{sub: sub, service: serviceOf(sub.Query)}
		c.members[sub.Query] = m
		if m.service != "" {
			s := c.service(m.service)
			s.members = append(s.members, m)
		}
		fresh = append(fresh, m)
	}
	c.decide()
	c.admit(fresh)
}

func (c *catalogMirror) close() {
	for _, m := range c.members {
		c.closeOwn(m)
	}
	for _, n := range c.nodes {
		n.close()
	}
	c.closeLists()
}

func (c *catalogMirror) closeOwn(m *catalogMember) {
	if m.own != nil {
		c.s.remove(m.own)
		m.own = nil
		delete(c.own, m)
	}
}

// decide chooses where answers come from. It stays with nodes until they are twice as many as services, lest the choice goes to and fro.
func (c *catalogMirror) decide() {
	mode := c.mode
	services := 0
	for _, s := range c.services {
		if len(s.members) > 0 {
			services++
		}
	}
	known := len(c.lists.entries)
	switch {
	case c.lists.failures.blind():
		mode = byPolling
	case c.lists.entries == nil:
		mode = undecided
	case c.s.force == PlanNodes || c.s.force == PlanSweep, services > known, mode == byNodes && services > known/2:
		mode = byNodes
	default:
		mode = byQueries
	}
	if mode == c.mode {
		c.openNames()
		return
	}
	c.mode = mode
	c.s.log.Debug("consul catalog mirror", "answers from", map[mirrorMode]string{byNodes: "nodes", byQueries: "queries", byPolling: "queries that are polled"}[mode], "services", services, "nodes", known)
	for _, n := range c.nodes {
		n.close()
	}
	c.nodes, c.refresh, c.names = map[string]*mirrorNode{}, refresh{}, newNameIndex()
	clear(c.blocked)
	for name, s := range c.services {
		s.nodes = nil
		c.tidy(name)
	}
	if mode == byNodes {
		c.refresh = refresh{since: time.Now(), behind: map[*mirrorNode]bool{}}
		for name := range c.lists.entries {
			c.addNode(name)
		}
	}
	c.openNames()
	c.openRestoreView()
	var all []*catalogMember
	for _, m := range c.members {
		c.closeOwn(m)
		m.after = time.Time{}
		all = append(all, m)
	}
	c.admit(all)
}
