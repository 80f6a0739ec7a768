package consul

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A budget shares out the connections: most of them are slots for queries that are held open, and a few are for reads
// that are answered at once, so that reads never wait for a slot.
type budget struct {
	slots       *slots
	reads       *gate
	leastReads  int           // that there is always room for
	connections *gate         // those that are open: whatever else is miscounted, there are never more
	changed     chan struct{} // gets a value when the number of slots changed
}

func newBudget(connections int) *budget {
	least := min(8, max(1, connections/8))
	return &budget{
		slots: &slots{most: connections - least, now: connections - least}, reads: newGate(max(least, min(16, connections/4))), leastReads: least,
		connections: newGate(connections), changed: make(chan struct{}, 1),
	}
}

// widen makes more slots, where many requests share each of a few connections.
func (b *budget) widen(connections, slots int) {
	b.connections.resize(connections)
	b.slots.resize(slots)
	b.reads.resize(16)
	signal(b.changed)
}

// Slots are the requests that may be held open at a moment. Nobody waits for a slot here: what finds none is polled,
// see [cursor.failed].
type slots struct {
	mu    sync.Mutex
	most  int       // that our budget allows
	now   int       // that are allowed now: fewer when Consul does not let as many in
	held  int       // that are taken
	since time.Time // when now last changed
}

// slotsRecover is how long it takes until one more slot is tried after Consul has turned a connection away.
const slotsRecover = time.Minute

// errFull says that there is no connection to spare.
var errFull = errors.New("all connections of max_connections are in use")

func (s *slots) limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

func (s *slots) resize(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most, s.now = n, n
}

// take takes a slot if one is free.
func (s *slots) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now < s.most && time.Since(s.since) > slotsRecover {
		s.now, s.since = s.now+1, time.Now()
	}
	if s.held >= s.now {
		return false
	}
	s.held++
	return true
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
}

// turnedAway takes note that a connection was one too many. There will be one less that is held open: either it was one
// itself, or the next that ends makes room for a read.
func (s *slots) turnedAway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.since = min(s.now, max(0, s.held-1)), time.Now()
}

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// dial makes a function count the connections that it opens. When there are as many as may be, it waits for one to be closed,
// since one may be closing right now, but not for long: those that are used may be so for ever.
func (b *budget) dial(open dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		short, cancel := context.WithTimeoutCause(ctx, time.Second, errFull)
		defer cancel()
		if err := b.connections.acquire(short); err != nil {
			return nil, err
		}
		conn, err := open(ctx, network, address)
		if err != nil {
			b.connections.release()
			return nil, err
		}
		return &connection{Conn: conn, closed: sync.OnceFunc(b.connections.release)}, nil
	}
}

// A connection is one that the budget counts until it is closed.
type connection struct {
	net.Conn
	closed func()
}

func (c *connection) Close() error {
	defer c.closed()
	return c.Conn.Close()
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
	mu     sync.Mutex
	until  time.Time
	length time.Duration
	said   time.Time // when the operator was last told
}

// left is how long to wait now. Each request waits somewhat longer than asked for, lest they come back all at once.
func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := time.Until(p.until)
	if d <= 0 {
		return 0
	}
	return d + rand.N(p.length)
}

// tooMany takes note of a 429: requests pause as long as Consul asks for. When that ends the connection, it is connections
// that are too many, and not requests.
func (c *client) tooMany(resp *http.Response) {
	if resp.Close {
		c.budget.slots.turnedAway()
	}
	d := 100 * time.Millisecond
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		d = min(time.Duration(s)*time.Second, 30*time.Second)
	}
	c.pause.mu.Lock()
	defer c.pause.mu.Unlock()
	now := time.Now()
	if until := now.Add(d); until.After(c.pause.until) {
		c.pause.until, c.pause.length = until, d
	}
	if now.Sub(c.pause.said) > 10*time.Minute {
		c.pause.said = now
		c.log.Warn("consul turns connections away (429): what it does not let us hold open is read in turn; its limits.http_max_conns_per_client counts all programs of this host",
			"agent", c.base.String())
	}
}

// signal puts a value into a channel, unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
