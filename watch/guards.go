package watch

import (
	"cmp"
	"iter"
	"log/slog"
	"time"
)

// guards decide together: each counts for the queries that it covers. What they remember of a query is its [Past].
type guards []Guard

// An objection is why a guard withholds an answer, and until when.
type objection struct {
	why   string    // "" where none objects
	guard int       // which of the guards
	until time.Time // zero for ever
}

// end says what ends the objection.
func (o objection) end() string {
	if o.until.IsZero() {
		return "it recovers or is released"
	}
	return "it recovers or is released, or " + o.until.Format(time.DateTime)
}

// objections are why an answer is withheld. The one to the answer as a whole is under "", and then it is the only one. Others are
// under the names of services that stay in a list of names.
type objections map[string]objection

// next is when the first of them is over, and zero for never.
func (all objections) next() (next time.Time) {
	for _, o := range all {
		if next.IsZero() || !o.until.IsZero() && o.until.Before(next) {
			next = o.until
		}
	}
	return next
}

// A ruling is what guards decide about an answer.
type ruling struct {
	given      any        // what readers are given
	objections objections // why that is not the answer; empty where it is
	past       Past       // what the guards remember from now on
	letGo      string     // why a smaller answer is believed, "" where none is
}

const (
	heldLongEnough = "held for long enough"
	noObjection    = "no guard objects to it any more"
	released       = "released"
)

// rule decides whether readers are given an answer that is believed in place of the last one. The answer may be one that has been
// withheld until now, about which guards decide again. all is what is known of all queries.
func (g guards) rule(q Query, last Known, answer any, again bool, all iter.Seq2[Query, Known], now time.Time) ruling {
	r := ruling{given: answer, past: last.Past}
	var over bool
	if list, ok := q.(Services); ok {
		r.given, r.objections, over = g.staying(list, last, answer, all, now)
	}
	if _, failure := answer.(Failure); !failure { // nothing is rendered of a failure
		since := cmp.Or(last.HeldSince, now)
		o, late := g.objection(q, last, usable(r.given), since, now)
		if o.why != "" { // what was remembered of services that stay in the list goes on
			r.given, r.objections, r.past.HeldSince = last.Answer, objections{"": o}, since
			return r
		}
		over = over || late
	}
	switch {
	case over:
		r.letGo = heldLongEnough
	case again && len(r.objections) == 0:
		r.letGo = noObjection
	}
	r.past.HeldSince, r.past.GoneSince = time.Time{}, make(map[string]time.Time, len(r.objections))
	for name := range r.objections {
		r.past.GoneSince[name] = cmp.Or(last.GoneSince[name], now)
	}
	if r.letGo != "" {
		r.past.Peaks = nil
	} else if window := g.window(q); window > 0 {
		r.past.Peaks = r.past.step(usable(last.Answer), usable(r.given), now, window)
	}
	return r
}

// objection is that of the first guard that has one to an answer to q of this size, as it is withheld since a time. Where all that
// would object have done so for long enough, over is set.
func (g guards) objection(q Query, last Known, size int, since, now time.Time) (o objection, over bool) {
	for i, guard := range g {
		if !guard.covers(q) {
			continue
		}
		o := objection{why: guard.against(q, size, last.peak(usable(last.Answer), now, guard.window())), guard: i}
		if guard.Hold > 0 {
			o.until = since.Add(guard.Hold)
		}
		switch {
		case o.why == "":
		case guard.Hold > 0 && !now.Before(o.until):
			over = true
		default:
			return o, over
		}
	}
	return objection{}, over
}

// window is the longest window of those that cover q, 0 for none.
func (g guards) window(q Query) (longest time.Duration) {
	for _, guard := range g {
		if guard.covers(q) {
			longest = max(longest, guard.window())
		}
	}
	return longest
}

// tell logs a ruling on an answer as far as it differs from the one before.
func (g guards) tell(log *slog.Logger, q Query, last Known, before objections, r ruling, answer any) {
	was, wasWhole := before[""]
	is, isWhole := r.objections[""]
	switch {
	case len(r.objections) == 0 && r.letGo != "":
		log.Warn("GUARD: an answer is let go", "query", q.String(), "why", r.letGo)
	case len(r.objections) == 0 && len(g) > 0 && last.withholds():
		log.Warn("GUARD: the answer has recovered", "query", q.String())
	case isWhole && (!wasWhole || was.guard != is.guard):
		log.Error("GUARD: an answer is held back, the last good one stands", "query", q.String(), "why", is.why, "until", is.end())
	case isWhole, len(r.objections) == 0:
	case wasWhole:
		log.Warn("GUARD: an answer is held back no more, but for services that stay in it", "query", q.String())
		before = nil
		fallthrough
	default:
		tellStaying(log, q, before, r.objections, answer)
	}
}
