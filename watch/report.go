package watch

import (
	"context"
	"log/slog"
	"reflect"
	"time"
)

// entryOf is what is known of the query of a subscription, or nil when it was dropped. It runs under the lock.
func (w *Watcher) entryOf(s *Subscription) *entry {
	if e := w.entries[s.Query]; e != nil && e.sub == s {
		return e
	}
	return nil
}

// report takes an answer in, if it may be believed. See [Subscription.Report].
func (w *Watcher) report(s *Subscription, a Answer) (believed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q, e := s.Query, w.entryOf(s)
	if e == nil {
		return true // nobody reads it
	}
	good, known := w.good(q, e)
	if why := e.doubt(good, known, a, w.MaxAge); why != "" {
		if a.Consistent {
			w.refuse(q, e, why)
		}
		return false
	}
	e.answered()
	w.recovered(e)
	w.guard(q, e, e.trust.believe(a), false)
	return true
}

// refuse notes why an answer is not believed although it was read consistently. It runs under the lock.
func (w *Watcher) refuse(q Query, e *entry, why string) {
	fresh := e.refused(why)
	w.recovered(e)
	if !fresh {
		return
	}
	w.log.Warn("answer not believed", "query", q.String(), "why", why)
	w.fallBack(q, e)
	if !e.known && w.Retry.PermanentIsFinal {
		e.gaveUp = true
		w.wake()
	}
}

// good is the last good answer: the one that is known, and before there is any that of the fallback. A restart of ours is no reason to
// believe what was withheld before it. It runs under the lock.
func (w *Watcher) good(q Query, e *entry) (answer any, ok bool) {
	if e.known {
		return e.answer, true
	}
	last, ok := w.Fallback[q]
	return last.Answer, ok
}

// believe makes what the registry says what is known. It runs under the lock.
func (w *Watcher) believe(q Query, e *entry, fresh fact) {
	if !e.known {
		w.expectAnswers()
	}
	delete(w.Fallback, q)
	e.stale = false
	switch {
	case !e.known || !reflect.DeepEqual(e.answer, fresh.answer):
		w.accept(q, e, fresh.answer)
	case e.trust != fresh.trust:
		w.mark(q) // nothing has changed for a reader, but for who keeps what is known
	}
	e.trust = fresh.trust
}

// accept makes answer the one that is known. It runs under the lock.
func (w *Watcher) accept(q Query, e *entry, answer any) {
	e.answer, e.known = answer, true
	w.mark(q)
	if w.log.Enabled(context.Background(), slog.LevelDebug) {
		w.log.Debug("answer", "query", q.String())
	}
}

// failed records that an attempt failed, and tells how long to wait before the next. The same error text is logged once as a
// warning until everything works again, since when a registry goes away all queries fail for the one reason.
func (w *Watcher) failed(s *Subscription, err error) (pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q, e := s.Query, w.entryOf(s)
	if e == nil {
		return w.Retry.Backoff.Pause(1)
	}
	w.fallBack(q, e)
	pause = e.attempts.failed(err, w.Retry, e.stale, time.Now())
	level := w.failing.add(e, err)
	if w.log.Enabled(context.Background(), level) {
		w.log.Log(context.Background(), level, "query failed, will retry", "query", q.String(), "error", err, "pause", pause.Round(time.Millisecond))
	}
	w.wake()
	return pause
}

// recovered notes that a query does not fail any more. It runs under the lock.
func (w *Watcher) recovered(e *entry) {
	if w.failing.remove(e) {
		w.log.Warn("all queries answer again")
		w.wake()
	}
}
