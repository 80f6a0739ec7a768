package consul

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"lictor/watch"
)

// A single holds one query open.
type single struct {
	p *planner
	q watch.Query
}

func (c *single) change(add, drop []watch.Query) {}
func (c *single) allot(int)                      {}

func (c *single) run(ctx context.Context) {
	for ctx.Err() == nil {
		inner, cancel := context.WithCancel(ctx)
		forget := func() {}
		if streamed(c.q) {
			forget = c.p.streams.add(cancel)
		}
		c.p.attempt(inner, func(ctx context.Context) error {
			err := c.p.hold(ctx, c.q, func(a watch.Answer) bool { return c.p.report(c.q, a) })
			if hasStatus(err, http.StatusTooManyRequests) {
				c.p.turnedAway(ctx, c.q)
			}
			return err
		}, func() []watch.Query { return []watch.Query{c.q} })
		forget()
		cancel()
	}
}

// turnedAway says that Consul does not let us hold q open. It returns when q has got another place. Queries that are held
// open already stay so: were they given up, Consul would still count their connections until their wait is over.
func (p *planner) turnedAway(ctx context.Context, q watch.Query) {
	select {
	case p.away <- q:
		<-ctx.Done()
	case <-ctx.Done():
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
	held map[*context.CancelFunc]struct{}
}

// add notes how to end such a query, so that it starts over.
func (s *streams) add(cancel context.CancelFunc) (forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[*context.CancelFunc]struct{}{}
	}
	s.held[&cancel] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, &cancel)
	}
}

// restart ends all of them.
func (s *streams) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cancel := range s.held {
		(*cancel)()
	}
}

// canary holds a query open that Consul does not answer out of its event stream and that nothing ever changes: checks of a
// state that does not exist. When it ends before its time, the server was restored, or the connection to it lost, and
// streamed queries start over. When the server has gone silent they notice so themselves, and start over once it answers:
// started over before, they would be silent for as long again before anybody is told.
func (p *planner) canary(ctx context.Context) {
	e := endpoint{path: "health/state/none", decode: func(r io.Reader) (any, error) { _, err := io.Copy(io.Discard, r); return true, err }}
	restart := func(err error) {
		p.log.Debug("consul was restored or lost, queries on services start over", "error", err)
		p.streams.restart()
	}
	lost := false // whether it failed when it last asked: queries that have started over try again by themselves
	for ctx.Err() == nil {
		r, err := p.read(ctx, e, p.readMode(), 0)
		if err == nil && lost {
			restart(nil)
		}
		for err == nil {
			before, begin := r.index, time.Now()
			r, err = p.read(ctx, e, p.readMode(), before)
			if r.index < before || r.index == before && time.Since(begin) < p.client.wait*9/10 {
				break
			}
		}
		if ctx.Err() != nil {
			return
		}
		if _, silent := errors.AsType[silence](err); !silent && !lost {
			restart(err)
		}
		lost = err != nil
		sleep(ctx, time.Second)
	}
}
