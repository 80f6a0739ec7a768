package consul

import (
	"context"
	"time"
)

// A list that fails while Consul answers otherwise, such as one that a gateway refuses, tells of no change. Until it works
// again a fleet reads all its services in turn, as all is that can't be held open.

// failing takes note that a list fails again and again, and says so once.
func (f *fleet) failing(list string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blind[list] || f.lost {
		return
	}
	f.blind[list] = true
	if !f.said {
		f.said = true
		f.p.log.Warn("consul does not tell of changes of services: they are read in turn until it does", "list", list, "error", err)
	}
	signal(f.blinded)
}

// working takes note that a list does not fail any more.
func (f *fleet) working(list string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.blind, list)
}

// setLost takes note whether the list of nodes fails too: Consul is away then, and there is no use in reading services.
func (f *fleet) setLost(lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = lost
}

// readInTurn reads all services again and again while a list fails.
func (f *fleet) readInTurn(ctx context.Context) {
	for ctx.Err() == nil {
		f.mu.Lock()
		blind, lost, services := len(f.blind) > 0, f.lost, len(f.members)
		f.mu.Unlock()
		if !blind {
			select {
			case <-f.blinded:
			case <-ctx.Done():
			}
			continue
		}
		if !lost {
			_ = f.readAll(ctx) // it fails only when ctx ends
		}
		sleep(ctx, max(turnEvery, time.Duration(services)*time.Second/turnRate))
	}
}
