package watch

// An entry is what is known of one query. One that an earlier run asked for, and this one has not come to ask for, has an answer that is
// remembered and nothing else.
type entry struct {
	Known                  // what readers are given, or would be if the fallback answered
	origin   origin        // of the answer
	sub      *Subscription // nil while nobody watches the query
	attempts attempts
	withheld *withheld // nil where the answer is the newest that is believed
	seen     view      // at the last Take that told of a change
}

// A withheld is the newest answer that is believed, while guards withhold it.
type withheld struct {
	believed
	objections objections
}

// A believed is an answer that may be believed.
type believed struct {
	answer any
	whole  bool // access rules are known to hide nothing of it
}

// A view is what there is to read of a query.
type view struct {
	answer       any
	known, stale bool
}

// view is what there is to read of e, which may be nil.
func (e *entry) view() view {
	if e == nil || e.origin < standIn {
		return view{}
	}
	return view{e.Answer, true, e.stale()}
}

// stale tells whether readers are given something else than what the registry says now.
func (e *entry) stale() bool { return e.origin == standIn || e.withheld != nil }

// gaveUp tells whether no attempt is left, and there is nothing that stands in.
func (e *entry) gaveUp() bool { return e.attempts.usedUp && e.origin != standIn }

// last is the last good answer, be it of an earlier run, or nil where there is none.
func (e *entry) last() *Known {
	if e.origin == nowhere {
		return nil
	}
	return &e.Known
}
