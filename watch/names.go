package watch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Templates ask for the services that a list of names has. When all instances of a service go its name goes too, and with it
// the service would be gone from a file, and its query, and what a guard holds back of that. So a service stays in the list
// of names as long as a guard would object to its falling to nothing, whichever of the two answers comes first. The rest of
// the list is what the registry says.

// staying finds the services that stay in the list of q: of those that are watched, and of those that the fallback knows, which
// may be asked for only because of the list. It runs under the lock.
func (w *Watcher) staying(q Services, e *entry, good, answer any, now time.Time) (stay map[string]objection, late bool) {
	if len(w.Guards) == 0 {
		return nil, false
	}
	gone := missing(good, answer)
	if len(gone) == 0 {
		return nil, false
	}
	stay = map[string]objection{}
	look := func(s Query, stands any, past Past) {
		name, scope, ok := instancesOf(s)
		if !ok || scope != q.Scope || !gone[name] {
			return
		}
		since := cmp.Or(e.past.GoneSince[name], now)
		o, over := w.objection(s, stands, nothing(s), past, cmp.Or(past.HeldSince, since), now)
		if late = late || over; o.why != "" {
			o.why, o.since = fmt.Sprintf("without %s, of %s %s", name, s, o.why), since
			stay[name] = o
		}
	}
	for s, other := range w.entries {
		if stands, ok := w.good(s, other); ok {
			look(s, stands, other.past)
		}
	}
	for s, known := range w.Fallback {
		if w.entries[s] == nil {
			look(s, known.Answer, known.asOf(now))
		}
	}
	return stay, late
}

// missing are the names that a list of services has lost.
func missing(good, answer any) map[string]bool {
	before, _ := good.([]*ServiceName)
	after, ok := answer.([]*ServiceName)
	if !ok {
		return nil // a failure loses none
	}
	gone := map[string]bool{}
	for _, s := range before {
		gone[s.Name] = true
	}
	for _, s := range after {
		delete(gone, s.Name)
	}
	return gone
}

// nothing is the answer to q when a service has no instances.
func nothing(q Query) any {
	if _, ok := q.(CatalogService); ok {
		return []*CatalogInstance{}
	}
	return []*ServiceInstance{}
}

// join is a list of names with those services of the good one that stay in it.
func join(good, answer any, stay map[string]objection) any {
	if len(stay) == 0 {
		return answer
	}
	all := slices.Clone(answer.([]*ServiceName))
	for _, s := range good.([]*ServiceName) {
		if _, ok := stay[s.Name]; ok {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b *ServiceName) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// sayStay logs which services stay in a list of names that did not before, and which do so no more.
func (w *Watcher) sayStay(q Query, before, now map[string]objection, answer any) {
	come, gone := slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(before))
	come = slices.DeleteFunc(come, func(name string) bool { _, ok := before[name]; return ok })
	gone = slices.DeleteFunc(gone, func(name string) bool { _, ok := now[name]; return ok })
	if len(come) > 0 {
		o := now[come[0]]
		w.log.Error("GUARD: services that have left a list of names stay in it", "query", q.String(), "services", few(come), "why", o.why, "until", o.end())
	}
	for _, s := range answer.([]*ServiceName) { // who has come back has not been let go
		gone = slices.DeleteFunc(gone, func(name string) bool { return name == s.Name })
	}
	if len(gone) > 0 {
		w.log.Warn("GUARD: services are let go out of a list of names", "query", q.String(), "services", few(gone))
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
