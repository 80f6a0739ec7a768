package consul

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A budget shares out the connections. Each blocking query takes a slot, of which there are fewer than connections, so that reads, which
// are answered at once, find a connection.
type budget struct {
	connections chan struct{} // has a value for each connection that is open or must not be opened
	leastReads  int           // for which there is always a connection
	mostReads   int
	slots       slots
	pause       pause
	changed     chan struct{} // gets a value when the number of slots has changed
}

func newBudget(connections int) *budget {
	least := min(8, max(1, connections/8))
	return &budget{
		connections: make(chan struct{}, connections), leastReads: least, mostReads: max(least, min(16, connections/4)),
		slots: slots{most: connections - least, now: connections - least}, changed: make(chan struct{}, 1),
	}
}

// share sets the budget for connections that many requests share. It is called once at most, when no more than one is open.
func (b *budget) share(connections, slots int) {
	for range cap(b.connections) - connections {
		b.connections <- struct{}{}
	}
	b.slots.resize(slots)
	b.changed <- struct{}{}
}

// readers is how many reads may be under way while so many blocking queries are.
func (b *budget) readers(held int) int {
	return min(b.mostReads, max(b.leastReads, cap(b.connections)-held))
}

// errFull says that there is no connection to spare.
var errFull = errors.New("all connections of max_connections are in use")

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// dial makes a function count the connections that it opens. When there are as many as may be, it waits for one to be closed,
// since one may be closing right now, but not for long: those that are used may be so for ever.
func (b *budget) dial(open dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case b.connections <- struct{}{}:
		case <-time.After(time.Second):
			return nil, errFull
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		release := sync.OnceFunc(func() { <-b.connections })
		conn, err := open(ctx, network, address)
		if err != nil {
			release()
			return nil, err
		}
		return &connection{conn, release}, nil
	}
}

// A connection is one that the budget counts until it is closed.
type connection struct {
	net.Conn
	release func()
}

func (c *connection) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// Slots are the blocking queries that may be under way at a moment. Nobody waits for a slot here: what finds none is polled, see
// [cursor.failed].
type slots struct {
	mu    sync.Mutex
	most  int       // that our budget allows
	now   int       // that are allowed now: fewer when Consul does not let as many in
	held  int       // that are taken
	since time.Time // when now last changed
}

// slotsRecover is how long it takes until one more slot is tried after Consul has turned a connection away.
const slotsRecover = time.Minute

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

// A pause holds all requests back until a moment. The zero pause is over.
type pause struct {
	mu    sync.Mutex
	until time.Time
	said  time.Time // when the operator was last told
}

// left is how long to wait now. Each request waits somewhat longer than asked for, lest they come back all at once.
func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := time.Until(p.until)
	if d <= 0 {
		return 0
	}
	return d + rand.N(d)
}

// begin holds requests back for a time at least. It tells whether the operator should be told.
func (p *pause) begin(d time.Duration) (say bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if until := now.Add(d); until.After(p.until) {
		p.until = until
	}
	if say = now.Sub(p.said) > 10*time.Minute; say {
		p.said = now
	}
	return say
}
