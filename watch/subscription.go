package watch

import (
	"context"
	"errors"
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
// this time ([Evidence.Consistent]), and reports that. If that is refused as well, the last good answer stands, and the
// source goes on waiting for a change. An answer that is reported after a failure says that the failure is over.
func (s *Subscription) Report(a Answer) (believed bool) { return s.to.report(s, a) }

// Failed says that the source could not read what the query asks for, and returns how long to wait before the next attempt.
func (s *Subscription) Failed(err error) (pause time.Duration) { return s.to.failed(s, err) }

// A Change says what is wanted from now on. Drop comes first: a query that is in both was dropped and is wanted again, and
// must be reported again.
type Change struct{ Drop, Add []*Subscription }

// then is c followed by next.
func (c Change) then(next Change) Change {
	never := map[*Subscription]bool{} // that are dropped before anybody came to see them
	for _, s := range next.Drop {
		never[s] = true
	}
	both := Change{Drop: slices.Clone(c.Drop)}
	for _, s := range c.Add {
		if never[s] {
			delete(never, s)
			continue
		}
		both.Add = append(both.Add, s)
	}
	for _, s := range next.Drop {
		if never[s] {
			both.Drop = append(both.Drop, s)
		}
	}
	both.Add = append(both.Add, next.Add...)
	return both
}

// PerQuery makes a source that gives each query a goroutine of its own. The function watch reports the query's present answer
// as soon as it is known, and then each change, and returns only when ctx ends or with an error; it is called again after a
// pause that grows with each error in a row. A new call starts from nothing. It is called in many goroutines at once, never
// twice at a time for one subscription.
func PerQuery(watch func(ctx context.Context, q Query, report Report) error) Source {
	return &perQuery{watch}
}

type perQuery struct {
	watch func(ctx context.Context, q Query, report Report) error
}

// Follow is the [Source]'s.
func (p *perQuery) Follow(ctx context.Context, changes <-chan Change) {
	done := make(chan struct{})
	cancels := map[*Subscription]context.CancelFunc{}
	running := 0
	defer func() {
		for ; running > 0; running-- {
			<-done
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			running--
		case c := <-changes:
			for _, s := range c.Drop {
				cancels[s]()
				delete(cancels, s)
			}
			for _, s := range c.Add {
				sctx, cancel := context.WithCancel(ctx)
				cancels[s] = cancel
				running++
				go func() {
					defer func() { done <- struct{}{} }()
					defer cancel()
					p.follow(sctx, s)
				}()
			}
		}
	}
}

// follow keeps one query answered until ctx ends.
func (p *perQuery) follow(ctx context.Context, s *Subscription) {
	for {
		err := p.watch(ctx, s.Query, s.Report)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the source stopped without a reason")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.Failed(err)):
		}
	}
}

// Poll makes a source out of a function that reads the answer to a query: each is read again and again, every so often, and
// after a failure when its pause is over. An answer that is not believed is read once more at once.
func Poll(every time.Duration, read func(ctx context.Context, q Query) (Answer, error)) Source {
	return PerQuery(func(ctx context.Context, q Query, report Report) error {
		for {
			for range 2 {
				a, err := read(ctx, q)
				if err != nil {
					return err
				}
				if report(a) {
					break
				}
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(every):
			}
		}
	})
}

// Follow follows one query of a source outside a [Watcher]. It hands answers to report, and returns when ctx ends, with its
// error, or with the source's first failure.
func Follow(ctx context.Context, source Source, q Query, report Report) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	changes := make(chan Change, 1)
	changes <- Change{Add: []*Subscription{{q, &follower{report, cancel}}}}
	pick(source, q).Follow(ctx, changes)
	return context.Cause(ctx)
}

// A follower is the recipient of a subscription that no Watcher has.
type follower struct {
	reportTo Report
	cancel   context.CancelCauseFunc
}

func (f *follower) report(_ *Subscription, a Answer) bool { return f.reportTo(a) }

func (f *follower) failed(_ *Subscription, err error) time.Duration {
	f.cancel(err)
	return time.Hour // its source ends before that
}

// A Route is a source that leaves each query to the source that the function picks for it, always the same one. The
// [Watcher] and [Follow] look through it.
type Route func(Query) Source

var _ Source = (Route)(nil)

// Follow is the [Source]'s. It is never called.
func (r Route) Follow(ctx context.Context, _ <-chan Change) { <-ctx.Done() }

// pick finds the source that answers q.
func pick(s Source, q Query) Source {
	for {
		r, ok := s.(Route)
		if !ok {
			return s
		}
		s = r(q)
	}
}

// tell sends a change to a source, and starts it where this is its first. It runs under the lock.
func (w *Watcher) tell(ctx context.Context, s Source, c Change) {
	changes := w.sources[s]
	if changes == nil {
		changes = make(chan Change, 1)
		w.sources[s] = changes
		w.wg.Go(func() { s.Follow(ctx, changes) })
	}
	select {
	case waiting := <-changes: // the source has not come to see this one yet
		c = waiting.then(c)
	default:
	}
	changes <- c // there is room: nobody else sends
}
