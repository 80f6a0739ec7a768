package consul

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	turns  *rate.Limiter // for reads that come in great number when nothing can be held open

	restores restores // from any goroutine

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
	conf, err := c.TLS.config(b.url.Hostname(), log)
	if err != nil {
		return nil, err
	}
	connections := or(c.MaxConnections, defaultConnections)
	perSecond := or(c.MaxRate, float64(defaultRate))
	cl := &client{
		base: b, wait: or(c.Wait, defaultWait), log: log,
		token: newToken(c.Token, c.TokenFile, log), user: c.Username, password: c.Password,
		namespace: c.Namespace, partition: c.Partition,
		budget: newBudget(connections), limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/2))),
		lookout: newLookout(),
	}
	separate := func() pools {
		return pools{
			reads: newHTTPClient(c.transport(b, conf, cl.budget, cl.budget.reads.limit())),
			holds: newHTTPClient(c.transport(b, conf, cl.budget, cl.budget.slots.limit())),
		}
	}
	if b.url.Scheme == "https" {
		cl.streams = c.transport(b, conf, cl.budget, min(connections, streamConnections))
		one := newHTTPClient(cl.streams)
		cl.http, cl.fallback = pools{one, one}, separate
	} else {
		cl.http = separate()
	}
	return &Source{client: cl, stale: c.Stale, once: c.Once, force: c.Plan, log: log, turns: rate.NewLimiter(turnRate, turnRate)}, nil
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
	var newest uint64 // the index of what was believed last, which another server may not have come to yet
	return s.follow(ctx, e, func(r result) error {
		r.WentBack = r.WentBack || r.index < newest
		if report(r.Answer) {
			newest = r.index
			return s.done(ctx, r.Value)
		}
		if r.Consistent {
			return nil
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

// follow reads an endpoint again and again and hands on each answer that may be new, until ctx ends or something fails. What
// can't be held open, for whatever reason, is read in turn. It takes answers in for no more than a fifth of the time: a long
// list of which something changes all the time is read less often.
//
// The first read is a consistent one: a server that has just come back answers before it has read all of its log again, and
// what the index was before a start or a failure is not known here.
func (s *Source) follow(ctx context.Context, e endpoint, each func(result) error) error {
	var last uint64 // the index to wait beyond, 0 to ask afresh
	var seen uint64 // the index of the last answer
	early := 0      // answers in a row that came before the wait was over although nothing was new
	doubt := true   // the next answer may be new whatever its index is
	cut := false    // the connection was lost since the last answer
	hidden := false // access rules hid a part of the last answer that said so
	pace := newPace(0.2, time.Second)
	held := e.holds()
	var since context.Context // the epoch that last and seen are of
	for {
		begin, m := time.Now(), s.readMode()
		if seen == 0 {
			m = consistent
		}
		now := s.restores.now(held)
		r, err := s.readIn(ctx, since, e, m, last)
		if last > 0 && since.Err() != nil && ctx.Err() == nil {
			last, seen, doubt, hidden = 0, 0, true, false
			sleep(ctx, rand.N(wakeSpread)) // many may have to start over at this moment
			continue
		}
		if last > 0 && unheld(err) {
			last = 0
			if err := s.turn(ctx); err != nil {
				return err
			}
			continue
		}
		if last > 0 && time.Since(begin) > 5*time.Second && errors.Is(err, errCut) { // by something that has no patience with silence
			last, doubt, cut = 0, true, true
			continue
		}
		if err != nil {
			return err
		}
		answered := time.Now()
		// The index of a server that was restored or lost its data begins anew. Waiting for one beyond the old index would miss
		// all changes up to there.
		r.WentBack = r.index < seen || cut // what took the connection along may have taken more
		if r.index < seen {
			s.wentBack(ctx, e, seen, since)
		}
		fresh := doubt || r.index != seen
		if fresh || r.Filtered || hidden { // what access rules hid may be shown now, without any change of the index
			if err := each(r); err != nil {
				return err
			}
		}
		doubt, cut = false, false
		if !r.Unmarked {
			hidden = r.Filtered
		}
		if !fresh && last == 0 { // it asked only because it had rested, or had to
			last, since = r.index, now
			continue
		}
		pause := pace.spend(r.took)
		again := last > 0 && r.index == last && answered.Sub(begin) < s.waitOf(e)*9/10
		switch {
		case e.every > 0:
			doubt, last, pause = true, 0, max(pause, e.every-rand.N(e.every/10))
		case again:
			// A server that is being restored ends its blocking queries like this, with the answer from before. Or something
			// between us and Consul does not let us wait.
			early++
			doubt, last, pause = true, 0, max(pause, min(time.Duration(early*early)*50*time.Millisecond, turnEvery))
		case r.index < seen:
			last = 0
		default:
			if last > 0 {
				early = 0
			}
			last = r.index
		}
		seen, since = r.index, now
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Since(answered) > 20*time.Millisecond {
			// While nobody waited the server may have been replaced by one with a lower index, without any error to tell.
			last = 0
		}
	}
}

// What can't be held open is read every two seconds, or less often when it is very much.
const (
	turnEvery = 2 * time.Second
	turnRate  = 500 // reads in a second at most
)

// turn waits until something that can't be held open is to be read again.
func (s *Source) turn(ctx context.Context) error {
	sleep(ctx, turnEvery-rand.N(turnEvery/10))
	return s.turns.Wait(ctx)
}
