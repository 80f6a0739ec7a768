package watch

import (
	"fmt"
	"path"
	"time"
)

// A Guard holds back an answer that has shrunk too much, as a mass deregistration or a partition would make it: the last
// good answer stands until the registry recovers, until [Watcher.Release], or until Hold is over. Unlike doubt, which
// concerns answers that may be wrong, a guard holds back answers that are certain, so it is a choice of the operator: what
// it holds back may be the truth.
type Guard struct {
	// Services are patterns, as of [path.Match], of the names of services whose instances are guarded; without any, every
	// list is: instances, names, nodes, keys below a prefix.
	Services []string
	// MaxShrink is the largest part of an answer that may go at once, from 0 to 1; 0 means any part.
	MaxShrink float64
	// MinInstances is the least number of passing instances that a service may fall to; 0 means none.
	MinInstances int
	// Hold is how long an answer is held back; 0 means for ever.
	Hold time.Duration
}

// covers tells whether the guard is for q.
func (g Guard) covers(q Query) bool {
	name := ""
	switch q := q.(type) {
	case Service:
		name = q.Name
	case CatalogService:
		name = q.Name
	case Prefix, Nodes, Services:
		return len(g.Services) == 0
	default:
		return false
	}
	if len(g.Services) == 0 {
		return true
	}
	for _, pattern := range g.Services {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	return false
}

// objection says why the guard holds back an answer, or "".
func (g Guard) objection(old, fresh any) string {
	before, now := usable(old), usable(fresh)
	if now >= before {
		return ""
	}
	if _, instances := fresh.([]*ServiceInstance); instances && now < g.MinInstances {
		return fmt.Sprintf("%d passing instances are left of %d, fewer than the %d that the guard asks for", now, before, g.MinInstances)
	}
	if g.MaxShrink > 0 && float64(before-now) > g.MaxShrink*float64(before) {
		return fmt.Sprintf("%d are left of %d, a fall of more than the %.0f%% that the guard allows", now, before, 100*g.MaxShrink)
	}
	return ""
}

// usable is the number of things in an answer, of service instances only the passing ones.
func usable(answer any) int {
	instances, ok := answer.([]*ServiceInstance)
	if !ok {
		return size(answer)
	}
	n := 0
	for _, i := range instances {
		if i.Status == StatusPassing {
			n++
		}
	}
	return n
}

// held is an answer that a guard holds back.
type held struct {
	answer any
	why    string
	timer  *time.Timer // nil when it is held for ever
}

// guard holds an answer back, if a guard objects, and tells whether it does. The first answer is compared with what the
// fallback knows, which stands where a guard objects: a restart of ours is no reason to believe what was held back before
// it. It runs under the lock.
func (w *Watcher) guard(q Query, e *entry, answer any) bool {
	good, known := w.good(q, e)
	for _, g := range w.Guards {
		if !known || !g.covers(q) {
			continue
		}
		why := g.objection(good, answer)
		if why == "" {
			continue
		}
		if !e.known {
			e.stale = true
			w.accept(q, e, good)
		}
		if e.held == nil {
			e.held = &held{}
			if g.Hold > 0 {
				e.held.timer = time.AfterFunc(g.Hold, func() { w.letGo(e, "held for long enough") })
			}
			w.log.Error("GUARD: an answer is held back, the last good one stands", "query", q.String(), "why", why, "for at most", g.Hold)
		}
		e.held.answer, e.held.why = answer, why
		return true
	}
	if e.held != nil {
		w.log.Warn("GUARD: the answer has recovered", "query", q.String())
		e.drop()
	}
	return false
}

// drop forgets what is held back.
func (e *entry) drop() {
	if e.held != nil && e.held.timer != nil {
		e.held.timer.Stop()
	}
	e.held = nil
}

// letGo lets the answer that is held back replace the good one.
func (w *Watcher) letGo(e *entry, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for q, other := range w.entries {
		if other == e && e.held != nil {
			w.log.Warn("GUARD: an answer is let go", "query", q.String(), "why", why)
			answer := e.held.answer
			e.drop()
			e.stale = false
			w.accept(q, e, answer)
		}
	}
}

// Release lets every answer go that a guard holds back, and returns how many there were. It may be called from anywhere.
func (w *Watcher) Release() int {
	w.mu.Lock()
	var all []*entry
	for _, e := range w.entries {
		if e.held != nil {
			all = append(all, e)
		}
	}
	w.mu.Unlock()
	for _, e := range all {
		w.letGo(e, "released")
	}
	return len(all)
}
