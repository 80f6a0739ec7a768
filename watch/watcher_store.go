package watch

import (
	"context"
	"log/slog"
	"reflect"
	"time"
)

// How answers come into the store: what a subscription is given goes to trust, then to the guards, then into its entry, and where that
// changes it to the reader. Everything here but report, failed and Release runs under the lock.

// entryOf is what is known of the query of a subscription, or nil when that was dropped.
func (w *Watcher) entryOf(s *Subscription) *entry {
	if e := w.entries[s.Query]; e != nil && e.sub == s {
		return e
	}
	return nil
}

// report takes an answer in, if it may be believed. See [Subscription.Report].
func (w *Watcher) report(s *Subscription, a Answer) (accepted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q, e := s.Query, w.entryOf(s)
	if e == nil {
		return true // nobody reads it
	}
	t := trust{w.MaxAge}
	why := t.doubt(e.last(), a)
	if why != "" && !a.Consistent {
		return false
	}
	if e.attempts.failures > 0 && w.outage.recovered() {
		w.log.Warn("all queries answer again")
		w.wake()
	}
	if why != "" {
		w.refuse(q, e, why)
		return false
	}
	e.attempts.answered()
	w.decide(q, e, believed{a.Value, t.whole(e.Whole, a)}, false)
	return true
}

// refuse notes why an answer is not believed although it was read consistently.
func (w *Watcher) refuse(q Query, e *entry, why string) {
	if !e.attempts.refused(why) {
		return
	}
	w.log.Warn("answer not believed", "query", q.String(), "why", why)
	w.fallBack(q, e)
	if e.origin == nowhere && w.Retry.PermanentIsFinal {
		e.attempts.usedUp = true
		w.wake()
	}
}

// failed records that an attempt failed, and tells how long to wait before the next. See [Subscription.Failed].
func (w *Watcher) failed(s *Subscription, err error) (pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q, e := s.Query, w.entryOf(s)
	if e == nil {
		return w.Retry.Backoff.Pause(1)
	}
	if e.attempts.failures == 0 {
		w.outage.failing++
	}
	pause = e.attempts.failed(err, w.Retry, time.Now())
	w.fallBack(q, e)
	level := slog.LevelDebug
	if !e.gaveUp() && w.outage.warn(err) { // an error after which it is given up is told by GaveUp
		level = slog.LevelWarn
	}
	if w.log.Enabled(context.Background(), level) {
		w.log.Log(context.Background(), level, "query failed, will retry", "query", q.String(), "error", err, "pause", pause.Round(time.Millisecond))
	}
	w.wake()
	return pause
}

// decide has the guards rule about an answer that is believed, one that they have withheld until now if again is set. It tells whether
// that changes what is known.
func (w *Watcher) decide(q Query, e *entry, b believed, again bool) (changed bool) {
	if e.origin == nowhere {
		return w.store(q, e, b, ruling{given: b.answer})
	}
	var before objections
	if e.withheld != nil {
		before = e.withheld.objections
	}
	g := guards(w.Guards)
	r := g.rule(q, e.Known, b.answer, again, w.known, time.Now())
	g.tell(w.log, q, e.Known, before, r, b.answer)
	return w.store(q, e, b, r)
}

// store gives readers what guards have decided about an answer. It tells whether that changes what is known.
func (w *Watcher) store(q Query, e *entry, b believed, r ruling) (changed bool) {
	first, before := e.origin < standIn, e.Known
	e.Known.Answer, e.Known.Past, e.withheld = r.given, r.past, nil
	if len(r.objections) > 0 {
		e.origin = max(e.origin, standIn)
		e.withheld = &withheld{b, r.objections}
		w.timer.set(r.objections.next(), w.due)
	} else {
		e.origin, e.Whole = live, b.whole
	}
	if first {
		w.heard()
	}
	switch {
	case first || !reflect.DeepEqual(before.Answer, e.Answer):
		w.answered(q)
	case before.Whole != e.Whole || !before.withholdsAs(e.Past):
		w.mark(q) // nothing has changed for a reader, but for who keeps what is known
	default:
		return false
	}
	return true
}

// answered tells the reader that there is another answer to q.
func (w *Watcher) answered(q Query) {
	w.mark(q)
	if w.log.Enabled(context.Background(), slog.LevelDebug) {
		w.log.Debug("answer", "query", q.String())
	}
}

// review has the guards decide again about everything that they withhold: they may have done so for long enough, or nobody ask for a
// service any more that stays in a list of names. It tells whether that changes anything.
func (w *Watcher) review() (changed bool) {
	for q, e := range w.entries {
		if e.withheld != nil && w.decide(q, e, e.withheld.believed, true) {
			changed = true
		}
	}
	return changed
}

// Release lets every answer go that a guard withholds, and returns how many there were. It may be called from anywhere.
func (w *Watcher) Release() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for q, e := range w.entries {
		if h := e.withheld; h != nil {
			n++
			r := ruling{given: h.answer, letGo: released}
			guards(w.Guards).tell(w.log, q, e.Known, h.objections, r, h.answer)
			w.store(q, e, h.believed, r)
		}
	}
	return n
}

// takeFallback takes over what an earlier run knew.
func (w *Watcher) takeFallback() {
	now := time.Now()
	for q, known := range w.Fallback {
		if w.entries[q] == nil {
			known.Past = known.asOf(now)
			w.entries[q] = &entry{Known: known, origin: remembered}
		}
		w.fallback.until = now
	}
	w.Fallback = nil
}

// fallBack lets what an earlier run knew answer q, if there is such an answer and nothing else has.
func (w *Watcher) fallBack(q Query, e *entry) {
	if e.sub == nil || e.origin != remembered {
		return
	}
	e.origin = standIn
	if !w.fallback.used {
		w.fallback.used = true
		w.log.Warn("the registry gives no answer to believe: the last known data stands in until it does", "query", q.String())
	}
	w.answered(q)
}

// heard has the fallback wait once more for what has no answer yet.
func (w *Watcher) heard() {
	w.fallback.heard(time.Now())
	w.timer.set(w.fallback.until, w.due)
}

// due does what is due: the fallback may have to answer, and what is withheld may have been for long enough. It takes the lock.
func (w *Watcher) due() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer.at.IsZero() {
		return // it was stopped
	}
	w.timer.stop()
	if !w.fallback.due(time.Now()) {
		w.timer.set(w.fallback.until, w.due)
	} else {
		for q, e := range w.entries {
			w.fallBack(q, e)
		}
	}
	w.review()
}
