package watch

import (
	"errors"
	"time"

	"lictor/internal/retry"
)

// Retry is a policy for trying again what failed.
type Retry struct {
	// Attempts is how many times a query is tried again after failures in a row before [Watcher.GaveUp] reports it;
	// 0 means for ever, below 0 not at all.
	Attempts int
	Backoff  retry.Backoff // the pauses before attempts
	// PermanentIsFinal makes [Watcher.GaveUp] report a query at its first [Permanent] error, and at a first answer that is not
	// believed though it was read consistently.
	PermanentIsFinal bool
}

// DefaultRetry is the policy of a daemon: it never gives up, and asks at least every 30 seconds.
var DefaultRetry = Retry{Backoff: retry.Backoff{First: 250 * time.Millisecond, Most: 30 * time.Second}}

// spent tells whether err, the last of so many failures in a row, was the last attempt.
func (r Retry) spent(err error, failures int) bool {
	switch {
	case r.PermanentIsFinal && IsPermanent(err), r.Attempts < 0:
		return true
	case r.Attempts == 0:
		return false
	}
	return failures > r.Attempts
}

// Attempts are how the attempts to answer one query fare. The zero attempts are none yet.
type attempts struct {
	err      error     // why the last one failed, or why the last answer was not believed; nil when all is well
	failures int       // in a row
	relapses int       // failures in a row that each came soon after an answer
	begun    time.Time // when the last pause was over
	gaveUp   bool      // no more attempt counts
}

// failed notes that an attempt failed, and tells how long to pause before the next. Whoever has something else to answer with does not
// give up.
func (a *attempts) failed(err error, r Retry, otherwise bool, now time.Time) (pause time.Duration) {
	if a.failures++; a.failures == 1 && !IsPermanent(err) {
		a.relapse(now)
	}
	pause = r.Backoff.Pause(max(a.failures, a.relapses))
	a.begun, a.err = now.Add(pause), err
	a.gaveUp = a.gaveUp || !otherwise && r.spent(err, a.failures)
	return pause
}

// relapse counts a failure that follows an answer. Something between us and the registry may let every read through and end what
// waits: that would go on and on without growing pauses, as each answer ends a row of failures. Pauses grow to 16 times the first
// then, no more, since answers do come. Permanent errors don't count: they come of what somebody has just changed, such as a data
// file that is being edited, and the next edit should be seen at once.
func (a *attempts) relapse(now time.Time) {
	const soon, most = 10 * time.Second, 5
	if now.Sub(a.begun) > soon {
		a.relapses = 0
	}
	a.relapses = min(a.relapses+1, most)
}

// answered notes that there was an answer that is believed.
func (a *attempts) answered() { a.err, a.failures, a.gaveUp = nil, 0, false }

// refused notes that an answer is not believed although it was read consistently, and tells whether that is new. The attempt has not
// failed by that.
func (a *attempts) refused(why string) (fresh bool) {
	a.failures = 0
	if a.err != nil && a.err.Error() == why {
		return false
	}
	a.err = errors.New(why)
	return true
}
