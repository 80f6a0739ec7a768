package watch

import (
	"slices"
	"time"
)

// A Subscription is a query that somebody wants answered, and where its answers go. A query that is dropped and wanted again
// is another subscription. The methods may be called from any goroutine and do not block. They have no effect once the
// subscription was dropped, so that what is late, and may be older than what is known by then, changes nothing.
type Subscription struct {
	Query Query
	to    recipient
}

// A recipient is who a subscription's answers go to.
type recipient interface {
	report(s *Subscription, a Answer) (believed bool)
	failed(s *Subscription, err error) (pause time.Duration)
}

// Report hands an answer on. It tells whether the answer was believed; when it was not, the source reads again, consistently
// this time ([Evidence.Consistent]), and reports that. If that is refused as well, readers keep the last good answer, and the
// source goes on waiting for a change. An answer that is reported after a failure says that the failure is over.
func (s *Subscription) Report(a Answer) (believed bool) { return s.to.report(s, a) }

// Failed says that the source could not read what the query asks for, and returns how long to wait before the next attempt.
func (s *Subscription) Failed(err error) (pause time.Duration) { return s.to.failed(s, err) }

// A Change says what is wanted from now on. Drop comes first: a query that is in both was dropped and is wanted again, and
// must be reported again.
type Change struct{ Drop, Add []*Subscription }

// then is c followed by next, without what is dropped before anybody came to see it.
func (c Change) then(next Change) Change {
	dropped := map[*Subscription]bool{}
	for _, s := range next.Drop {
		dropped[s] = true
	}
	add := slices.DeleteFunc(slices.Clone(c.Add), func(s *Subscription) bool {
		unseen := dropped[s]
		delete(dropped, s)
		return unseen
	})
	drop := slices.DeleteFunc(slices.Clone(next.Drop), func(s *Subscription) bool { return !dropped[s] })
	return Change{Drop: slices.Concat(c.Drop, drop), Add: append(add, next.Add...)}
}
