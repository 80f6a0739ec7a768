package watch

import (
	"fmt"
	"time"

	"lictor/internal/glob"
)

// A Guard holds back an answer that has shrunk too much, as a mass deregistration or a partition would make it: the last
// good answer stands until the registry recovers, until [Watcher.Release], or until Hold is over. Unlike doubt, which
// concerns answers that may be wrong, a guard holds back answers that are certain, so it is a choice of the operator: what
// it holds back may be the truth.
type Guard struct {
	// Services are patterns, as of [glob.Name], of the names of services whose instances are guarded. Queries are
	// patterns, as of [glob.Text], of the texts of queries. A guard is for what either is for; without any of them, for every list:
	// instances, names, nodes, keys below a prefix and so on.
	Services, Queries []string
	// MaxShrink is the largest part that may go, from 0 to 1, of the most that there was within the last Hold, or the last
	// minute where that is longer; 0 means any part.
	MaxShrink float64
	// MinInstances is the least number of passing instances that a service may fall to; 0 means none. In the catalog, which
	// knows no health, every instance counts.
	MinInstances int
	// Hold is how long an answer is held back, by the clock and whatever restarts of ours there are; 0 means for ever.
	Hold time.Duration
	// Where is what the log calls the guard by, such as the place where it was configured.
	Where string
}

// covers tells whether the guard is for q.
func (g Guard) covers(q Query) bool {
	name, _, service := instancesOf(q)
	switch guarded := kindOf(q).guarded; {
	case guarded == unguarded, guarded == guardsList && g.MaxShrink == 0: // there are no instances to count
		return false
	}
	if len(g.Services) == 0 && len(g.Queries) == 0 {
		return true
	}
	return service && glob.Name(g.Services, name) || glob.Text(g.Queries, q.String())
}

// instancesOf is the service, and where it is, whose instances q asks for.
func instancesOf(q Query) (name string, scope Scope, ok bool) {
	switch q := q.(type) {
	case Service:
		return q.Name, q.Scope, true
	case CatalogService:
		return q.Name, q.Scope, true
	}
	return "", Scope{}, false
}

// idle are the patterns of the guard that fit none of the queries, as they are written in a configuration. Beside a pattern of
// services is the name that closest, unless it is nil, takes it to be meant as.
func (g Guard) idle(queries Set, closest func(word string, names []string) string) []string {
	fits := func(only Guard) bool {
		for q := range queries {
			if only.covers(q) {
				return true
			}
		}
		return false
	}
	var idle, services []string
	for _, q := range queries.Sorted() {
		if name, _, ok := instancesOf(q); ok {
			services = append(services, name)
		}
	}
	for _, pattern := range g.Services {
		if fits(Guard{Services: []string{pattern}, MaxShrink: g.MaxShrink}) {
			continue
		}
		said := fmt.Sprintf("services %q", pattern)
		if closest != nil {
			if near := closest(pattern, services); near != "" {
				said += fmt.Sprintf(" (did you mean %q?)", near)
			}
		}
		idle = append(idle, said)
	}
	for _, pattern := range g.Queries {
		if !fits(Guard{Queries: []string{pattern}, MaxShrink: g.MaxShrink}) {
			idle = append(idle, fmt.Sprintf("queries %q", pattern))
		}
	}
	return idle
}

// objection says why the guard holds back an answer, or "". The answer is compared with peak, the most that there was within
// the guard's window.
func (g Guard) objection(q Query, fresh any, peak int) string {
	now := usable(fresh)
	if now >= peak {
		return ""
	}
	left := fmt.Sprintf("%d are left of the %d that there were within %s", now, peak, g.window())
	if kindOf(q).guarded == guardsInstances && now < g.MinInstances {
		return fmt.Sprintf("%s, fewer than the %d instances that the guard asks for", left, g.MinInstances)
	}
	if g.MaxShrink > 0 && float64(peak-now)/float64(peak) > g.MaxShrink {
		return fmt.Sprintf("%s, a fall of more than the %.4g%% that the guard allows", left, 100*g.MaxShrink)
	}
	return ""
}

// window is within what time steps downwards are one fall.
func (g Guard) window() time.Duration { return max(g.Hold, time.Minute) }

// usable is the number of things in an answer, of service instances only the passing ones.
func usable(answer any) int {
	switch answer := answer.(type) {
	case []*ServiceInstance:
		n := 0
		for _, i := range answer {
			if i.Status == StatusPassing {
				n++
			}
		}
		return n
	case Failure:
		return 0
	}
	return size(answer)
}
