package watch

import (
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
