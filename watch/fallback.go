package watch

import "time"

// An origin is where the answer to a query comes from, the least good first.
type origin int

const (
	nowhere    origin = iota // there is no answer
	remembered               // from an earlier run, and not given to readers
	standIn                  // from an earlier run, and given to readers since the registry has not answered yet
	live                     // from the registry
)

// fallbackAfter is how long a registry may say nothing new at all before the fallback answers in its stead what is still not
// known. When it says that it can't answer, the fallback does so at once.
const fallbackAfter = 2 * time.Second

// A fallback decides when what an earlier run knew answers for a registry that says nothing. The zero fallback never does.
type fallback struct {
	until time.Time // until when the registry may still answer; zero without an earlier run
	used  bool      // it was logged that it answers
}

// heard tells that the registry has said something new, or was asked something new.
func (f *fallback) heard(now time.Time) {
	if !f.until.IsZero() {
		f.until = now.Add(fallbackAfter)
	}
}

// due tells whether it is time to answer.
func (f *fallback) due(now time.Time) bool { return !f.until.IsZero() && !now.Before(f.until) }

// A timer calls a function once, at the earliest of the times that it was set to.
type timer struct {
	at    time.Time   // zero while it is not set
	after *time.Timer // that calls it
}

// set has a function called at a time, unless it is called before that anyway. The zero time is never.
func (t *timer) set(at time.Time, call func()) {
	if at.IsZero() || !t.at.IsZero() && !at.Before(t.at) {
		return
	}
	t.stop()
	t.at, t.after = at, time.AfterFunc(time.Until(at), call)
}

// stop forgets the time. A call that is under way finds that the timer is not set.
func (t *timer) stop() {
	if t.after != nil {
		t.after.Stop()
	}
	t.at = time.Time{}
}
