package consul

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

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

	mu     sync.Mutex // of what follows
	active int        // calls of Follow
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
		identity: identity{newToken(c.Token, c.TokenFile, log), c.Username, c.Password, c.Namespace, c.Partition},
		budget:   newBudget(connections), limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/2))),
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
	s.active--
	last := s.active == 0
	s.mu.Unlock()
	if last {
		s.client.closeIdle()
	}
}
