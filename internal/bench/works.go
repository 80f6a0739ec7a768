package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// A work is one row of the table. It returns its figures in an order that is always the same.
type work struct {
	name string
	do   func(ctx context.Context, o options, dir string) ([]figure, error)
}

var works = []work{
	{"5000 services, 50 nodes", func(ctx context.Context, o options, dir string) ([]figure, error) {
		return services(ctx, o, dir, 5000, 50, false)
	}},
	{"5000 services, 1000 nodes", func(ctx context.Context, o options, dir string) ([]figure, error) {
		return services(ctx, o, dir, 5000, 1000, false)
	}},
	{"1000 services, TLS", func(ctx context.Context, o options, dir string) ([]figure, error) {
		return services(ctx, o, dir, 1000, 50, true)
	}},
	{"15000 services, 200 nodes", func(ctx context.Context, o options, dir string) ([]figure, error) {
		return services(ctx, o, dir, 15000, 200, false)
	}},
	{"cost of 10 daemons, 1000 services, 50 nodes", func(ctx context.Context, o options, dir string) ([]figure, error) {
		return cost(ctx, o, dir, 10, 1000, 50, 10)
	}},
	{"cost of 1 daemon, 3000 services, 600 nodes", func(ctx context.Context, o options, dir string) ([]figure, error) {
		return cost(ctx, o, dir, 1, 3000, 600, 10)
	}},
	{"2000 keys", func(ctx context.Context, o options, dir string) ([]figure, error) { return keys(ctx, o, dir, 2000) }},
	{"20000 keys", func(ctx context.Context, o options, dir string) ([]figure, error) { return keys(ctx, o, dir, 20000) }},
	{"once, 1000 services", once},
	{"200 templates, 50 services", shared},
}

const serviceTemplate = `{{ range services }}{{ range service .Name }}{{ .ID }} {{ .Address }}:{{ .Port }}
{{ end }}{{ end }}`

// keys measures a daemon that reads keys one by one.
func keys(ctx context.Context, o options, dir string, n int) (figures []figure, err error) {
	server, err := consultest.New(ctx, consultest.Options{LiftLimits: o.lifted})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	r := &registry{Server: server}
	if err := r.putKeys(ctx, n); err != nil {
		return nil, err
	}
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "{{ key %q }}\n", keyName(i))
	}
	theirs := cpu(server.PID())
	p, err := start(ctx, o, dir, server.Addr, text.String())
	if err != nil {
		return nil, err
	}
	defer func() { figures = append(p.end(), figures...) }()
	first, err := p.until(ctx, p.began, func(b []byte) bool { return bytes.Count(b, []byte("value ")) == n })
	if err != nil {
		return nil, err
	}
	figures = append(figures, took("first render", first),
		took("processor for that", cpu(p.cmd.Process.Pid)), took("Consul's processor for that", cpu(server.PID())-theirs))
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	figures = append(figures, held(p))
	var all []time.Duration
	for i := range 20 {
		begin := time.Now()
		value := fmt.Sprintf("changed %d", i)
		if _, err := server.Client.KV().Put(&api.KVPair{Key: keyName(rand.IntN(n)), Value: []byte(value)}, nil); err != nil {
			return figures, err
		}
		d, err := p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, []byte(value)) })
		if err != nil {
			return figures, err
		}
		all = append(all, d)
	}
	return append(figures, took("key -> file", all...)), nil
}

// held counts the connections when nothing happens: those of queries that are held open, and idle ones.
func held(p *process) figure {
	return figure{name: "connections at rest", values: []float64{float64(connections(p.cmd.Process.Pid, p.port))}}
}

// once measures a run that renders all services once and ends.
func once(ctx context.Context, o options, dir string) ([]figure, error) {
	r, err := newRegistry(ctx, consultest.Options{LiftLimits: o.lifted}, 1000, 50)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := start(ctx, o, dir, r.Addr, serviceTemplate, "-once")
	if err != nil {
		return nil, err
	}
	err = p.cmd.Wait()
	run := time.Since(p.began)
	figures := p.end()
	if err != nil {
		return figures, fmt.Errorf("%w: %s", err, p.tail())
	}
	content, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(content, []byte("svc-")); n != 2000 {
		return nil, fmt.Errorf("%d instances in the file, want 2000", n)
	}
	return append(figures, took("run", run)), nil
}

// shared measures many templates that all read the same services: how often each of them runs until all are rendered, and
// how long a change takes until it is in all their files.
func shared(ctx context.Context, o options, dir string) (figures []figure, err error) {
	const templates, services = 200, 50
	r, err := newRegistry(ctx, consultest.Options{LiftLimits: o.lifted}, services, services)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	args, outs := []string{"-log-level", "debug"}, []string{filepath.Join(dir, "out")}
	for i := range templates - 1 {
		in, out := filepath.Join(dir, fmt.Sprintf("in-%d.ctmpl", i)), filepath.Join(dir, fmt.Sprintf("out-%d", i))
		if err := os.WriteFile(in, []byte(serviceTemplate), 0o644); err != nil {
			return nil, err
		}
		if err := os.RemoveAll(out); err != nil {
			return nil, err
		}
		args, outs = append(args, "-template", in+":"+out), append(outs, out)
	}
	p, err := start(ctx, o, dir, r.Addr, serviceTemplate, args...)
	if err != nil {
		return nil, err
	}
	defer func() { figures = append(p.end(), figures...) }()
	all := func(begin time.Time, f func([]byte) bool) (took time.Duration, err error) {
		for _, out := range outs {
			if took, err = p.untilIn(ctx, out, begin, f); err != nil {
				return 0, err
			}
		}
		return took, nil
	}
	first, err := all(p.began, func(b []byte) bool { return bytes.Count(b, []byte("svc-")) == 2*services })
	if err != nil {
		return nil, err
	}
	figures = append(figures, took("first render", first))
	if passes := p.passes(); passes > 0 {
		figures = append(figures, figure{name: "passes of a template for that", values: []float64{float64(passes)}, worst: true})
	}
	if err := pause(ctx, time.Second); err != nil {
		return figures, err
	}
	figures = append(figures, held(p))
	var changes []time.Duration
	for i := range 20 {
		begin := time.Now()
		changed := instance{rand.IntN(services), 0, 20000 + i, "passing", ""}
		if err := r.register(ctx, changed); err != nil {
			return figures, err
		}
		d, err := all(begin, func(b []byte) bool { return bytes.Contains(b, r.line(changed)) })
		if err != nil {
			return figures, err
		}
		changes = append(changes, d)
	}
	return append(figures, took("port -> all 200 files", changes...)), nil
}
