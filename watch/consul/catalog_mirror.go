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
	ready    bool // every node was read since nodes are mirrored
	refresh  refresh
	blocked  map[*catalogMember]bool // that must not be answered out of nodes before some were read again
}

// A mirrorMode says where answers come from.
type mirrorMode int

const (
	undecided mirrorMode = iota // until the list of nodes was read
	byNodes
	byQueries // each query has a view of its own
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
	on    []string // the nodes in that answer, folded
}

// A refresh is a time since when every node has to be read before those who wait are answered: what they ask for may have changed
// before they asked for it.
type refresh struct {
	since   time.Time
	behind  map[*mirrorNode]bool
	waiting []*catalogMember
}

func newCatalogMirror(s *scheduler, scope watch.Scope) *catalogMirror {
	c := &catalogMirror{
		s: s, scope: scope, digests: newDigester(), members: map[watch.Query]*catalogMember{}, services: map[string]*mirrorService{},
		nodes: map[string]*mirrorNode{}, blocked: map[*catalogMember]bool{}, names: newNameIndex(),
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
	case c.lists.blind():
		mode = byQueries
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
	c.s.log.Debug("consul catalog mirror", "answers from", map[mirrorMode]string{byNodes: "nodes", byQueries: "queries"}[mode], "services", services, "nodes", known)
	for _, n := range c.nodes {
		n.close()
	}
	c.nodes, c.refresh, c.names, c.ready = map[string]*mirrorNode{}, refresh{}, newNameIndex(), false
	clear(c.blocked)
	for name, s := range c.services {
		s.nodes = nil
		c.tidy(name)
	}
	if mode == byNodes {
		for name := range c.lists.entries {
			c.addNode(name)
		}
	}
	c.openNames()
	c.sendCanary()
	var all []*catalogMember
	for _, m := range c.members {
		c.closeOwn(m)
		m.after, m.on = time.Time{}, nil
		all = append(all, m)
	}
	c.admit(all)
}

// manyFresh is how many queries beyond the number of nodes are read by themselves when they join; for more, nodes are read again.
const manyFresh = 20

// admit gets answers for members that have none.
func (c *catalogMirror) admit(fresh []*catalogMember) {
	if c.mode == undecided {
		return // decide does it
	}
	plain := 0
	for _, m := range fresh {
		if m.plain() {
			plain++
		}
	}
	wait := c.mode == byNodes && (!c.loaded() || plain > len(c.nodes)+manyFresh)
	for _, m := range fresh {
		switch {
		case m.own != nil:
		case m.service == "":
			c.tellNames(m)
		case wait && m.plain():
			c.refresh.waiting = append(c.refresh.waiting, m)
		default:
			c.readAlone(m)
		}
	}
	if wait && plain > 0 {
		c.beginRefresh()
	}
}

// beginRefresh has all nodes read from now on, for those who wait.
func (c *catalogMirror) beginRefresh() {
	c.refresh.since, c.refresh.behind = time.Now(), map[*mirrorNode]bool{}
	for _, n := range c.nodes {
		c.refresh.behind[n] = true
		n.ask(true)
	}
	c.refreshed(nil)
}

// refreshed takes note that a node was read, or is there no more, and answers those who wait when it was the last.
func (c *catalogMirror) refreshed(n *mirrorNode) {
	if n != nil && (c.nodes[n.name] != n || !n.read.readAt.Before(c.refresh.since)) {
		delete(c.refresh.behind, n)
	}
	if len(c.refresh.behind) > 0 || c.mode != byNodes {
		return
	}
	c.ready = true
	if len(c.refresh.waiting) == 0 {
		return
	}
	waiting := c.refresh.waiting
	c.refresh.waiting = nil
	c.s.client.closeIdle() // so that what is held open finds connections
	c.s.log.Debug("consul nodes were read", "nodes", len(c.nodes), "services", len(waiting), "took", time.Since(c.refresh.since).Round(time.Millisecond))
	for _, m := range waiting {
		c.answer(m)
	}
}

// loaded tells whether answers can be made out of nodes. What a node has that joins later comes when it was read.
func (c *catalogMirror) loaded() bool { return c.mode == byNodes && c.ready }

// readAlone has a member read by itself: for good where nodes can't answer it, and otherwise once.
func (c *catalogMirror) readAlone(m *catalogMember) {
	once := c.mode == byNodes && m.plain()
	p := policy{rank: rankQuery, leader: true}
	if !once {
		p.poll = c.lists.blind()
		if c.mode == byQueries && !p.poll {
			p.hold, p.rank = true, rankNode
		}
	}
	m.own = c.s.newQueryView(m.sub, p)
	if once {
		take := m.own.source.take
		m.own.source.take = func(r result) bool {
			believed := take(r)
			if believed || r.Consistent {
				c.readOnce(m, r, believed)
			}
			return believed
		}
	}
	c.s.add(m.own)
}

// readOnce takes in what a member's own read gave. Nodes that don't agree are read again, and count no more until then.
func (c *catalogMirror) readOnce(m *catalogMember, r result, believed bool) {
	own := m.own
	c.closeOwn(m)
	if believed {
		list := r.Value.([]*watch.ServiceInstance)
		if !sameInstances(list, c.instances(m.service)) {
			m.after, m.on = own.readAt, nil
			for _, i := range list {
				m.on = append(m.on, fold(i.Node))
			}
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
	m.after, m.on = time.Time{}, nil
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
