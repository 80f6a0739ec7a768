package watch

import (
	"cmp"
	"reflect"
	"time"
)

// What guards hold back, and until when.

// An objection is why guards hold an answer back, and until when.
type objection struct {
	why   string    // "" where none objects
	guard int       // which of the guards
	since time.Time // when it began
	until time.Time // zero for ever
}

// end says what ends the objection.
func (o objection) end() string {
	if o.until.IsZero() {
		return "it recovers or is released"
	}
	return "it recovers or is released, or " + o.until.Format(time.DateTime)
}

// objection is what the first guard that objects has against it that the answer to q becomes fresh. since is since when that is
// held back; late tells of a guard that would object if its hold were not over. It runs under the lock.
func (w *Watcher) objection(q Query, stands, fresh any, past Past, since, now time.Time) (o objection, late bool) {
	if _, failure := fresh.(Failure); failure {
		return objection{}, false // nothing is rendered of it
	}
	for i, g := range w.Guards {
		if !g.covers(q) {
			continue
		}
		o := objection{why: g.objection(q, fresh, past.peak(usable(stands), now, g.window())), guard: i, since: since}
		if g.Hold > 0 {
			o.until = since.Add(g.Hold)
		}
		switch {
		case o.why == "":
		case !o.until.IsZero() && !now.Before(o.until):
			late = true
		default:
			return o, late
		}
	}
	return objection{}, late
}

// A verdict is what guards say of an answer.
type verdict struct {
	objection                      // to the answer as such: then the last good one stands
	stay      map[string]objection // services that stay in a list of names, with what keeps them there; else the answer stands
	stands    any                  // what is known meanwhile
	late      bool                 // a guard would object if its hold were not over
}

func (v verdict) holds() bool { return v.why != "" || len(v.stay) > 0 }

// next is when a hold is over, the first of several, and zero for never.
func (v verdict) next() time.Time {
	next := v.until
	for _, o := range v.stay {
		if next.IsZero() || !o.until.IsZero() && o.until.Before(next) {
			next = o.until
		}
	}
	return next
}

// judge asks the guards about an answer that would take the place of a good one. It runs under the lock.
func (w *Watcher) judge(q Query, e *entry, good, answer any) verdict {
	now := time.Now()
	v := verdict{stands: answer}
	if names, ok := q.(Services); ok {
		v.stay, v.late = w.staying(names, e, good, answer, now)
		v.stands = join(good, answer, v.stay)
	}
	o, late := w.objection(q, good, v.stands, e.past, cmp.Or(e.past.HeldSince, now), now)
	if v.late = v.late || late; o.why != "" {
		v.objection, v.stay, v.stands = o, nil, good
	}
	return v
}

// guard holds an answer back, if a guard objects, and tells whether one does. The first answer is compared with what the
// fallback knows, which stands where a guard objects: a restart of ours is no reason to believe what was held back before
// it. It runs under the lock.
func (w *Watcher) guard(q Query, e *entry, answer any, whole bool) (held bool) {
	good, known := w.good(q, e)
	if !known {
		return false
	}
	v := w.judge(q, e, good, answer)
	switch {
	case v.holds():
		w.hold(q, e, answer, whole, v)
		return true
	case v.late:
		w.forget(q, e, heldLongEnough)
		return false
	case e.past.holds():
		if len(w.Guards) > 0 {
			w.log.Warn("GUARD: the answer has recovered", "query", q.String())
		}
		e.drop()
		e.past.HeldSince, e.past.GoneSince = time.Time{}, nil
		w.mark(q)
	}
	w.note(q, e, good, answer)
	return false
}

// note has the past remember that an answer takes the place of a good one, where a guard may want to know. It runs under the
// lock.
func (w *Watcher) note(q Query, e *entry, good, answer any) {
	window := time.Duration(0)
	for _, g := range w.Guards {
		if g.covers(q) {
			window = max(window, g.window())
		}
	}
	if window > 0 {
		e.past.note(usable(good), usable(answer), time.Now(), window)
	}
}

// held is an answer that guards hold back.
type held struct {
	answer any
	whole  bool // what access rules hide of it: see entry
	verdict
	timer *time.Timer // until a hold is over
}

// hold holds an answer back, or another one than before. It runs under the lock.
func (w *Watcher) hold(q Query, e *entry, answer any, whole bool, v verdict) {
	before := e.held
	e.drop()
	if !e.known {
		e.stale = true
		w.accept(q, e, w.Fallback[q].Answer)
	}
	if e.past.begin(v, time.Now()) {
		w.mark(q) // nothing has changed for a reader, but for who keeps what is known
	}
	wait := time.Duration(1<<63 - 1)
	if next := v.next(); !next.IsZero() {
		wait = time.Until(next)
	}
	e.held = &held{answer: answer, whole: whole, verdict: v}
	e.held.timer = time.AfterFunc(wait, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.review(q, e)
	})
	if before == nil {
		before = &held{}
	}
	w.say(q, before.verdict, v, answer)
	switch {
	case v.why != "": // nothing is believed
	case v.late:
		e.past.Peaks = nil // a smaller answer is believed, but for the services that stay
	default:
		w.note(q, e, e.answer, v.stands)
	}
	if !reflect.DeepEqual(e.answer, v.stands) {
		w.accept(q, e, v.stands)
	}
}

// say logs what is held back that was not before, and what is so no more.
func (w *Watcher) say(q Query, before, now verdict, answer any) {
	switch {
	case now.why == "":
		if before.why != "" {
			w.log.Warn("GUARD: an answer is held back no more, but for services that stay in it", "query", q.String())
		}
		w.sayStay(q, before.stay, now.stay, answer)
	case before.why == "" || before.guard != now.guard:
		w.log.Error("GUARD: an answer is held back, the last good one stands", "query", q.String(), "why", now.why, "until", now.end())
	}
}

// drop forgets what is held back, but not that it was.
func (e *entry) drop() {
	if e.held != nil {
		e.held.timer.Stop()
	}
	e.held = nil
}

const (
	heldLongEnough = "held for long enough"
	noObjection    = "no guard objects to it any more"
)

// review looks again at what is held back: a hold may be over, or nobody ask for a service any more that stays in a list of
// names. It runs under the lock.
func (w *Watcher) review(q Query, e *entry) {
	if w.entries[q] != e || e.held == nil {
		return
	}
	v := w.judge(q, e, e.answer, e.held.answer)
	switch {
	case v.holds():
		w.hold(q, e, e.held.answer, e.held.whole, v)
	case v.late:
		w.letGo(q, e, heldLongEnough)
	default:
		w.letGo(q, e, noObjection)
	}
}

// reviewLists reviews the lists of names in which services stay, and tells whether one of them has changed. It runs under the
// lock.
func (w *Watcher) reviewLists() (changed bool) {
	for q, e := range w.entries {
		if h := e.held; h != nil && len(h.stay) > 0 {
			w.review(q, e)
			changed = changed || e.held == nil || len(e.held.stay) < len(h.stay)
		}
	}
	return changed
}

// forget ends what guards remember of q, since a smaller answer is believed now. It runs under the lock.
func (w *Watcher) forget(q Query, e *entry, why string) {
	w.log.Warn("GUARD: an answer is let go", "query", q.String(), "why", why)
	e.drop()
	e.past = Past{}
}

// letGo lets the answer that is held back replace the good one. It runs under the lock.
func (w *Watcher) letGo(q Query, e *entry, why string) {
	h := e.held
	w.forget(q, e, why)
	w.believe(q, e, h.answer, h.whole)
}

// Held is how many answers guards hold back now. It may be called from anywhere.
func (w *Watcher) Held() (n int) {
	if len(w.Guards) == 0 {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.held != nil {
			n++
		}
	}
	return n
}

// Release lets every answer go that a guard holds back, and returns how many there were. It may be called from anywhere.
func (w *Watcher) Release() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for q, e := range w.entries {
		if e.held != nil {
			w.letGo(q, e, "released")
			n++
		}
	}
	return n
}
