package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"

	"lictor/internal/consultest"
)

// services measures a daemon that renders all instances of all services.
func services(ctx context.Context, o options, dir string, services, nodes int, tls bool) (figures []figure, err error) {
	r, err := newRegistry(ctx, consultest.Options{LiftLimits: o.lifted, TLS: tls}, services, nodes)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	addr, args := r.Addr, []string(nil)
	if tls {
		addr, args = r.HTTPSAddr, []string{"-consul-ssl", "-consul-ssl-ca-cert", r.CAFile}
	}
	theirs := cpu(r.PID())
	p, err := start(ctx, o, dir, addr, serviceTemplate, args...)
	if err != nil {
		return nil, err
	}
	defer func() { figures = append(p.end(), figures...) }() // first, so that they are told whatever fails
	first, err := p.until(ctx, p.began, func(b []byte) bool { return bytes.Count(b, []byte("svc-")) == 2*services })
	if err != nil {
		return nil, err
	}
	figures = append(figures, took("first render", first),
		took("processor for that", cpu(p.cmd.Process.Pid)), took("Consul's processor for that", cpu(r.PID())-theirs))
	if err := pause(ctx, 3*time.Second); err != nil {
		return figures, err
	}
	changes, idle := 100, time.Minute
	if o.short {
		changes, idle = 20, 10*time.Second
	}
	for _, kind := range []struct {
		name   string
		change func(context.Context, *registry, *process, int) (time.Duration, error)
	}{{"status -> file", statusChange}, {"port or address -> file", placeChange}, {"come or go -> file", comeOrGo}} {
		var all []time.Duration
		for i := range changes {
			d, err := kind.change(ctx, r, p, i)
			if err != nil {
				return figures, fmt.Errorf("%s, change %d: %w", kind.name, i, err)
			}
			all = append(all, d)
			if err := pause(ctx, time.Duration(rand.IntN(100))*time.Millisecond); err != nil {
				return figures, err
			}
		}
		figures = append(figures, took(kind.name, all...))
	}
	busy := since(p, r.Server)
	if err := pause(ctx, idle); err != nil {
		return figures, err
	}
	figures = append(figures, busy("idle")...)
	load, err := underLoad(ctx, r, p, idle)
	return append(figures, load...), err
}

// since notes how much processor time was used until now, and gives what tells which share of a core it was after that.
func since(p *process, server *consultest.Server) func(name string) []figure {
	begin, ours, theirs := time.Now(), cpu(p.cmd.Process.Pid), cpu(server.PID())
	return func(name string) []figure {
		share := func(name string, used time.Duration) figure {
			return figure{name: name, values: []float64{100 * float64(used) / float64(time.Since(begin))}, unit: "% of a core"}
		}
		return []figure{share(name, cpu(p.cmd.Process.Pid)-ours), share(name+", Consul", cpu(server.PID())-theirs)}
	}
}

// statusChange makes an instance critical, or passing again.
func statusChange(ctx context.Context, r *registry, p *process, i int) (time.Duration, error) {
	service, status := i/2, "critical"
	if i%2 == 1 {
		status = "passing"
	}
	begin := time.Now()
	if err := r.register(ctx, instance{service, 1, basePort, status, ""}); err != nil {
		return 0, err
	}
	line := []byte(r.id(service, 1) + " ")
	return p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, line) == (status == "passing") })
}

// placeChange gives an instance a port or an address that nothing else has.
func placeChange(ctx context.Context, r *registry, p *process, i int) (time.Duration, error) {
	changed := instance{rand.IntN(r.services), 0, 20000 + i, "passing", ""}
	if i%2 == 1 {
		changed.address = fmt.Sprintf("10.9.%d.%d", i/250, i%250)
	}
	begin := time.Now()
	if err := r.register(ctx, changed); err != nil {
		return 0, err
	}
	return p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, r.line(changed)) })
}

// comeOrGo takes an instance away, or adds a third one, of services that nothing else has touched: what has changed lately
// may be seen sooner.
func comeOrGo(ctx context.Context, r *registry, p *process, i int) (time.Duration, error) {
	service := r.services/2 + i
	begin := time.Now()
	if i%2 == 0 {
		if err := r.deregister(ctx, service, 1); err != nil {
			return 0, err
		}
		gone := []byte(r.id(service, 1) + " ")
		return p.until(ctx, begin, func(b []byte) bool { return !bytes.Contains(b, gone) })
	}
	third := instance{service, 2, basePort, "passing", ""}
	if err := r.register(ctx, third); err != nil {
		return 0, err
	}
	return p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, r.line(third)) })
}

// underLoad changes ports at random, 50 in a second, and then waits for all of the last ones.
func underLoad(ctx context.Context, r *registry, p *process, d time.Duration) ([]figure, error) {
	limiter := rate.NewLimiter(50, 1)
	last := map[int]instance{}
	begin, busy, changes := time.Now(), since(p, r.Server), 0
	for ; time.Since(begin) < d; changes++ {
		if err := limiter.Wait(ctx); err != nil {
			return nil, err
		}
		changed := instance{rand.IntN(r.services), 0, 30000 + changes, "passing", ""}
		last[changed.service] = changed
		if err := r.register(ctx, changed); err != nil {
			return nil, err
		}
	}
	figures := append(busy("under load"), figure{name: "changes", values: []float64{float64(changes) / time.Since(begin).Seconds()}, unit: "a second"})
	late, err := p.until(ctx, time.Now(), func(b []byte) bool {
		for _, changed := range last {
			if !bytes.Contains(b, r.line(changed)) {
				return false
			}
		}
		return true
	})
	if err != nil {
		return figures, fmt.Errorf("after the load: %w", err)
	}
	return append(figures, took("all right after the last", late)), nil
}
