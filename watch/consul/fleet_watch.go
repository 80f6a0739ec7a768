package consul

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lictor/watch"
)

// lookAtLists holds the lists open that tell of changes, and returns when it knows what they held at first.
func (f *fleet) lookAtLists(ctx context.Context, wg *sync.WaitGroup) {
	var baseline sync.WaitGroup
	known := func() func() { baseline.Add(1); return sync.OnceFunc(baseline.Done) }
	for _, state := range []string{watch.StatusCritical, watch.StatusWarning} {
		done := known()
		wg.Go(func() { defer done(); f.lookAtChecks(ctx, state, done) })
	}
	done := known()
	wg.Go(func() { defer done(); f.lookAtNodes(ctx, done) })
	baseline.Wait()
}

// persist looks until ctx ends, with growing pauses after failures, which end when Consul is back. After three failures in a row
// the list counts as failing, until a look says that it works and then stands for a while.
func (f *fleet) persist(ctx context.Context, what string, look func(ctx context.Context, works func()) error) {
	const while = 10 * time.Second
	failures := 0
	defer f.working(what)
	for ctx.Err() == nil {
		begin, back := time.Now(), f.p.client.lookout.next()
		var works, stands atomic.Bool
		sure := func() {
			if works.Load() && stands.Load() {
				f.working(what)
			}
		}
		timer := time.AfterFunc(while, func() { stands.Store(true); sure() })
		err := look(ctx, func() { works.Store(true); sure() })
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		if works.Load() && time.Since(begin) > while {
			failures = 0
		}
		if failures++; failures >= 3 {
			f.failing(ctx, what, err)
		}
		pause := backoff(failures)
		f.p.log.Debug("consul does not tell of changes now, will retry", "list", what, "error", err, "pause", pause)
		if rest(ctx, pause, back) {
			failures = 0
		}
	}
}

// watchList looks at a list, persistently, and hands on what it held whenever that may have changed.
func (f *fleet) watchList(ctx context.Context, what string, e endpoint, each func(result) error) {
	f.persist(ctx, what, func(ctx context.Context, works func()) error {
		return f.p.follow(ctx, e, func(r result) error {
			err := each(r)
			if err == nil {
				works()
			}
			return err
		})
	})
}

// lookAtChecks marks services whose checks enter or leave a state.
func (f *fleet) lookAtChecks(ctx context.Context, state string, known func()) {
	var last ledger
	e := f.checksEndpoint(state)
	e.decode = func(r io.Reader) (any, error) { return last.read(r, f.digests, f.digests.ownCheck) }
	f.watchList(ctx, state+" checks", e, func(r result) error {
		next := r.Value.(ledger)
		if last != nil {
			last.changed(next, f.markOwner)
		}
		last = next
		known()
		return nil
	})
}

// lookAtNodes marks the services of nodes that change, and knows which nodes there are. Since its query needs all that
// the others need, members are told when it fails, until it turns out that it is only the list that fails.
func (f *fleet) lookAtNodes(ctx context.Context, known func()) {
	const what = "list of nodes"
	var last ledger
	var begun time.Time // when last was asked for
	told := false       // members were told of a failure
	failures := 0
	affected := func() []*watch.Seat {
		if f.blindTo(what) {
			return nil
		}
		told = true
		return f.seats()
	}
	retell := func() {
		if told {
			told = false
			f.retell(ctx)
		}
	}
	f.p.attempt(ctx, func(ctx context.Context) error {
		e := f.nodesEndpoint(nil)
		e.decode = func(r io.Reader) (any, error) { return f.nodesEndpoint(last).decode(r) }
		err := f.p.follow(ctx, e, func(r result) error {
			next := r.Value.(ledger)
			if last != nil {
				last.changed(next, f.markOwner)
				f.compareAnswers(next, f.nodeNews, begun, f.nodesOf)
			}
			last, begun = next, r.begun
			f.setNodes(r)
			failures = 0
			f.working(what)
			retell()
			known()
			return nil
		})
		if failures++; failures >= 3 {
			f.failing(ctx, what, err)
		}
		if f.blindTo(what) {
			retell()
		}
		return err
	}, affected)
}

// lookAtAllChecks marks services whose checks change in any way. The list is large: a query on none of its elements tells
// when it has changed, and it is read no more often than for a tenth of the time.
func (f *fleet) lookAtAllChecks(ctx context.Context) {
	pace := newPace(0.1, time.Second)
	f.watchList(ctx, "all checks", f.noChecks(), func(r result) error {
		f.checks.mu.Lock()
		known := f.checks.index == r.index
		f.checks.mu.Unlock()
		if known {
			return nil
		}
		return pace.do(ctx, func() error {
			_, _, err := f.readChecks(ctx, leader, nil, f.markOwner)
			return err
		})
	})
}

// lookAtServices marks services that change on a node: with a query for each node while the slots suffice for that, and
// otherwise by sweeps.
func (f *fleet) lookAtServices(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	holders := map[string]context.CancelFunc{}
	start := func(name string, look func(context.Context)) {
		if holders[name] == nil {
			inner, cancel := context.WithCancel(ctx)
			holders[name] = cancel
			wg.Go(func() { look(inner) })
		}
	}
	const sweeper, keeper = "", "\x00" // no node has these names
	for {
		names, held := f.way()
		keep := map[string]bool{}
		if held {
			for _, name := range names {
				keep[name] = true
			}
		} else {
			keep[sweeper], keep[keeper] = true, true
		}
		for name, cancel := range holders {
			if !keep[name] {
				cancel()
				delete(holders, name)
			}
		}
		if held {
			for _, name := range names {
				start(name, func(ctx context.Context) { f.holdNode(ctx, name) })
			}
		} else {
			start(sweeper, f.sweepOnChange)
			start(keeper, f.holdHot)
		}
		select {
		case <-f.moved:
		case <-ctx.Done():
			return
		}
	}
}

// Slots that a fleet uses for lists: critical and warning checks, all checks, nodes; and services, when it sweeps.
const listSlots = 4

// way tells whether each node is held open, and which nodes there are. Who sweeps goes on so until there are slots to spare,
// lest a node that comes and goes changes the way each time.
func (f *fleet) way() (names []string, held bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	room := f.slots
	if f.sweeps {
		room = room * 3 / 4
	}
	held = len(f.nodes)+listSlots <= room
	switch f.p.force {
	case PlanNodes:
		held = true
	case PlanSweep:
		held = false
	}
	f.sweeps = !held
	way := "sweep"
	if held {
		way = "nodes"
		names = slices.Collect(maps.Keys(f.nodes))
	}
	f.p.log.Debug("consul fleet", "way", way, "services", len(f.members), "nodes", len(f.nodes), "slots", f.slots)
	return names, held
}

// holdNode marks the services that change on a node.
func (f *fleet) holdNode(ctx context.Context, name string) {
	f.watchList(ctx, "services of node "+name, f.nodeEndpoint(name), func(r result) error {
		_, err := f.takeNode(ctx, name, r, nil)
		return err
	})
}

// sweepOnChange looks for what has changed whenever a query on the names of all services returns, since that does not say
// whose instance has changed. It reads the nodes in turn, those first that were read longest ago: fast until it finds
// something, since that is most likely what there was to find, and then slowly through the rest.
func (f *fleet) sweepOnChange(ctx context.Context) {
	woken := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { f.lookAtNames(ctx, woken) })
	var since time.Time // of the last wake-up: nodes that were read before may have changed
	owed := false       // not all is read since then
	fast := false
	slow, all := newPace(0.3, 300*time.Millisecond), newPace(0.3, 300*time.Millisecond)
	f.persist(ctx, "nodes", func(ctx context.Context, works func()) error {
		for {
			f.mu.Lock()
			few := len(f.members) <= len(f.nodes)
			f.mu.Unlock()
			if owed && few { // reading the services themselves is less work
				owed = false
				if err := all.do(ctx, func() error { return f.readAll(ctx) }); err != nil {
					return err
				}
			}
			nodes := f.unreadNodes(since)
			owed = owed && len(nodes) > 0
			var later <-chan time.Time
			if owed {
				pause := time.Duration(0)
				if !fast {
					pause = slow.spend(0)
				}
				later = time.After(pause)
			} else {
				works()
			}
			select {
			case <-woken:
				since, owed, fast = time.Now(), true, true
				continue
			case <-f.grown: // a node that was not there when its services woke us
				owed, fast = true, true
				continue
			case <-later:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			begin := time.Now()
			changed, err := f.sweep(ctx, nodes[:min(len(nodes), 4*fleetReaders)], leader, nil)
			if err != nil {
				return err
			}
			works()
			fast = fast && !changed
			slow.spend(time.Since(begin))
			slow.credit = max(slow.credit, -100*time.Millisecond)
		}
	})
}

// lookAtNames wakes who sweeps, at most ten times a second.
func (f *fleet) lookAtNames(ctx context.Context, woken chan struct{}) {
	e := endpoint{path: "catalog/services", query: scopeQuery(f.scope)}
	e.decode = func(r io.Reader) (any, error) { _, err := io.Copy(io.Discard, r); return true, err }
	f.watchList(ctx, "services", e, func(result) error {
		signal(woken)
		sleep(ctx, 100*time.Millisecond)
		return nil
	})
}

// holdHot holds queries open on services that have changed lately, as far as there are slots: what has changed once may
// soon change again, and is then seen before a sweep comes to it.
func (f *fleet) holdHot(ctx context.Context) {
	type service struct {
		cancel context.CancelFunc
		last   time.Time // when it was seen to change
	}
	cool := 2 * f.p.client.wait // Consul counts the connection of a query that was given up until its wait is over
	hot := map[string]*service{}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		var name string
		select {
		case name = <-f.heated:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if h := hot[name]; h != nil {
			h.last = now
			continue
		}
		f.mu.Lock()
		most := f.slots - listSlots - 1
		for n, h := range hot {
			if f.members[n] == nil {
				h.cancel()
				delete(hot, n)
			}
		}
		f.mu.Unlock()
		for len(hot) > 0 && len(hot) >= most {
			oldest := ""
			for n, h := range hot {
				if oldest == "" || h.last.Before(hot[oldest].last) {
					oldest = n
				}
			}
			if len(hot) == most && now.Sub(hot[oldest].last) < cool {
				break
			}
			hot[oldest].cancel()
			delete(hot, oldest)
		}
		if len(hot) >= most {
			continue
		}
		inner, cancel := context.WithCancel(ctx)
		hot[name] = &service{cancel, now}
		wg.Go(func() {
			defer cancel()
			// Asking for an order by distance keeps Consul from answering out of its event stream, which tells of a
			// change before reads can see it: our read would come too early.
			e := serviceEndpoint(watch.Service{Name: name, Scope: f.scope, Near: "_agent"})
			e.decode = func(r io.Reader) (any, error) { _, err := io.Copy(io.Discard, r); return true, err }
			nobody := func() []*watch.Seat { return nil } // a sweep comes to it all the same
			f.p.attempt(inner, func(ctx context.Context) error {
				return f.p.follow(ctx, e, func(result) error { f.mark(name); return nil })
			}, nobody)
		})
	}
}

// readAll marks all services, and waits until they are read.
func (f *fleet) readAll(ctx context.Context) error {
	f.mu.Lock()
	for name := range f.members {
		f.markLocked(name)
	}
	f.mu.Unlock()
	for {
		f.mu.Lock()
		left := len(f.queue) > 0 // those that failed wait longer than we do
		f.mu.Unlock()
		if !left || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}
