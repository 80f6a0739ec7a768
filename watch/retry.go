package watch

import (
	"math/rand/v2"
	"time"
)

// Retry is a policy for trying again what failed: after Backoff, then twice that and so on up to MaxBackoff, each pause
// shortened by a random part of up to a half, so that many clients of one registry don't come back all at once.
type Retry struct {
	// Attempts is how many times a query is tried again after failures in a row before [Watcher.GaveUp] reports it;
	// 0 means for ever, below 0 not at all.
	Attempts   int
	Backoff    time.Duration // 0 means that of DefaultRetry: to ask on and on without a pause helps nobody
	MaxBackoff time.Duration // 0 means no limit
	// PermanentIsFinal makes [Watcher.GaveUp] report a query at its first [Permanent] error, and at a first answer that is not
	// believed though it was read consistently.
	PermanentIsFinal bool
}

// DefaultRetry is the policy of a daemon: it never gives up, and asks at least every 30 seconds.
var DefaultRetry = Retry{Backoff: 250 * time.Millisecond, MaxBackoff: 30 * time.Second}

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

// pause is how long to wait after the given number of failures in a row (1 or more).
func (r Retry) pause(failures int) time.Duration {
	longest := r.MaxBackoff
	if longest <= 0 {
		longest = time.Hour
	}
	d := r.Backoff
	if d <= 0 {
		d = DefaultRetry.Backoff
	}
	for range failures - 1 {
		if d >= longest {
			break
		}
		d *= 2
	}
	d = min(d, longest)
	if d <= 1 {
		return d
	}
	return d - rand.N(d/2+1)
}
