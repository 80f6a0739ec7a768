package watch

import (
	"fmt"
	"time"

	"lictor/internal/glob"
)

// A Guard withholds an answer that has shrunk too much, as a mass deregistration or a partition would make it: readers are given
// the last good answer until the registry recovers, until [Watcher.Release], or until Hold is over. Unlike doubt, which
// concerns answers that may be wrong, a guard withholds answers that are certain, so it is a choice of the operator: what
// it withholds may be the truth.
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
	// Hold is how long an answer is withheld, by the clock and whatever restarts of ours there are; 0 means for ever.
	Hold time.Duration
	// Where is what the log calls the guard by, such as the place where it was configured.
	Where string
}

// covers tells whether the guard is for q.
func (g Guard) covers(q Query) bool {
	name, _, service := instancesOf(q)
	switch guarded := KindOf(q).guarded; {
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

// unused are the patterns of the guard that fit none of the queries, as they are written in a configuration. Beside a pattern of
// services is the name that closest, unless it is nil, takes it to be meant as.
func (g Guard) unused(queries Set, closest func(word string, names []string) string) (unused []string) {
	var services []string
	for _, q := range queries.Sorted() {
		if name, _, ok := instancesOf(q); ok {
			services = append(services, name)
		}
	}
	look := func(only Guard, text string) {
		only.MaxShrink = g.MaxShrink
		for q := range queries {
			if only.covers(q) {
				return
			}
		}
		unused = append(unused, text)
	}
	for _, pattern := range g.Services {
		text := fmt.Sprintf("services %q", pattern)
		if closest != nil {
			if near := closest(pattern, services); near != "" {
				text += fmt.Sprintf(" (did you mean %q?)", near)
			}
		}
		look(Guard{Services: []string{pattern}}, text)
	}
	for _, pattern := range g.Queries {
		look(Guard{Queries: []string{pattern}}, fmt.Sprintf("queries %q", pattern))
	}
	return unused
}

// against says why the guard withholds an answer to q of size now, or "". It is compared with peak, the largest size within the
// guard's window.
func (g Guard) against(q Query, now, peak int) string {
	if now >= peak {
		return ""
	}
	left := fmt.Sprintf("%d are left of the %d that there were within %s", now, peak, g.window())
	if KindOf(q).guarded == guardsInstances && now < g.MinInstances {
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
