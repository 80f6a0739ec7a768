package consul

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A budget shares out the connections: most of them are slots for queries that are held open, and a few are for reads
// that are answered at once, so that reads never wait for a slot.
type budget struct {
	slots, reads *gate
	changed      chan struct{} // gets a value when the number of slots changed
}

func newBudget(connections int) *budget {
	reads := min(8, max(1, connections/8))
	return &budget{slots: newGate(connections - reads), reads: newGate(reads), changed: make(chan struct{}, 1)}
}

// widen makes more slots, where many requests share a connection.
func (b *budget) widen(slots int) {
	b.slots.resize(slots)
	b.reads.resize(16)
	b.notify()
}

func (b *budget) notify() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// A gate lets a number of requests through at a time. The number may change meanwhile.
type gate struct {
	mu      sync.Mutex
	max     int
	in      int
	waiting []chan struct{} // each is closed when its turn has come
}

func newGate(n int) *gate { return &gate{max: n} }

func (g *gate) limit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.max
}

func (g *gate) resize(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.max = n
	g.admit()
}

// admit lets in who may come in. It runs under the lock.
func (g *gate) admit() {
	for g.in < g.max && len(g.waiting) > 0 {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.in++
	}
}

func (g *gate) acquire(ctx context.Context) error {
	g.mu.Lock()
	if g.in < g.max && len(g.waiting) == 0 {
		g.in++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return context.Cause(ctx)
		}
	}
	g.in-- // the turn came at the same moment: pass it on
	g.admit()
	return context.Cause(ctx)
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in--
	g.admit()
}

// A pause holds all requests back until a moment. The zero pause is over.
type pause struct {
	mu    sync.Mutex
	until time.Time
	said  time.Time // when the operator was last told
}

func (p *pause) wait(ctx context.Context) error {
	p.mu.Lock()
	d := time.Until(p.until)
	p.mu.Unlock()
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tooMany takes note of a 429: requests pause as long as Consul asks for.
func (c *client) tooMany(resp *http.Response) {
	d := 100 * time.Millisecond
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		d = min(time.Duration(s)*time.Second, 30*time.Second)
	}
	c.pause.mu.Lock()
	defer c.pause.mu.Unlock()
	now := time.Now()
	if until := now.Add(d); until.After(c.pause.until) {
		c.pause.until = until
	}
	if now.Sub(c.pause.said) > 10*time.Minute {
		c.pause.said = now
		c.log.Warn("consul turns connections away (429): what it does not let us hold open is read in turn; its limits.http_max_conns_per_client counts all programs of this host",
			"agent", c.base.String())
	}
}
