package watch

import (
	"context"
	"errors"
	"time"
)

// A Source answers queries from one system. It must be comparable.
//
// The [Watcher] calls Follow once. It keeps the subscriptions answered that the changes it receives add up to: it reports the
// present answer of each as soon as it is known, and then each change. It returns when ctx has ended and everything that it
// started has too. [PerQuery] and [Poll] make sources out of simpler functions.
//
// An error that waiting will not fix (a filter expression that does not parse, a query kind that the source does not
// know) is wrapped with [Permanent].
type Source interface {
	Follow(ctx context.Context, changes <-chan Change)
}

// Report hands an answer on: see [Subscription.Report].
type Report func(Answer) (believed bool)

// An Answer is what a source says about a query now, and how far that may be believed.
type Answer struct {
	// Value is of the type that the query kind documents, or a [Failure]. It is shared by all readers and must never be
	// changed after it was reported: not by the source, not by a template function (which copies before it sorts).
	// Lists come in a stable order.
	Value any
	Evidence
}

// Evidence is what a source knows about how far its answer may be believed. The zero Evidence means: certain.
type Evidence struct {
	NoLeader   bool          // the registry has no leader now, so this is what some server happens to hold
	Age        time.Duration // how long ago that server last heard from its leader, for a stale read
	Filtered   bool          // access rules hid part of the answer from our token
	Unmarked   bool          // the answer would not say so if access rules had hidden part of it
	WentBack   bool          // the registry's index went backwards: it was restored, or restarted empty
	Consistent bool          // read from a leader that made sure that it leads, so that Age, Unmarked and WentBack are no reason for doubt
}

// A Failure as an answer means: this is certain, and it is an error. The template function that asked returns it, so
// that it carries the template's line and column. A later report may replace it.
type Failure struct{ Err error }

// Permanent wraps an error that waiting will not fix. The Watcher still tries again now and then, since an operator may
// fix it, but -once gives up at the first one.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent tells whether err was wrapped by [Permanent].
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }
