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
	// MaxShrink is the largest part that may go, from 0 to 1, of the most that there was within the last Hold, or the last
	// minute where that is longer; 0 means any part.
	MaxShrink float64
	// MinInstances is the least number of passing instances that a service may fall to; 0 means none.
	MinInstances int
	// Hold is how long an answer is held back, by the clock and whatever restarts of ours there are; 0 means for ever.
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

// objection says why the guard holds back an answer, or "". The answer is compared with peak, the most that there was within
// the guard's window.
func (g Guard) objection(fresh any, peak int) string {
	now := usable(fresh)
	if now >= peak {
		return ""
	}
	if _, instances := fresh.([]*ServiceInstance); instances && now < g.MinInstances {
		return fmt.Sprintf("%d passing instances are left of the %d that there were within %s, fewer than the %d that the guard asks for", now, peak, g.window(), g.MinInstances)
	}
	if g.MaxShrink > 0 && float64(peak-now) > g.MaxShrink*float64(peak) {
		return fmt.Sprintf("%d are left of the %d that there were within %s, a fall of more than the %.0f%% that the guard allows", now, peak, g.window(), 100*g.MaxShrink)
	}
	return ""
}

// window is within what time steps downwards are one fall.
func (g Guard) window() time.Duration { return max(g.Hold, time.Minute) }

// overdue tells whether what is held back since then has been for long enough.
func (g Guard) overdue(since, now time.Time) bool {
	return g.Hold > 0 && !since.IsZero() && now.Sub(since) >= g.Hold
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
	timer  *time.Timer // nil when it is held for ever
}

// guard holds an answer back, if a guard objects, and tells whether it does. The first answer is compared with what the
// fallback knows, which stands where a guard objects: a restart of ours is no reason to believe what was held back before
// it. It runs under the lock.
func (w *Watcher) guard(q Query, e *entry, answer any) bool {
	var guards []Guard
	for _, g := range w.Guards {
		if g.covers(q) {
			guards = append(guards, g)
		}
	}
	good, known := w.good(q, e)
	if len(guards) == 0 || !known {
		return false
	}
	now, stands, window := time.Now(), usable(good), time.Duration(0)
	for _, g := range guards {
		why := g.objection(answer, e.past.peak(stands, now, g.window()))
		if why != "" && g.overdue(e.past.HeldSince, now) {
			w.forget(q, e, heldLongEnough)
			return false
		}
		if why != "" {
			w.hold(q, e, answer, g, why)
			return true
		}
		window = max(window, g.window())
	}
	if !e.past.HeldSince.IsZero() {
		w.log.Warn("GUARD: the answer has recovered", "query", q.String())
		e.drop()
		e.past.HeldSince = time.Time{}
		w.mark(q)
	}
	e.past.note(stands, usable(answer), now, window)
	return false
}

// hold holds an answer back for g, or another one than before. It runs under the lock.
func (w *Watcher) hold(q Query, e *entry, answer any, g Guard, why string) {
	if e.held != nil {
		e.held.answer = answer
		return
	}
	if !e.known {
		e.stale = true
		w.accept(q, e, w.Fallback[q].Answer)
	}
	if e.past.HeldSince.IsZero() {
		e.past.HeldSince = time.Now()
		w.mark(q) // nothing has changed for a reader, but for who keeps what is known
	}
	e.held = &held{answer: answer}
	until := "it recovers or is released"
	if g.Hold > 0 {
		end := e.past.HeldSince.Add(g.Hold)
		e.held.timer = time.AfterFunc(time.Until(end), func() { w.letGo(e, heldLongEnough) })
		until = "it recovers or is released, or " + end.Format(time.DateTime)
	}
	w.log.Error("GUARD: an answer is held back, the last good one stands", "query", q.String(), "why", why, "until", until)
}

const heldLongEnough = "held for long enough"

// drop forgets what is held back, but not that it was.
func (e *entry) drop() {
	if e.held != nil && e.held.timer != nil {
		e.held.timer.Stop()
	}
	e.held = nil
}

// forget ends what a guard remembers of q, since a smaller answer is believed now. It runs under the lock.
func (w *Watcher) forget(q Query, e *entry, why string) {
	w.log.Warn("GUARD: an answer is let go", "query", q.String(), "why", why)
	e.drop()
	e.past = Past{}
}

// letGo lets the answer that is held back replace the good one.
func (w *Watcher) letGo(e *entry, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for q, other := range w.entries {
		if other == e && e.held != nil {
			answer := e.held.answer
			w.forget(q, e, why)
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
