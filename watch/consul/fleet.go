package consul

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

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

	// still is held by readers, and for writing by what reports many answers at once: nobody may report a newer answer
	// of the same query meanwhile.
	still sync.RWMutex

	mu      sync.Mutex
	members map[string]*wanted // by folded service name
	loading bool
	late    []string         // nodes that changed during a load
	nodes   map[string]*host // by folded name; those that exist
	slots   int
	queue   []string      // the names of services to be read, each once here or in later
	later   attempts      // what failed, and is to be read again
	woken   chan struct{} // gets a value for each service that is to be read, as many as there are readers
	joined  chan struct{} // gets a value when members joined
	moved   chan struct{} // gets a value when the slots or nodes changed
	grown   chan struct{} // gets a value when there is a new node
	heated  chan string   // services that have changed, for those who may hold queries on them open

	blind   map[string]bool // lists that fail
	lost    bool            // the list of nodes fails
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
	known   bool     // answer is set
	content digest   // of the text that the answer was made of
	text    bool     // content is set
	nodes   []string // folded; that instances of the answer are on
}

// on tells whether an answer about the service has an instance on a node.
func (w *wanted) on(node string) bool {
	return slices.ContainsFunc(w.queries, func(a *asked) bool { return slices.Contains(a.nodes, node) })
}

const fleetReaders = 8

func newFleet(p *planner, scope watch.Scope) *fleet {
	return &fleet{
		p: p, scope: scope, digests: newDigester(),
		members: map[string]*wanted{}, nodes: map[string]*host{}, blind: map[string]bool{},
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
		w.queries = slices.DeleteFunc(slices.Clone(w.queries), func(a *asked) bool { return a.Query == q })
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
			select {
			case <-f.joined:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}, f.unanswered)
}

// unanswered lists the queries that were never answered.
func (f *fleet) unanswered() []*watch.Seat {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*watch.Seat
	for _, w := range f.members {
		for _, a := range w.queries {
			if !a.known {
				out = append(out, a.Seat)
			}
		}
	}
	return out
}

func (f *fleet) seats() []*watch.Seat {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*watch.Seat
	for _, w := range f.members {
		for _, a := range w.queries {
			out = append(out, a.Seat)
		}
	}
	return out
}

// admit gets answers for members that have none: all in one load, or one by one when that takes fewer requests.
func (f *fleet) admit(ctx context.Context) error {
	seats := f.unanswered()
	const loadRequests = 20 // what a load costs beside one request for each node
	if len(seats) > loadRequests {
		if f.p.once {
			if err := f.readNodes(ctx); err != nil {
				return err
			}
		}
		f.mu.Lock()
		nodes := len(f.nodes)
		f.mu.Unlock()
		if len(seats) > nodes+loadRequests {
			if err := f.load(ctx); err != nil {
				return err
			}
			seats = f.unanswered()
		}
	}
	for _, s := range seats {
		f.mark(nameOf(s.Query))
	}
	return nil
}
