package watch

import (
	"log/slog"
	"maps"
	"time"
)

// A Known is what is known of a query: the answer that stands, and what trust and guards remember of it.
type Known struct {
	Answer any
	// Whole says that access rules are known to have hidden nothing of the answer.
	Whole bool
	History
}

// A Fallback answers while the registry never has, since a Watcher was made: what [ReadAnswers] read, or the [Watcher.Known] of an
// earlier one. What the registry says first is doubted and guarded by it, and takes its place.
type Fallback map[Query]Known

// keep forgets what is known of queries that nobody watches.
func (f Fallback) keep(watched Set) {
	maps.DeleteFunc(f, func(q Query, _ Known) bool { return !watched.Has(q) })
}

// fallbackAfter is how long a registry may say nothing new at all before the fallback answers in its stead what is still not
// known. When it says that it can't answer, the fallback does so at once.
const fallbackAfter = 2 * time.Second

// A silence is the time since the registry last said something new. What it guards with the Watcher's lock is the Watcher's.
type silence struct {
	timer *time.Timer // until the fallback answers; nil where there is none
	said  bool        // it was logged that the fallback answers
}

// begin has the fallback answer after a while of silence, which begins anew.
func (s *silence) begin(answer func()) {
	if s.timer != nil {
		s.timer.Reset(fallbackAfter)
		return
	}
	s.timer = time.AfterFunc(fallbackAfter, answer)
}

// end ends the waiting.
func (s *silence) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// say logs, once, that the fallback answers.
func (s *silence) say(log *slog.Logger, q Query) {
	if !s.said {
		s.said = true
		log.Warn("the registry gives no answer to believe: the last known data stands in until it does", "query", q.String())
	}
}

// fallBack lets the fallback answer q, if it can and nothing else has. It runs under the lock.
func (w *Watcher) fallBack(q Query, e *entry) {
	last, ok := w.Fallback[q]
	if !ok || e.known {
		return
	}
	e.stale = true
	w.silence.say(w.log, q)
	w.accept(q, e, last.Answer)
}

// expectAnswers has the fallback answer what still has no answer after a while of silence, which begins anew. It runs under
// the lock.
func (w *Watcher) expectAnswers() {
	if w.Fallback == nil {
		return
	}
	w.silence.begin(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for q, e := range w.entries {
			w.fallBack(q, e)
		}
	})
}

// Known is everything that is known, but for failures, for the Fallback of a Watcher that takes this one's place. Part of it is
// what this one's Fallback knows of queries that the registry has not answered yet, or that nobody has come to ask for. It may be
// called from anywhere, also after Wait.
func (w *Watcher) Known() Fallback {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, known := time.Now(), Fallback{}
	for q, last := range w.Fallback {
		last.History = last.asOf(now)
		known[q] = last
	}
	for q, e := range w.entries {
		if _, failure := e.answer.(Failure); e.known && !failure {
			known[q] = Known{e.answer, e.whole, e.asOf(now)}
		}
	}
	return known
}

// Stale counts the watched queries whose answer is stale: see [Watcher.Read].
func (w *Watcher) Stale() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.view().stale {
			n++
		}
	}
	return n
}
