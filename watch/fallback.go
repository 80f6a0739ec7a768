package watch

import "time"

// Known is everything that is known, but for failures, for the Fallback of a Watcher that takes this one's place. It may be
// called from anywhere, also after Wait.
func (w *Watcher) Known() map[Query]Known {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := map[Query]Known{}
	for q, e := range w.entries {
		if _, failure := e.answer.(Failure); e.known && !failure {
			known[q] = Known{e.answer, e.past.asOf(time.Now())}
		}
	}
	return known
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

// Stale counts the watched queries whose answer is not what the registry says now: it is from the fallback, or a guard holds
// back a newer one.
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
