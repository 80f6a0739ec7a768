package consul

import "time"

// A refresh is a time since when every node has to be read before those who wait are answered: what they ask for may have changed
// before they asked for it.
type refresh struct {
	since   time.Time
	behind  map[*mirrorNode]bool
	waiting []*catalogMember
	once    bool // every node was read since nodes are mirrored
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
			if c.lists.names != nil {
				c.s.readAgain(c.lists.names)
			}
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
	c.refresh.once = true
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
func (c *catalogMirror) loaded() bool { return c.mode == byNodes && c.refresh.once }
