package watch

import (
	"context"
	"errors"
	"sync"
	"time"
)

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
	var running sync.WaitGroup
	defer running.Wait()
	cancels := map[*Subscription]context.CancelFunc{}
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-changes:
			for _, s := range c.Drop {
				cancels[s]()
				delete(cancels, s)
			}
			for _, s := range c.Add {
				sctx, cancel := context.WithCancel(ctx)
				cancels[s] = cancel
				running.Go(func() {
					defer cancel()
					p.follow(sctx, s)
				})
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
