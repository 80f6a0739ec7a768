package consul

import (
	"context"
	"time"
)

// A list that fails while Consul answers otherwise, such as one that a gateway refuses, tells of no change. Until it works
// again a fleet reads all its services in turn, as all is that can't be held open.

// failing takes note that a list fails again and again, and says so once. Where Consul is away nothing is to be made up for.
func (f *fleet) failing(ctx context.Context, list string, err error) {
	if !f.p.client.there(ctx) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blind[list] {
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

// blindTo tells whether a list fails while Consul is there.
func (f *fleet) blindTo(list string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blind[list]
}

// readInTurn reads all services again and again while a list fails.
func (f *fleet) readInTurn(ctx context.Context) {
	for ctx.Err() == nil {
		f.mu.Lock()
		blind, services := len(f.blind) > 0, len(f.members)
		f.mu.Unlock()
		if !blind {
			select {
			case <-f.blinded:
			case <-ctx.Done():
			}
			continue
		}
		if f.p.client.there(ctx) {
			_ = f.readAll(ctx) // it fails only when ctx ends
		}
		sleep(ctx, max(turnEvery, time.Duration(services)*time.Second/turnRate))
	}
}
