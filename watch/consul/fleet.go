package consul

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"lictor/watch"
)

// A fleet answers queries on the services of one scope, however many, with few requests held open.
//
// It does not read answers out of what it holds open. That only tells which services may have changed; each of those is
// then read by itself, through the leader, since another server might not have the change yet. So whatever tells of
// changes may tell too much, and answers are what a direct read would give. Only the first load puts answers together
// from the nodes' services and all checks, which takes a fraction of the requests.
//
// What tells of changes: lists of the critical and of the warning checks, which are small and name the services; the
// list of all checks, which is large, so that it is read some time after a tiny query says that it has changed; the list
// of nodes; and for the services on the nodes either one query for each node, or a sweep over all nodes (or services,
// when they are fewer) each time that a query on the names of all services says that one of them has changed. All
// these are compared with what they were before, element by element, so that it does not matter what was missed between
// two looks, or why.
type fleet struct {
	p       *planner
	scope   watch.Scope
	digests digester

	// still is held by each reader, and wholly by what reports many answers at once: nobody may report a newer answer of the
	// same query meanwhile.
	still *semaphore.Weighted
	pace  *pace // of loads; for the goroutine of run

	mu      sync.Mutex
	members map[string]*wanted // by folded service name
	looks   int                // at lists, so far

	checkNews, nodeNews news // for the lists of all checks and of nodes

	loading bool
	late    []string         // nodes that changed during a load
	unload  time.Time        // until then nothing is loaded, since that failed or was for nothing
	nodes   map[string]*host // by folded name; those that exist
	partial bool             // access rules hide some nodes from our token
	slots   int
	sweeps  bool          // instead of a query on each node
	queue   []string      // the names of services to be read, each once here or in later
	later   attempts      // what failed, and is to be read again
	woken   chan struct{} // gets a value for each service that is to be read, as many as there are readers
	joined  chan struct{} // gets a value when members joined, or so many are in the queue that a load is less work
	moved   chan struct{} // gets a value when the slots or nodes changed
	grown   chan struct{} // gets a value when there is a new node
	heated  chan string   // services that have changed, for those who may hold queries on them open

	blind   map[string]bool // lists that fail
	said    bool            // the operator was told
	blinded chan struct{}   // gets a value when a list begins to fail

	checks checkBook
}

// A wanted is a service that is a member, with the queries that ask for it.
type wanted struct {
	queries []*asked
	queued  bool // in the queue, or waiting for its next attempt
	reading bool
	again   bool      // it was marked while it was read
	due     time.Time // when it failed: not before then
}

// An asked is a query and what was last believed about it.
type asked struct {
	*watch.Seat
	answer  any
	known   bool      // answer is set
	refused bool      // what was read since is not believed
	gone    bool      // it is a member no more
	content digest    // of the text that the answer was made of
	text    bool      // content is set
	nodes   []string  // folded; that instances of the answer are on
	changed time.Time // when a read by itself last made another answer of it
}

// read tells whether it was looked for, with an answer that was believed or refused.
func (a *asked) read() bool { return a.known || a.refused }

// on tells whether an answer about the service has an instance on a node.
func (w *wanted) on(node string) bool {
	return slices.ContainsFunc(w.queries, func(a *asked) bool { return slices.Contains(a.nodes, node) })
}

const fleetReaders = 8

func newFleet(p *planner, scope watch.Scope) *fleet {
	return &fleet{
		p: p, scope: scope, digests: newDigester(), still: semaphore.NewWeighted(fleetReaders), pace: newPace(0.3, time.Second),
		members: map[string]*wanted{}, checkNews: news{}, nodeNews: news{}, nodes: map[string]*host{}, blind: map[string]bool{},
		woken: make(chan struct{}, fleetReaders), heated: make(chan string, 64),
		joined: make(chan struct{}, 1), moved: make(chan struct{}, 1), grown: make(chan struct{}, 1), blinded: make(chan struct{}, 1),
	}
}

// nameOf is the service that a query asks for, folded.
func nameOf(q watch.Query) string {
	if c, ok := q.(watch.CatalogService); ok {
		return fold(c.Name)
	}
	return fold(q.(watch.Service).Name)
}

// fold makes one of the names that are the same for Consul, which compares those of services and nodes without regard to case.
func fold(name string) string { return strings.ToLower(name) }

func (f *fleet) change(add []*watch.Seat, drop []watch.Query) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range drop {
		name := nameOf(q)
		w := f.members[name]
		if w == nil {
			continue
		}
		w.queries = slices.DeleteFunc(slices.Clone(w.queries), func(a *asked) bool {
			a.gone = a.Query == q
			if a.gone {
				f.forgetNew(a)
			}
			return a.gone
		})
		if len(w.queries) == 0 {
			delete(f.members, name)
		}
	}
	for _, s := range add {
		name := nameOf(s.Query)
		w := f.members[name]
		if w == nil {
			w = &wanted{}
			f.members[name] = w
		}
		w.queries = append(slices.Clone(w.queries), &asked{Seat: s})
	}
	if len(add) > 0 {
		signal(f.joined)
	}
}

func (f *fleet) allot(slots int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slots != f.slots {
		f.slots = slots
		signal(f.moved)
	}
}

// signal puts a value into a channel, unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (f *fleet) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range fleetReaders {
		wg.Go(func() { f.serve(ctx) })
	}
	if !f.p.once {
		wg.Go(func() { f.readInTurn(ctx) })
		f.lookAtLists(ctx, &wg)
	}
	looking := f.p.once
	f.p.attempt(ctx, func(ctx context.Context) error {
		for {
			if err := f.admit(ctx); err != nil {
				return err
			}
			if !looking {
				looking = true
				wg.Go(func() { f.lookAtAllChecks(ctx) })
				wg.Go(func() { f.lookAtServices(ctx) })
			}
			if err := f.rest(ctx, f.pace.spend(0)); err != nil {
				return err
			}
		}
	}, f.unread)
}

// rest returns when there may be something to load again, but only after d: what joins or changes meanwhile is read one by one.
func (f *fleet) rest(ctx context.Context, d time.Duration) error {
	var resting <-chan time.Time
	if d > 0 {
		resting = time.After(d)
	}
	for joined := false; !joined || resting != nil; {
		select {
		case <-f.joined:
			if joined = true; resting != nil {
				f.markUnread()
				sleep(ctx, 10*time.Millisecond)
			}
		case <-resting:
			resting = nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// unread lists the queries that were never read.
func (f *fleet) unread() []*watch.Seat {
	return f.pick(func(a *asked) bool { return !a.read() })
}

func (f *fleet) markUnread() {
	for _, s := range f.unread() {
		f.mark(nameOf(s.Query))
	}
}

func (f *fleet) seats() []*watch.Seat {
	return f.pick(func(*asked) bool { return true })
}

// pick lists some of the queries.
func (f *fleet) pick(these func(*asked) bool) []*watch.Seat {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*watch.Seat
	for _, w := range f.members {
		for _, a := range w.queries {
			if these(a) {
				out = append(out, a.Seat)
			}
		}
	}
	return out
}

// loadRequests is what a load costs beside one request for each node.
const loadRequests = 20

// admit gets answers for members that were never read, and for those that are to be read again where they are many: all in one
// load, or one by one when that takes less.
func (f *fleet) admit(ctx context.Context) error {
	fresh := len(f.unread())
	if fresh > loadRequests && f.p.once {
		if err := f.readNodes(ctx); err != nil && f.hopeless(ctx, err) {
			return err
		}
	}
	if f.worthLoading(fresh) {
		if err := f.load(ctx); err != nil && f.hopeless(ctx, err) {
			return err
		}
	}
	f.markUnread()
	return nil
}

// hopeless tells whether Consul is away, so that reading services one by one is no use either when reading them together
// failed. Otherwise nothing is loaded for a while.
func (f *fleet) hopeless(ctx context.Context, err error) bool {
	if !f.p.client.there(ctx) {
		return true
	}
	f.p.log.Debug("consul services can not be loaded together, they are read one by one", "error", err)
	f.restLoads()
	return false
}

// restLoads has nothing loaded for a while: services are read one by one.
func (f *fleet) restLoads() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unload = time.Now().Add(time.Minute)
}

// worthLoading tells whether a load is less work than reading one by one what was never read, so many queries, or is to be read again.
func (f *fleet) worthLoading(fresh int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().After(f.unload) && (fresh > len(f.nodes)+loadRequests || f.crowded())
}

// crowded tells whether the queue is so long that a load takes less: that reads all members there are, each at about a quarter of
// the cost. It runs under the lock.
func (f *fleet) crowded() bool {
	return len(f.queue) > max(len(f.nodes)+loadRequests, len(f.members)/4) && !f.p.once
}
