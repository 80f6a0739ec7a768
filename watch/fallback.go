package watch

import (
	"maps"
	"strings"
	"time"
)

// Known is everything that is known, but for failures, for the Fallback of a Watcher that takes this one's place. Part of it is
// what this one's Fallback knows of queries that the registry has not answered yet, or that nobody has come to ask for. It may be
// called from anywhere, also after Wait.
func (w *Watcher) Known() map[Query]Known {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	known := map[Query]Known{}
	for q, last := range w.Fallback {
		last.Past = last.asOf(now)
		known[q] = last
	}
	for q, e := range w.entries {
		if _, failure := e.answer.(Failure); e.known && !failure {
			known[q] = Known{e.answer, e.whole, e.past.asOf(now)}
		}
	}
	return known
}

// Settle is called when everything has been asked for that there is to ask for, and answered. What the fallback knows beside
// that is nobody's any more, and patterns of guards that fit nothing may be mistakes, which are logged. It tells whether an
// answer has changed, one that was held back for what nobody asks for.
func (w *Watcher) Settle() (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	watched := Set{}
	for q := range w.entries {
		watched.Add(q)
	}
	maps.DeleteFunc(w.Fallback, func(q Query, _ Known) bool { return !watched.Has(q) })
	for _, g := range w.Guards {
		if idle := g.idle(watched, w.Closest); len(idle) > 0 {
			w.log.Warn("GUARD: nothing that is read so far is what these patterns are for", "guard", g.Where, "patterns", strings.Join(idle, ", "))
		}
	}
	return w.reviewLists()
}

// fallbackAfter is how long a registry may say nothing new at all before the fallback answers in its stead what is still not
// known. When it says that it can't answer, the fallback does so at once.
const fallbackAfter = 2 * time.Second

// fallBack lets the fallback answer q, if it can and nothing else has. It runs under the lock.
func (w *Watcher) fallBack(q Query, e *entry) {
	last, ok := w.Fallback[q]
	if !ok || e.known {
		return
	}
	e.stale = true
	if !w.fellBack {
		w.fellBack = true
		w.log.Warn("the registry gives no answer to believe: the last known data stands in until it does", "query", q.String())
	}
	w.accept(q, e, last.Answer)
}

// expectAnswers has the fallback answer what still has no answer after a while of silence, which begins anew. It runs under
// the lock.
func (w *Watcher) expectAnswers() {
	if w.timer != nil {
		w.timer.Reset(fallbackAfter)
		return
	}
	w.timer = time.AfterFunc(fallbackAfter, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for q, e := range w.entries {
			w.fallBack(q, e)
		}
	})
}

// Stale counts the watched queries whose answer is stale: see [Watcher.Read].
func (w *Watcher) Stale() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.entries {
		if e.stale || e.held != nil {
			n++
		}
	}
	return n
}
