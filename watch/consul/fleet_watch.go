package consul

import (
	"cmp"
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
			gone := f.setNodes(r) // first, so that a load which begins now does not miss a new one
			if last != nil {
				last.changed(next, func(o owner) { f.markNode(o.node, cmp.Or(gone[o.node], f.host(o.node))) })
				f.compareAnswers(next, f.nodeNews, begun, f.nodesOf)
			}
			last, begun = next, r.begun
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
	e := f.noChecks()
	e.wait = restoreWait
	f.watchList(ctx, "all checks", e, func(r result) error {
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
