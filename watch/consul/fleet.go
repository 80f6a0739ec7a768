package consul

import (
	"context"
	"maps"
	"slices"
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
	members map[string]*wanted // by service name
	loading bool
	late    []string         // nodes that changed during a load
	nodes   map[string]*host // by name; those that exist
	slots   int
	most    int           // slots that Consul lets us have; 0 for any number
	queue   []string      // the names of services to be read, each once
	woken   chan struct{} // closed and made anew when there may be something to read
	joined  chan struct{} // gets a value when members joined
	moved   chan struct{} // gets a value when the slots or nodes changed
	heated  chan string   // services that have changed, for those who may hold queries on them open

	checks checkBook
}

// A wanted is a service that is a member, with the queries that ask for it.
type wanted struct {
	queries []*asked
	nodes   []string // that its instances were last seen on
	queued  bool     // in the queue, or waiting for its next attempt
	reading bool
	again   bool      // it was marked while it was read
	due     time.Time // when it failed: not before then
}

// An asked is a query and what it was last answered with.
type asked struct {
	query   watch.Query
	answer  any
	known   bool   // answer is set
	content digest // of the text that the answer was made of
	text    bool   // content is set
}

const fleetReaders = 8

func newFleet(p *planner, scope watch.Scope) *fleet {
	return &fleet{
		p: p, scope: scope, digests: newDigester(),
		members: map[string]*wanted{}, nodes: map[string]*host{}, woken: make(chan struct{}),
		joined: make(chan struct{}, 1), moved: make(chan struct{}, 1), heated: make(chan string, 64),
	}
}

// nameOf is the service that a query asks for.
func nameOf(q watch.Query) string {
	if c, ok := q.(watch.CatalogService); ok {
		return c.Name
	}
	return q.(watch.Service).Name
}

func (f *fleet) change(add, drop []watch.Query) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range drop {
		name := nameOf(q)
		w := f.members[name]
		if w == nil {
			continue
		}
		w.queries = slices.DeleteFunc(slices.Clone(w.queries), func(a *asked) bool { return a.query == q })
		if len(w.queries) == 0 {
			delete(f.members, name)
		}
	}
	for _, q := range add {
		name := nameOf(q)
		w := f.members[name]
		if w == nil {
			w = &wanted{}
			f.members[name] = w
		}
		w.queries = append(slices.Clone(w.queries), &asked{query: q})
	}
	if len(add) > 0 {
		signal(f.joined)
	}
}

func (f *fleet) allot(slots int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.most > 0 {
		slots = min(slots, f.most)
	}
	if slots != f.slots {
		f.slots = slots
		signal(f.moved)
	}
}

// turnedAway takes note that Consul did not let us hold a node open: there are too many for that.
func (f *fleet) turnedAway() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most = max(1, min(f.slots, len(f.nodes))/2)
	f.slots = f.most
	signal(f.moved)
}

// signal puts a value into a channel of capacity 1, unless there is one.
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
func (f *fleet) unanswered() []watch.Query {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []watch.Query
	for _, w := range f.members {
		for _, a := range w.queries {
			if !a.known {
				out = append(out, a.query)
			}
		}
	}
	return out
}

func (f *fleet) queries() []watch.Query {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []watch.Query
	for _, w := range f.members {
		for _, a := range w.queries {
			out = append(out, a.query)
		}
	}
	return out
}

// admit gets answers for members that have none: all in one load, or one by one when that takes fewer requests.
func (f *fleet) admit(ctx context.Context) error {
	queries := f.unanswered()
	const loadRequests = 20 // what a load costs beside one request for each node
	if len(queries) > loadRequests {
		if f.p.once {
			if err := f.readNodes(ctx); err != nil {
				return err
			}
		}
		f.mu.Lock()
		nodes := len(f.nodes)
		f.mu.Unlock()
		if len(queries) > nodes+loadRequests {
			if err := f.load(ctx); err != nil {
				return err
			}
			queries = f.unanswered()
		}
	}
	for _, q := range queries {
		f.mark(nameOf(q))
	}
	return nil
}

// mark says that a service may have changed. Services that are no members are ignored.
func (f *fleet) mark(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.markLocked(name)
}

func (f *fleet) markLocked(name string) {
	w := f.members[name]
	switch {
	case w == nil || w.queued:
	case w.reading:
		w.again = true
	default:
		w.queued = true
		f.queue = append(f.queue, name)
		close(f.woken)
		f.woken = make(chan struct{})
	}
}

// markOwner marks the service that a changed element belongs to, or all services of its node.
func (f *fleet) markOwner(o owner) {
	if o.service != "" {
		f.mark(o.service)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loading {
		f.late = append(f.late, o.node)
	}
	for name, w := range f.members {
		if w.reading || slices.Contains(w.nodes, o.node) { // what is read now may turn out to be on the node
			f.markLocked(name)
		}
	}
}

// serve reads services that were marked, until ctx ends.
func (f *fleet) serve(ctx context.Context) {
	for ctx.Err() == nil {
		name, w, woken, wait := f.next()
		if w == nil {
			select {
			case <-woken:
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		f.still.RLock()
		pause := f.readService(ctx, name, w)
		f.still.RUnlock()
		f.mu.Lock()
		w.reading = false
		again := w.again
		w.again = false
		if pause > 0 {
			w.due, again = time.Now().Add(pause), true
		} else {
			w.due = time.Time{}
		}
		if again && f.members[name] == w {
			f.markLocked(name)
		}
		f.mu.Unlock()
	}
}

// next takes a service out of the queue, or tells how long to wait for one.
func (f *fleet) next() (name string, w *wanted, woken <-chan struct{}, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	wait = time.Minute
	for i, name := range f.queue {
		w := f.members[name]
		if w == nil || !w.queued { // it has left meanwhile
			continue
		}
		if d := w.due.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		if i == 0 {
			f.queue = f.queue[1:]
		} else {
			f.queue = slices.Delete(f.queue, i, i+1)
		}
		w.queued, w.reading = false, true
		return name, w, f.woken, 0
	}
	f.queue = slices.DeleteFunc(f.queue, func(name string) bool { w := f.members[name]; return w == nil || !w.queued })
	return "", nil, f.woken, wait
}

// readService reads the answers to all queries on a service. It tells when to try again what failed.
func (f *fleet) readService(ctx context.Context, name string, w *wanted) (pause time.Duration) {
	f.mu.Lock()
	queries := w.queries // never changed in place
	f.mu.Unlock()
	for _, a := range queries {
		changed, err := f.readQuery(ctx, w, a)
		if ctx.Err() != nil {
			return 0
		}
		if err != nil {
			pause = max(pause, f.p.failed(a.query, err), time.Millisecond)
		} else if changed {
			select {
			case f.heated <- name:
			default:
			}
		}
	}
	return pause
}

func (f *fleet) readQuery(ctx context.Context, w *wanted, a *asked) (changed bool, err error) {
	e, err := f.p.endpoint(ctx, a.query)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	before, known := a.content, a.text && a.known
	f.mu.Unlock()
	answer, content, same, err := f.p.compare(ctx, e, consistent, f.digests, before, known)
	if err != nil {
		f.mu.Lock()
		a.text = false // so that the next answer is reported, even if it is the same
		f.mu.Unlock()
		return false, err
	}
	if same {
		return false, nil
	}
	f.note(w, a, answer.Value, content, true)
	return known, f.p.offer(ctx, a.query, answer)
}

// note keeps what a query was answered with.
func (f *fleet) note(w *wanted, a *asked, answer any, content digest, text bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.answer, a.known, a.content, a.text = answer, true, content, text
	nodes := map[string]struct{}{}
	switch list := answer.(type) {
	case []*watch.ServiceInstance:
		for _, i := range list {
			nodes[i.Node] = struct{}{}
		}
	case []*watch.CatalogInstance:
		for _, i := range list {
			nodes[i.Node] = struct{}{}
		}
	}
	if len(w.queries) > 1 { // another query may see nodes that this one's filter hides
		for _, n := range w.nodes {
			nodes[n] = struct{}{}
		}
	}
	w.nodes = slices.Collect(maps.Keys(nodes))
}

// retell reports all answers again, after failures that all members were told of.
func (f *fleet) retell() {
	f.still.Lock()
	defer f.still.Unlock()
	f.mu.Lock()
	var all []asked
	for _, w := range f.members {
		for _, a := range w.queries {
			if a.known {
				all = append(all, *a)
			}
		}
	}
	f.mu.Unlock()
	for _, a := range all {
		f.p.report(a.query, watch.Answer{Value: a.answer})
	}
}
