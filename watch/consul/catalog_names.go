package consul

import (
	"slices"
	"strings"

	"lictor/watch"
)

// A nameIndex is the list of the names of all services with their tags, made out of nodes.
type nameIndex struct {
	tags map[string][]*watch.ServiceName // by folded name, one for each spelling
	list []*watch.ServiceName            // all of them by name, nil when it is to be made anew
	told *catalogMember                  // who was told list
}

func newNameIndex() nameIndex { return nameIndex{tags: map[string][]*watch.ServiceName{}} }

// update takes in what the nodes say of one service.
func (x *nameIndex) update(name string, s *mirrorService) {
	tags := map[string][]string{}
	for _, n := range s.nodes {
		for _, i := range n.state.instances[name] {
			tags[i.Name] = append(tags[i.Name], i.Tags...)
		}
	}
	var now []*watch.ServiceName
	for spelled, all := range tags {
		slices.Sort(all)
		now = append(now, &watch.ServiceName{Name: spelled, Tags: append([]string{}, slices.Compact(all)...)})
	}
	slices.SortFunc(now, byServiceName)
	same := func(a, b *watch.ServiceName) bool { return a.Name == b.Name && slices.Equal(a.Tags, b.Tags) }
	if slices.EqualFunc(x.tags[name], now, same) {
		return
	}
	x.list, x.told = nil, nil
	if x.tags[name] = now; len(now) == 0 {
		delete(x.tags, name)
	}
}

func byServiceName(a, b *watch.ServiceName) int { return strings.Compare(a.Name, b.Name) }

// all is the whole list.
func (x *nameIndex) all() []*watch.ServiceName {
	if x.list == nil {
		x.list = []*watch.ServiceName{}
		for _, names := range x.tags {
			x.list = append(x.list, names...)
		}
		slices.SortFunc(x.list, byServiceName)
	}
	return x.list
}

// namesDerived tells whether the list of names is made out of nodes: it is where nobody needs to read it.
func (c *catalogMirror) namesDerived() bool { return c.lists.names == nil && c.allSeen() }

// allSeen tells whether all nodes are known with all that is on them, and access rules hide nothing.
func (c *catalogMirror) allSeen() bool {
	if !c.loaded() || c.lists.evidence.Filtered {
		return false
	}
	for _, n := range c.nodes {
		if n.state != nil && n.state.evidence.Filtered {
			return false
		}
	}
	return true
}

// tellAllNames tells who wants the list of names what it is now, where it is made out of nodes.
func (c *catalogMirror) tellAllNames() {
	m := c.members[watch.Services{Scope: c.scope}]
	if m == nil || !c.loaded() {
		return
	}
	c.openNames() // it may be made out of nodes from now on, or no more
	c.tellNames(m)
}

// tellNames tells a member the list of names, where it is made out of nodes.
func (c *catalogMirror) tellNames(m *catalogMember) {
	if !c.namesDerived() || c.names.told == m {
		return
	}
	if !m.sub.Report(watch.Answer{Value: c.names.all(), Evidence: watch.Evidence{WentBack: c.lists.evidence.WentBack}}) {
		c.lists.names = c.newNames() // which settles it
		c.s.add(c.lists.names)
		return
	}
	c.names.told = m
}
