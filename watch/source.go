package watch

import (
	"context"
	"errors"
	"time"
)

// A Source answers queries from one system.
//
// Watch reports the query's present answer as soon as it is known, and then each change, and returns only when ctx ends
// or with an error; the [Watcher] calls it again after a pause that grows with each error in a row. A new call starts
// from nothing. The Watcher calls Watch in many goroutines at once, never twice at a time for equal queries.
//
// An error that waiting will not fix (a filter expression that does not parse, a query kind that the source does not
// know) is wrapped with [Permanent].
type Source interface {
	Watch(ctx context.Context, q Query, report Report) error
}

// Report hands an answer to the Watcher. It tells whether the answer was believed; when it was not, the source reads
// again, consistently this time ([Evidence.Consistent]), and reports that. If that is refused as well, the last good
// answer stands, and the source goes on waiting for a change. Report does not block.
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
