package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"

	"lictor/internal/consultest"
)

// cost measures what several daemons that all follow the same services cost Consul: its own processor time for each change, from the
// kernel's count, at a number of changes a second that are ports, statuses, and instances that come and go in turn.
func cost(ctx context.Context, o options, dir string, daemons, services, nodes int, perSecond float64) (figures []figure, err error) {
	r, err := newRegistry(ctx, consultest.Options{LiftLimits: true}, services, nodes) // the daemons come from one address
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var all []*process
	defer func() {
		for _, p := range all {
			p.end()
		}
	}()
	for i := range daemons {
		own := filepath.Join(dir, fmt.Sprint("daemon-", i))
		if err := os.MkdirAll(own, 0o755); err != nil {
			return nil, err
		}
		p, err := start(ctx, o, own, r.Addr, serviceTemplate)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
		if _, err := p.until(ctx, p.began, func(b []byte) bool { return bytes.Count(b, []byte("svc-")) == 2*services }); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	last := 30 * time.Second
	if o.short {
		last = 15 * time.Second
	}
	limiter := rate.NewLimiter(rate.Limit(perSecond), 1)
	before, begin, changes := cpu(r.PID()), time.Now(), 0
	gone := map[int]bool{}
	for ; time.Since(begin) < last; changes++ {
		if err := limiter.Wait(ctx); err != nil {
			return nil, err
		}
		if err := r.anyChange(ctx, changes, gone); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, 2*time.Second); err != nil { // what comes of the last of them
		return nil, err
	}
	used := cpu(r.PID()) - before
	return []figure{took("Consul's processor for a change", used/time.Duration(changes)),
		{name: "changes", values: []float64{float64(changes) / last.Seconds()}, unit: "a second"}}, nil
}

// anyChange makes a change: a port, a status, and an instance that goes or comes back, in turn.
func (r *registry) anyChange(ctx context.Context, i int, gone map[int]bool) error {
	service := rand.IntN(r.services)
	switch i % 3 {
	case 0:
		return r.register(ctx, instance{service, 0, 30000 + i, "passing", ""})
	case 1:
		return r.register(ctx, instance{service, 0, basePort, []string{"critical", "passing"}[i/3%2], ""})
	}
	for back := range gone {
		delete(gone, back)
		return r.register(ctx, instance{back, 1, basePort, "passing", ""})
	}
	gone[service] = true
	return r.deregister(ctx, service, 1)
}
