package consul

import (
	"context"
	"math/rand/v2"
	"time"

	"lictor/watch"
)

// attempt runs f until ctx ends, with a pause after each failure, which failing queries are told of. The pause is the
// shorter one of what they are told and of what is due after so many failures here: some may have failed elsewhere too. It ends
// when Consul is back.
func (p *planner) attempt(ctx context.Context, f func(context.Context) error, seats func() []*watch.Seat) {
	failures := 0
	for ctx.Err() == nil {
		begin, back := time.Now(), p.client.lookout.next()
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil || time.Since(begin) > 10*time.Second {
			failures = 0
		}
		if err == nil {
			continue
		}
		failures++
		pause := time.Duration(0)
		all := seats()
		for _, s := range all {
			pause = max(pause, s.Failed(err))
		}
		if own := backoff(failures); len(all) != 1 && (pause == 0 || pause > own) {
			pause = own
		}
		if rest(ctx, pause, back) {
			failures = 0
		}
	}
}

// backoff is how long to rest after so many failures in a row.
func backoff(failures int) time.Duration {
	pause := min(30*time.Second, 250*time.Millisecond<<min(failures-1, 10))
	return pause - rand.N(pause/2)
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// offer reports an answer, and reads again, consistently, when it is not believed. It returns the one that was believed, if
// any was.
func (p *planner) offer(ctx context.Context, s *watch.Seat, r result) (stands result, believed bool, err error) {
	if s.Report(r.Answer) {
		return r, true, nil
	}
	if r.Consistent {
		return result{}, false, nil
	}
	return p.insist(ctx, s)
}

// insist reports what a consistent read gives.
func (p *planner) insist(ctx context.Context, s *watch.Seat) (stands result, believed bool, err error) {
	e, err := p.endpoint(ctx, s.Query)
	if err != nil {
		return result{}, false, err
	}
	sure, err := p.read(ctx, e, consistent, 0)
	if err != nil {
		return result{}, false, err
	}
	return sure, s.Report(sure.Answer), nil
}
