package watch

import (
	"cmp"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// Templates ask for the services that a list of names has. When all instances of a service go its name goes too, and with it
// the service would be gone from a file, and its query, and what a guard withholds of that. So a service stays in the list
// of names as long as a guard would object to its falling to nothing, whichever of the two answers comes first. The rest of
// the list is what the registry says.

// staying makes a list of names of the answer to q with those services of the last one that stay in it, and tells what keeps each. The
// services are those of all that is known, since what an earlier run knew may be asked for only because of the list. Where a guard
// would keep one that it has kept for long enough, over is set.
func (g guards) staying(q Services, last Known, answer any, all iter.Seq2[Query, Known], now time.Time) (list any, stay objections, over bool) {
	before, _ := last.Answer.([]*ServiceName)
	after, ok := answer.([]*ServiceName)
	gone := map[string]*ServiceName{}
	for _, s := range before {
		gone[s.Name] = s
	}
	for _, s := range after {
		delete(gone, s.Name)
	}
	if !ok || len(g) == 0 || len(gone) == 0 { // a failure loses none
		return answer, nil, false
	}
	stay = objections{}
	for s, known := range all {
		name, scope, ok := instancesOf(s)
		if !ok || scope != q.Scope || gone[name] == nil {
			continue
		}
		since := cmp.Or(known.HeldSince, last.GoneSince[name], now)
		o, late := g.objection(s, known, 0, since, now)
		if over = over || late; o.why != "" {
			o.why = fmt.Sprintf("without %s, of %s %s", name, s, o.why)
			stay[name] = o
		}
	}
	if len(stay) == 0 {
		return answer, nil, over
	}
	names := slices.Clone(after)
	for name := range stay {
		names = append(names, gone[name])
	}
	slices.SortStableFunc(names, func(a, b *ServiceName) int { return strings.Compare(a.Name, b.Name) })
	return names, stay, over
}

// tellStaying logs which services stay in a list of names that did not before, and which do so no more. One that has come back by
// itself is neither.
func tellStaying(log *slog.Logger, q Query, before, now objections, answer any) {
	lacking := func(all, other objections) []string {
		return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(name string) bool { return other[name].why != "" })
	}
	if come := lacking(now, before); len(come) > 0 {
		o := now[come[0]]
		log.Error("GUARD: services that have left a list of names stay in it", "query", q.String(), "services", few(come), "why", o.why, "until", o.end())
	}
	gone := lacking(before, now)
	for _, s := range answer.([]*ServiceName) {
		gone = slices.DeleteFunc(gone, func(name string) bool { return name == s.Name })
	}
	if len(gone) > 0 {
		log.Warn("GUARD: services are let go out of a list of names", "query", q.String(), "services", few(gone))
	}
}

// few are the names, or some of many, as a text.
func few(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}
