package watch

import (
	"cmp"
	"iter"
	"log/slog"
	"time"
)

// Guards decide what stands when the registry says something fresh. They keep nothing themselves: what they remember of a query, and
// what they withhold of it, is its guardState.
type guards struct {
	list []Guard
	log  *slog.Logger
}

// A guardState is what guards remember of one query, and what they withhold of it.
type guardState struct {
	History
	withheld *withheld // nil for nothing
}

// A withheld is what the registry says of a query, and guards withhold from its readers.
type withheld struct {
	fact
	verdict
}

// An objection is why guards withhold an answer, and until when.
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

// A verdict is what guards say of a fresh answer.
type verdict struct {
	objection                      // to the answer as such: then the last good one stands
	stay      map[string]objection // services that stay in a list of names, with what keeps them there; else the answer stands
	stands    any                  // what is known meanwhile
	late      bool                 // a guard would object if its hold were not over
}

func (v verdict) withholds() bool { return v.why != "" || len(v.stay) > 0 }

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

// Others are all queries of which something good is known, with that and what guards remember of it.
type others = iter.Seq2[Query, Known]

const (
	heldLongEnough = "held for long enough"
	noObjection    = "no guard objects to it any more"
)

// consider decides what stands in place of a good answer to q when the registry says something fresh: that, or, where a guard objects,
// the good one, or a list of names in which services stay. It also tells whether what is remembered of q has changed. A review
// considers once more what is withheld already: a hold may be over, or nobody ask any more for a service that stays in a list.
func (g guards) consider(q Query, s *guardState, good any, fresh fact, others others, review bool, now time.Time) (stands any, changed bool) {
	v, before := g.judge(q, s.History, good, fresh.answer, others, now), verdict{}
	if s.withheld != nil {
		before = s.withheld.verdict
	}
	s.withheld = nil
	switch {
	case v.withholds():
		s.withheld = &withheld{fresh, v}
		changed = s.begin(v, now)
		g.say(q, before, v, fresh.answer)
		switch {
		case v.why != "": // nothing is believed
		case v.late:
			s.Peaks = nil // a smaller answer is believed, but for the services that stay
		default:
			g.note(q, s, good, v.stands, now)
		}
		return v.stands, changed
	case v.late:
		g.forget(q, s, heldLongEnough)
	case review:
		g.forget(q, s, noObjection)
	default:
		if changed = s.withholds(); changed {
			s.HeldSince, s.GoneSince = time.Time{}, nil
			if len(g.list) > 0 {
				g.log.Warn("GUARD: the answer has recovered", "query", q.String())
			}
		}
		g.note(q, s, good, fresh.answer, now)
	}
	return fresh.answer, changed
}

// forget ends what is remembered and withheld of q, since a smaller answer is believed now.
func (g guards) forget(q Query, s *guardState, why string) {
	g.log.Warn("GUARD: an answer is let go", "query", q.String(), "why", why)
	*s = guardState{}
}

// judge asks the guards about an answer that would take the place of a good one.
func (g guards) judge(q Query, h History, good, fresh any, others others, now time.Time) verdict {
	v := verdict{stands: fresh}
	if names, ok := q.(Services); ok {
		v.stay, v.late = g.staying(names, h, good, fresh, others, now)
		v.stands = join(good, fresh, v.stay)
	}
	o, late := g.objection(q, good, v.stands, h, cmp.Or(h.HeldSince, now), now)
	if v.late = v.late || late; o.why != "" {
		v.objection, v.stay, v.stands = o, nil, good
	}
	return v
}

// objection is what the first guard that objects has against it that the answer to q becomes fresh. since is since when that is
// withheld; late tells of a guard that would object if its hold were not over.
func (g guards) objection(q Query, good, fresh any, h History, since, now time.Time) (o objection, late bool) {
	if _, failure := fresh.(Failure); failure {
		return objection{}, false // nothing is rendered of it
	}
	for i, guard := range g.list {
		if !guard.covers(q) {
			continue
		}
		o := objection{why: guard.objection(q, fresh, h.peak(usable(good), now, guard.window())), guard: i, since: since}
		if guard.Hold > 0 {
			o.until = since.Add(guard.Hold)
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

// note has s remember that an answer takes the place of a good one, where a guard may want to know.
func (g guards) note(q Query, s *guardState, good, answer any, now time.Time) {
	window := time.Duration(0)
	for _, guard := range g.list {
		if guard.covers(q) {
			window = max(window, guard.window())
		}
	}
	if window > 0 {
		s.note(usable(good), usable(answer), now, window)
	}
}

// say logs what is withheld that was not before, and what is so no more.
func (g guards) say(q Query, before, now verdict, answer any) {
	switch {
	case now.why == "":
		if before.why != "" {
			g.log.Warn("GUARD: an answer is held back no more, but for services that stay in it", "query", q.String())
		}
		g.sayStay(q, before.stay, now.stay, answer)
	case before.why == "" || before.guard != now.guard:
		g.log.Error("GUARD: an answer is held back, the last good one stands", "query", q.String(), "why", now.why, "until", now.end())
	}
}
