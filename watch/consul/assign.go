package consul

import (
	"cmp"
	"slices"
	"strings"

	"lictor/watch"
)

// assign decides where each query is answered.
func (p *planner) assign(slots int) map[watch.Query]place {
	plan := make(map[watch.Query]place, len(p.want))
	p.grouped = p.group(len(p.want), slots)
	sizes := map[place]int{}
	for q := range p.want {
		at := p.together(q)
		plan[q] = at
		sizes[at]++
	}
	// Each ring and each single query needs a slot, and a fleet some more. Those that serve most come first.
	spare := slots
	var each []place
	for at := range sizes {
		if q, ok := at.query.(watch.Service); ok && at.kind == inSingle && serviceEndpoint(q).streamed() && !p.once {
			p.canaries[q.Datacenter] = true
		}
		switch at.kind {
		case inFleet:
			spare -= fewSlots
		case inRing, inSingle:
			each = append(each, at)
		}
	}
	spare -= len(p.canaries)
	if p.once || p.force == PlanSingle || len(each) <= spare {
		return plan
	}
	slices.SortFunc(each, func(a, b place) int { return cmp.Or(sizes[b]-sizes[a], strings.Compare(a.name(), b.name())) })
	late := map[place]bool{}
	for _, at := range each[max(0, spare):] {
		late[at] = true
	}
	for q, at := range plan {
		if late[at] {
			plan[q] = place{kind: inRota}
		}
	}
	return plan
}

// name is for an order among places that does not change.
func (at place) name() string {
	if at.query != nil {
		return at.query.String()
	}
	return at.prefix + at.scope.Datacenter
}

// fewSlots is what a group can do with: what tells a fleet that something has changed.
const fewSlots = 6

// group tells whether queries are answered in groups. Once they are, they go on so until the budget is large for them,
// lest they move to and fro.
func (p *planner) group(queries, slots int) bool {
	switch p.force {
	case PlanSingle, PlanPoll:
		return false
	case "":
	default:
		return true
	}
	if p.once {
		return queries > 16 // the fewest requests are the fastest
	}
	return queries > slots-1 || p.grouped && queries > slots/2 // one slot may go to the canary
}

// together tells where q is answered, apart from the size of the budget.
func (p *planner) together(q watch.Query) place {
	if p.force == PlanPoll {
		return place{kind: inRota}
	}
	if p.grouped {
		switch q := q.(type) {
		case watch.Key:
			return p.ringOf(q, q.Path, q.Scope)
		case watch.Prefix:
			return p.ringOf(q, q.Path, q.Scope)
		case watch.Service:
			if ofFleet(q.Scope) && !q.Connect && q.Name != "" {
				return place{kind: inFleet, scope: q.Scope}
			}
		case watch.CatalogService:
			if ofFleet(q.Scope) && q.Name != "" {
				return place{kind: inFleet, scope: q.Scope}
			}
		}
	}
	return place{kind: inSingle, query: q}
}

// ringOf tells which ring answers a key or prefix, if any does.
func (p *planner) ringOf(q watch.Query, path string, scope watch.Scope) place {
	for _, prefix := range p.rings[scope] {
		if strings.HasPrefix(path, prefix) {
			return place{kind: inRing, scope: scope, prefix: prefix}
		}
	}
	if p.alone.Has(q) {
		return place{kind: inSingle, query: q}
	}
	return place{kind: nowhere, scope: scope}
}

// ofFleet tells whether services of a scope can be followed by what happens to nodes and checks: those of a peer and of a
// sameness group can not, since they are not in this registry's catalog.
func ofFleet(s watch.Scope) bool { return s.Peer == "" && s.SamenessGroup == "" }
