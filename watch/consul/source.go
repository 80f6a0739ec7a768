package consul

import (
	"context"

	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"lictor/watch"
)

// A Source answers queries from a Consul agent, all kinds but [watch.File].
type Source struct {
	client *client
	stale  bool
	once   bool
	force  string
	log    *slog.Logger

	mu     sync.Mutex
	active int // calls of Watch and Follow
}

var _ watch.Source = (*Source)(nil)

// New makes a source. It does not talk to Consul yet: an agent that can not be reached is an error of each query.
func New(c Config) (*Source, error) {
	b, err := c.base()
	if err != nil {
		return nil, err
	}
	conf, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	if c.MaxConnections < 0 || c.MaxConnections == 1 {
		return nil, fmt.Errorf("consul max_connections is %d, and must be 2 or more: one for reads, one that waits for changes", c.MaxConnections)
	}
	if c.Plan != "" && !slices.Contains(Plans, c.Plan) {
		return nil, fmt.Errorf("consul plan %q is not one of %v", c.Plan, Plans)
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	connections := or(c.MaxConnections, defaultConnections)
	perSecond := or(c.MaxRate, float64(defaultRate))
	cl := &client{
		base: b, wait: or(c.Wait, defaultWait), log: log,
		token: &token{fixed: c.Token, file: c.TokenFile}, user: c.Username, password: c.Password,
		namespace: c.Namespace, partition: c.Partition,
		budget: newBudget(connections), limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/2))),
	}
	separate := func() pools {
		return pools{
			reads: &http.Client{Transport: c.transport(b, conf, cl.budget.reads.limit())},
			holds: &http.Client{Transport: c.transport(b, conf, connections-cl.budget.reads.limit())},
		}
	}
	if b.url.Scheme == "https" {
		one := &http.Client{Transport: c.transport(b, conf, min(connections, streamConnections))}
		cl.http, cl.fallback = pools{one, one}, separate
	} else {
		cl.http = separate()
	}
	return &Source{client: cl, stale: c.Stale, once: c.Once, force: c.Plan, log: log}, nil
}

// enter and leave count who uses the source, so that idle connections are closed after the last.
func (s *Source) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
}

func (s *Source) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	if s.active == 0 {
		s.client.mu.Lock()
		defer s.client.mu.Unlock()
		s.client.http.closeIdle()
	}
}

// Watch is the watch.Source's. It holds one query open. For many queries at once see [Source.Follow].
func (s *Source) Watch(ctx context.Context, q watch.Query, report watch.Report) error {
	s.enter()
	defer s.leave()
	return s.hold(ctx, q, report)
}

// hold reports the answer to q and its changes, by a request that Consul holds open until something changes.
func (s *Source) hold(ctx context.Context, q watch.Query, report watch.Report) error {
	e, err := s.endpoint(ctx, q)
	if err != nil {
		return err
	}
	first := true
	var newest uint64 // the index of what was believed last, which another server may not have come to yet
	return s.follow(ctx, e, func(r result) error {
		// A server that comes back answers before it has read its log again: index 1 and nothing, or too little. What the
		// index was before a failure is not known here, so the first answer may have gone back.
		blank := first && r.index <= 1 && e.every == 0
		r.WentBack = r.WentBack || first || r.index < newest
		first = false
		if !blank && report(r.Answer) {
			newest = r.index
			return s.done(ctx, r.Value)
		}
		sure, err := s.settled(ctx, e, r.index)
		if err != nil {
			return err
		}
		if report(sure.Answer) {
			newest = sure.index
			return s.done(ctx, sure.Value)
		}
		return nil
	})
}

// settled reads e through the leader. A streamed answer may come before what it tells of can be read, so it reads again
// until the read is as new as index, for a second at most: what is older must not stand for what was told.
func (s *Source) settled(ctx context.Context, e endpoint, index uint64) (result, error) {
	for try := 1; ; try++ {
		sure, err := s.read(ctx, e, consistent, 0)
		if err != nil || sure.index >= index || try > 20 {
			return sure, err
		}
		select {
		case <-ctx.Done():
			return sure, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// done waits for the end, when one answer is all that is wanted and this is one.
func (s *Source) done(ctx context.Context, answer any) error {
	if !s.once || awaited(answer) {
		return nil
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// awaited tells whether an answer is one that a program waits beyond, even when it only renders once: a key that does
// not exist, or a prefix without any.
func awaited(answer any) bool {
	switch v := answer.(type) {
	case *watch.KeyPair:
		return v == nil
	case []*watch.KeyPair:
		return len(v) == 0
	}
	return false
}

// follow reads an endpoint again and again and hands on each answer that may be new, until ctx ends or something fails. It
// takes answers in for no more than a fifth of the time: a long list of which something changes all the time is read less
// often.
func (s *Source) follow(ctx context.Context, e endpoint, each func(result) error) error {
	var last uint64  // the index to wait beyond, 0 to ask afresh
	var seen uint64  // the index of the last answer
	early := 0       // answers in a row that came before the wait was over although nothing was new
	resumed := false // it asks afresh only because it rested
	pace := newPace(0.2, time.Second)
	for {
		begin := time.Now()
		r, err := s.read(ctx, e, s.readMode(), last)
		if err != nil {
			return err
		}
		answered := time.Now()
		if resumed && r.index == seen {
			last, resumed = r.index, false
			continue
		}
		if last == 0 || r.index != last {
			// The index of a server that was restored or lost its data begins anew. Waiting for one beyond the old
			// index would miss all changes up to there.
			r.WentBack = r.index < seen
			if err := each(r); err != nil {
				return err
			}
		}
		pause := pace.spend(r.took)
		switch {
		case e.every > 0:
			last, pause = 0, max(pause, e.every-rand.N(e.every/10))
		case last > 0 && r.index == last && answered.Sub(begin) < s.client.wait*9/10:
			// A server that is being restored ends its blocking queries like this, with the answer from before. Or
			// something between us and Consul does not let us wait.
			early++
			last, pause = 0, max(pause, min(time.Duration(early*early)*10*time.Millisecond, 5*time.Second))
		case r.WentBack:
			last = 0
		default:
			if r.index != seen {
				early = 0
			}
			last = r.index
		}
		seen = r.index
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// While nobody waited the server may have been replaced by one with a lower index, without any error to tell.
		resumed = last > 0 && time.Since(answered) > 20*time.Millisecond
		if resumed {
			last = 0
		}
	}
}
