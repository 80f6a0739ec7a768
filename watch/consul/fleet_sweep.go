package consul

import (
	"context"
	"sync"
	"time"

	"lictor/watch"
)

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
	e.decode = discard
	f.watchList(ctx, "services", e, func(result) error {
		signal(woken)
		sleep(ctx, 100*time.Millisecond)
		return nil
	})
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
			e.decode = discard
			nobody := func() []*watch.Seat { return nil } // a sweep comes to it all the same
			f.p.attempt(inner, func(ctx context.Context) error {
				return f.p.follow(ctx, e, func(result) error { f.mark(name); return nil })
			}, nobody)
		})
	}
}
