package consul

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"lictor/watch"
)

// A single holds one query open.
type single struct {
	p    *planner
	seat *watch.Seat
}

func (c *single) change(add []*watch.Seat, _ []watch.Query) { c.seat = add[0] } // it has one member, for good
func (c *single) allot(int)                                 {}

func (c *single) run(ctx context.Context) {
	for ctx.Err() == nil {
		inner, cancel := context.WithCancel(ctx)
		forget := func() {}
		if q, ok := c.seat.Query.(watch.Service); ok && streamed(q) {
			forget = c.p.streams.add(q.Datacenter, cancel)
		}
		c.p.attempt(inner, func(ctx context.Context) error {
			return c.p.hold(ctx, c.seat.Query, c.seat.Report)
		}, func() []*watch.Seat { return []*watch.Seat{c.seat} })
		forget()
		cancel()
		sleep(ctx, rand.N(wakeSpread)) // many may have to start over at this moment
	}
}

// streamed tells whether Consul may answer q out of its event stream. Answers of that don't say that a server was restored
// to an older state: a query goes on waiting for an index that is far away again. See [planner.canary].
func streamed(q watch.Query) bool {
	s, ok := q.(watch.Service)
	return ok && s.Near == ""
}

// streams are the queries that Consul may answer out of its event stream, as far as they are held open one by one.
type streams struct {
	mu   sync.Mutex
	held map[*context.CancelFunc]string // with their datacenters
}

// add notes how to end such a query, so that it starts over.
func (s *streams) add(dc string, cancel context.CancelFunc) (forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[*context.CancelFunc]string{}
	}
	s.held[&cancel] = dc
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, &cancel)
	}
}

// restart ends all of a datacenter.
func (s *streams) restart(dc string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cancel, of := range s.held {
		if of == dc {
			(*cancel)()
		}
	}
}

// canary holds a query open, in one datacenter, that Consul does not answer out of its event stream and that nothing ever changes: checks of a
// state that does not exist. When it ends before its time, the server was restored; when it fails, it is in trouble, of which
// streamed answers don't tell, and when that is over, another may have taken its place. Streamed queries start over then,
// ever more seldom where that is the rule. When the server has gone silent they notice so themselves, and start over once it
// answers: started over before, they would be silent for as long again before anybody is told.
func (p *planner) canary(ctx context.Context, dc string) {
	scope := scopeQuery(watch.Scope{Datacenter: dc})
	e := endpoint{path: "health/state/none", query: scope, decode: func(r io.Reader) (any, error) { _, err := io.Copy(io.Discard, r); return true, err }}
	restarts := 0       // in a row, with hardly any time between
	last := time.Time{} // when they last started over
	restart := func(err error) {
		if restarts++; time.Since(last) > max(time.Minute, p.client.wait) {
			restarts = 0
		} else {
			sleep(ctx, backoff(restarts))
		}
		last = time.Now()
		p.log.Debug("consul was restored or lost, queries on services start over", "datacenter", dc, "error", err)
		p.streams.restart(dc)
	}
	lost := false // whether it failed when it last asked
	for failures := 1; ctx.Err() == nil; failures++ {
		var seen uint64
		begin, back := time.Now(), p.client.lookout.next()
		err := p.follow(ctx, e, func(r result) error {
			back := lost || r.index <= seen
			seen, lost = r.index, false
			if back {
				restart(nil)
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		if !silent(err) && !lost && !refusal(err) {
			restart(err)
		}
		lost = !refusal(err)
		if time.Since(begin) > 10*time.Second {
			failures = 1
		}
		if rest(ctx, backoff(failures), back) {
			failures = 0
		}
	}
}
