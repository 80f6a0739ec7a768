package watch

import (
	"reflect"
	"strings"
	"time"
)

// What a Watcher asks its guards, and does with what they withhold. All but the exported methods run under its lock.

func (w *Watcher) guards() guards { return guards{w.Guards, w.log} }

// guard lets what the registry says take the place of what is known, as far as no guard objects.
func (w *Watcher) guard(q Query, e *entry, fresh fact, review bool) {
	e.stopTimer()
	now, stands, changed := time.Now(), fresh.answer, false
	if good, known := w.good(q, e); known {
		stands, changed = w.guards().consider(q, &e.guardState, good, fresh, w.known, review, now)
	}
	if e.withheld == nil {
		w.believe(q, e, fresh)
	} else {
		e.stale = e.stale || !e.known
		if next := e.withheld.next(); !next.IsZero() {
			e.timer = time.AfterFunc(next.Sub(now), func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.review(q, e)
			})
		}
		if !e.known || !reflect.DeepEqual(e.answer, stands) {
			w.accept(q, e, stands)
		}
	}
	if changed {
		w.mark(q) // perhaps nothing has changed for a reader, but for who keeps what is known
	}
}

// review considers again what is withheld.
func (w *Watcher) review(q Query, e *entry) {
	if e.withheld != nil && w.entries[q] == e {
		w.guard(q, e, e.withheld.fact, true)
	}
}

// reviewLists reviews the lists of names in which services stay, and tells whether one of them has changed.
func (w *Watcher) reviewLists() (changed bool) {
	for q, e := range w.entries {
		if before := e.withheld; before != nil && len(before.stay) > 0 {
			w.review(q, e)
			changed = changed || e.withheld == nil || len(e.withheld.stay) < len(before.stay)
		}
	}
	return changed
}

// Held is how many answers guards withhold now. It may be called from anywhere.
func (w *Watcher) Held() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.withheld != nil {
			n++
		}
	}
	return n
}

// Release lets every answer go that a guard withholds, and returns how many there were. It may be called from anywhere.
func (w *Watcher) Release() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for q, e := range w.entries {
		if e.withheld != nil {
			fresh := e.withheld.fact
			e.stopTimer()
			w.guards().forget(q, &e.guardState, "released")
			w.believe(q, e, fresh)
			n++
		}
	}
	return n
}

// known calls yield with every query of which something good is known.
func (w *Watcher) known(yield func(Query, Known) bool) {
	now := time.Now()
	for q, e := range w.entries {
		if good, ok := w.good(q, e); ok && !yield(q, Known{good, e.whole, e.History}) {
			return
		}
	}
	for q, last := range w.Fallback {
		if last.History = last.asOf(now); w.entries[q] == nil && !yield(q, last) {
			return
		}
	}
}

// AllAnswered is called when everything has been asked for that there is to ask for, and answered. What the fallback knows beside
// that is nobody's any more, and patterns of guards that fit nothing may be mistakes, which are logged. It tells whether an
// answer has changed, one that was withheld for what nobody asks for.
func (w *Watcher) AllAnswered() (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	watched := Set{}
	for q := range w.entries {
		watched.Add(q)
	}
	w.Fallback.keep(watched)
	for _, g := range w.Guards {
		if idle := g.idle(watched, w.Closest); len(idle) > 0 {
			w.log.Warn("GUARD: nothing that is read so far is what these patterns are for", "guard", g.Where, "patterns", strings.Join(idle, ", "))
		}
	}
	return w.reviewLists()
}
