package consul

import (
	"cmp"
	"slices"
	"strings"

	"lictor/watch"
)

// The plans that can be forced by [Config.Plan]. What is chosen without that:
//
//   - while the queries fit the budget, each is held open as a blocking query of its own;
//   - beyond that, keys and prefixes that lie below a common prefix are answered by a [prefixView], and services of one scope
//     by a [catalog], a mirror of what Consul has on them; each of the rest is held open as far as there are slots;
//   - what is left over then is polled.
const (
	PlanSingle = "single" // every query on its own, even beyond the budget
	PlanShared = "shared" // prefix views and catalog mirrors, however few the queries
	PlanNodes  = "nodes"  // the same, and the mirror reads nodes, and holds a blocking query open on each
	PlanSweep  = "sweep"  // the same, and the mirror reads nodes, and sweeps over them when something has changed
	PlanPoll   = "poll"   // every query is polled
)

// Plans are the plans that can be forced.
var Plans = []string{PlanSingle, PlanShared, PlanNodes, PlanSweep, PlanPoll}

// A groupKey names the group that answers a query.
type groupKey struct {
	kind   groupKind
	scope  watch.Scope
	prefix string      // of a prefix view
	query  watch.Query // of a query by itself
}

type groupKind string

const (
	byItself   groupKind = "by itself"
	byPrefix   groupKind = "prefix"
	byCatalog  groupKind = "catalog"
	unsurveyed groupKind = "unsurveyed" // until a survey has found a prefix
)

// name is for an order among groups that does not change.
func (at groupKey) name() string {
	if at.query != nil {
		return at.query.String()
	}
	return at.prefix + at.scope.Datacenter
}

// A planning is all that a plan depends on.
type planning struct {
	queries []watch.Query
	slots   int
	once    bool
	force   string
	grouped bool                     // the last plan was one in groups
	fit     map[watch.Scope][]string // prefixes that surveys found fit
	alone   watch.Set                // keys and prefixes that surveys found none for
}

// plan decides where each query is answered, and whether they are answered in groups. It asks nobody and changes nothing.
func (p planning) plan() (groups map[watch.Query]groupKey, grouped bool) {
	grouped = p.inGroups()
	groups = make(map[watch.Query]groupKey, len(p.queries))
	for _, q := range p.queries {
		groups[q] = p.groupOf(q, grouped)
	}
	return groups, grouped
}

// inGroups tells whether queries are answered in groups. Once they are, they stay so until the budget is large for them, lest they
// move to and fro.
func (p planning) inGroups() bool {
	switch p.force {
	case PlanSingle, PlanPoll:
		return false
	case "":
	default:
		return true
	}
	n := len(p.queries)
	if p.once {
		return n > 16 // the fewest requests are the fastest
	}
	return n > p.slots-1 || p.grouped && n > p.slots/2 // one slot may go to the restore view
}

func (p planning) groupOf(q watch.Query, grouped bool) groupKey {
	alone := groupKey{kind: byItself, query: q}
	if !grouped {
		return alone
	}
	switch q := q.(type) {
	case watch.Key:
		return p.belowPrefix(q, q.Path, q.Scope)
	case watch.Prefix:
		return p.belowPrefix(q, q.Path, q.Scope)
	case watch.Service:
		if inCatalog(q.Scope) && !q.Connect && q.Name != "" {
			return groupKey{kind: byCatalog, scope: q.Scope}
		}
	case watch.CatalogService:
		if inCatalog(q.Scope) && q.Name != "" {
			return groupKey{kind: byCatalog, scope: q.Scope}
		}
	case watch.Services:
		if !p.once && inCatalog(q.Scope) && slices.ContainsFunc(p.queries, func(other watch.Query) bool {
			s, ok := other.(watch.Service)
			return ok && s.Scope == q.Scope && !s.Connect && s.Name != ""
		}) {
			return groupKey{kind: byCatalog, scope: q.Scope}
		}
	}
	return alone
}

// belowPrefix tells which prefix view answers a key or prefix, if any does. The longest prefix comes first.
func (p planning) belowPrefix(q watch.Query, path string, scope watch.Scope) groupKey {
	best := ""
	found := false
	for _, prefix := range p.fit[scope] {
		if strings.HasPrefix(path, prefix) && (!found || len(prefix) > len(best)) {
			best, found = prefix, true
		}
	}
	switch {
	case found:
		return groupKey{kind: byPrefix, scope: scope, prefix: best}
	case p.alone.Has(q):
		return groupKey{kind: byItself, query: q}
	}
	return groupKey{kind: unsurveyed, scope: scope}
}

// inCatalog tells whether services of a scope are in this registry's catalog: those of a peer and of a sameness group are not.
func inCatalog(s watch.Scope) bool { return s.Peer == "" && s.SamenessGroup == "" }

// byName orders groups.
func byName(a, b groupKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.name(), b.name()))
}
