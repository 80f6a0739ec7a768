package watch

import (
	"errors"
	"time"
)

// attempts is how reading one query goes.
type attempts struct {
	err      error     // why the last attempt failed, or why the last answer was not believed; nil when all is well
	failures int       // in a row
	relapses int       // failures in a row that each came soon after an answer
	resumed  time.Time // when the pause after the last failure was over
	usedUp   bool      // no attempt is left: see [Watcher.GaveUp]
}

// failed counts a failure, and returns how long to wait before the next attempt.
//
// Something between us and the registry may let every read through and end what waits. Each answer ends a row of failures, so that
// would go on for ever without growing pauses. Failures that each follow an answer count as a row too. Their pauses grow to 16
// times the first and no more, since answers do come. Permanent errors don't count here: they come of what somebody has just
// changed, such as a data file that is being edited, and the next edit should be seen at once.
func (a *attempts) failed(err error, r Retry, now time.Time) (pause time.Duration) {
	const soon, most = 10 * time.Second, 5
	a.err = err
	if a.failures++; a.failures == 1 && !IsPermanent(err) {
		if now.Sub(a.resumed) > soon {
			a.relapses = 0
		}
		a.relapses = min(a.relapses+1, most)
	}
	a.usedUp = a.usedUp || r.spent(err, a.failures)
	pause = r.Backoff.Pause(max(a.failures, a.relapses))
	a.resumed = now.Add(pause)
	return pause
}

// answered notes an answer that is believed.
func (a *attempts) answered() { a.err, a.failures, a.usedUp = nil, 0, false }

// refused notes an answer that was read consistently and is not believed, which is no failure. It tells whether that is news.
func (a *attempts) refused(why string) bool {
	a.failures = 0
	if a.err != nil && a.err.Error() == why {
		return false
	}
	a.err = errors.New(why)
	return true
}

// An outage is the time while any query fails. When a registry goes away all queries fail for the one reason, so each error is
// logged as a warning once until every query works again.
type outage struct {
	failing int             // queries whose last attempt failed
	warned  map[string]bool // the texts of the errors that were logged
}

// warn tells whether an error is to be logged as a warning: it is a new one, and there have not been too many.
func (o *outage) warn(err error) bool {
	text := err.Error()
	if o.warned[text] || len(o.warned) >= 20 {
		return false
	}
	o.warned[text] = true
	return true
}

// recovered counts one query less that fails, and tells whether that ends the outage.
func (o *outage) recovered() (over bool) {
	if o.failing--; o.failing == 0 {
		clear(o.warned)
	}
	return o.failing == 0
}
