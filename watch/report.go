package watch

import (
	"context"
	"errors"
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
	if why := doubt(good, known, e.whole, a, w.MaxAge); why != "" {
		if a.Consistent {
			w.refuse(q, e, why)
		}
		return false
	}
	e.err, e.failures, e.spent = nil, 0, false
	whole := e.whole
	if !a.Unmarked {
		whole = !a.Filtered
	}
	w.recovered(e)
	if !w.guard(q, e, a.Value, whole) {
		w.believe(q, e, a.Value, whole)
	}
	return true
}

// believe takes in what the registry says, of which access rules are known to hide nothing or not. It runs under the lock.
func (w *Watcher) believe(q Query, e *entry, answer any, whole bool) {
	if !e.known && w.Fallback != nil {
		w.expectAnswers()
	}
	delete(w.Fallback, q)
	e.stale = false
	switch {
	case !e.known || !reflect.DeepEqual(e.answer, answer):
		w.accept(q, e, answer)
	case e.whole != whole:
		w.mark(q) // nothing has changed for a reader, but for who keeps what is known
	}
	e.whole = whole
}

// refuse notes why an answer is not believed although it was read consistently. The attempt has not failed by that. It runs under
// the lock.
func (w *Watcher) refuse(q Query, e *entry, why string) {
	e.failures = 0
	w.recovered(e)
	if e.err != nil && e.err.Error() == why {
		return
	}
	e.err = errors.New(why)
	w.log.Warn("answer not believed", "query", q.String(), "why", why)
	w.fallBack(q, e)
	if !e.known && w.Retry.PermanentIsFinal {
		e.spent = true
		w.wake()
	}
}

// good is the last good answer: the one that is known, and before there is any that of the fallback. It runs under the lock.
func (w *Watcher) good(q Query, e *entry) (answer any, ok bool) {
	if e.known {
		return e.answer, true
	}
	last, ok := w.Fallback[q]
	return last.Answer, ok
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
	if e.failures++; e.failures == 1 && !IsPermanent(err) {
		e.shake()
	}
	pause = w.Retry.Backoff.Pause(max(e.failures, e.shaken))
	e.begun = time.Now().Add(pause)
	e.err = err
	w.failing[e] = struct{}{}
	w.fallBack(q, e)
	e.spent = e.spent || !e.stale && w.Retry.spent(err, e.failures)
	level := slog.LevelDebug
	text := err.Error()
	if _, seen := w.warned[text]; !seen && len(w.warned) < 20 && !e.spent { // what is spent is returned by GaveUp
		w.warned[text] = struct{}{}
		level = slog.LevelWarn
	}
	if w.log.Enabled(context.Background(), level) {
		w.log.Log(context.Background(), level, "query failed, will retry", "query", q.String(), "error", err, "pause", pause.Round(time.Millisecond))
	}
	w.wake()
	return pause
}

// shake counts a failure that follows an answer. Something between us and the registry may let every read through and end what
// waits: that would go on and on without growing pauses, as each answer ends a row of failures. Pauses grow to 16 times the first
// then, no more, since answers do come. Permanent errors don't count: they come of what somebody has just changed, such as a data
// file that is being edited, and the next edit should be seen at once.
func (e *entry) shake() {
	const soon, most = 10 * time.Second, 5
	if time.Since(e.begun) > soon {
		e.shaken = 0
	}
	e.shaken = min(e.shaken+1, most)
}

func (w *Watcher) recovered(e *entry) {
	if _, was := w.failing[e]; !was {
		return
	}
	delete(w.failing, e)
	if len(w.failing) == 0 {
		clear(w.warned)
		w.log.Warn("all queries answer again")
		w.wake()
	}
}
