package consul

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"

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
	budget := newBudget(cmp.Or(c.MaxConnections, defaultConnections))
	transport := c.transport(b, conf, budget)
	perSecond := cmp.Or(c.MaxRate, defaultRate)
	defaults := scopeQuery(watch.Scope{Namespace: c.Namespace, Partition: c.Partition})
	client := &client{
		base: b, defaults: defaults, token: newToken(c.Token, c.TokenFile, log), user: c.Username, password: c.Password,
		wait: cmp.Or(c.Wait, defaultWait), log: log,
		budget: budget, limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/2))),
		transport: transport, http: newHTTPClient(transport), probing: probing{turn: make(chan struct{}, 1)},
	}
	return &Source{client: client, stale: c.Stale, once: c.Once, force: c.Plan, log: log}, nil
}
