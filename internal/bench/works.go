package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/time/rate"

	"lictor/internal/consultest"
)

// A work is one row of the table. It returns its figures in an order that is always the same.
type work struct {
	name string
	do   func(ctx context.Context, o options, dir string) ([]figure, error)
}

// A figure is one measurement: a duration, or something to be told as it is.
type figure struct {
	name  string
	value time.Duration
	text  string
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
	{"2000 keys", func(ctx context.Context, o options, dir string) ([]figure, error) { return keys(ctx, o, dir, 2000) }},
	{"20000 keys", func(ctx context.Context, o options, dir string) ([]figure, error) { return keys(ctx, o, dir, 20000) }},
	{"once, 1000 services", once},
	{"200 templates, 50 services", shared},
}

const serviceTemplate = `{{ range services }}{{ range service .Name }}{{ .ID }} {{ .Address }}:{{ .Port }}
{{ end }}{{ end }}`

// repeat does a work several times and tells the medians.
func repeat(ctx context.Context, o options, dir string, w work) ([]string, error) {
	var all [][]figure
	for range o.runs {
		figures, err := w.do(ctx, o, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, figures)
	}
	var lines []string
	for i, f := range all[0] {
		var values []time.Duration
		var texts []string
		for _, figures := range all {
			values = append(values, figures[i].value)
			texts = append(texts, figures[i].text)
		}
		if f.text != "" {
			lines = append(lines, f.name+"\t"+strings.Join(slices.Compact(texts), " | "))
			continue
		}
		lines = append(lines, f.name+"\t"+median(values).Round(100*time.Microsecond).String())
	}
	return lines, nil
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// spread is the median and the worst.
func spread(values []time.Duration) string {
	return fmt.Sprintf("median %s, worst of %d %s", median(values).Round(time.Millisecond), len(values), slices.Max(values).Round(time.Millisecond))
}

// services measures a daemon that renders all instances of all services.
func services(ctx context.Context, o options, dir string, services, nodes int, tls bool) ([]figure, error) {
	server, err := consultest.New(ctx, consultest.Options{LiftLimits: o.lifted, TLS: tls})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	r := &registry{server, services, nodes}
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	addr, args := server.Addr, []string(nil)
	if tls {
		addr, args = server.HTTPSAddr, []string{"-consul-ssl", "-consul-ssl-ca-cert", server.CAFile}
	}
	theirs := cpu(server.PID())
	p, err := start(ctx, o, dir, addr, serviceTemplate, args...)
	if err != nil {
		return nil, err
	}
	defer p.end()
	first, err := p.until(ctx, p.began, func(b []byte) bool { return bytes.Count(b, []byte("svc-")) == 2*services })
	if err != nil {
		return nil, err
	}
	figures := []figure{{name: "first render", value: first}, {name: "processor for that", text: usedSoFar(p, server, theirs)}}
	if err := pause(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	changes, idle := 100, time.Minute
	if o.short {
		changes, idle = 20, 10*time.Second
	}
	for _, kind := range []struct {
		name   string
		change func(context.Context, *registry, *process, int) (time.Duration, error)
	}{{"status -> file", statusChange}, {"port -> file", portChange}, {"come and go -> file", comeAndGo}} {
		var took []time.Duration
		for i := range changes {
			d, err := kind.change(ctx, r, p, i)
			if err != nil {
				return figures, fmt.Errorf("%s, change %d: %w", kind.name, i, err)
			}
			took = append(took, d)
			if err := pause(ctx, time.Duration(rand.IntN(100))*time.Millisecond); err != nil {
				return nil, err
			}
		}
		figures = append(figures, figure{name: kind.name, text: spread(took)})
	}
	used := cpu(p.cmd.Process.Pid)
	theirs = cpu(server.PID())
	if err := pause(ctx, idle); err != nil {
		return nil, err
	}
	figures = append(figures, figure{name: "idle", text: share(used, theirs, p, server, idle)})
	load, err := underLoad(ctx, r, p, idle)
	if err != nil {
		return figures, err
	}
	figures = append(figures, figure{name: "50 changes/s", text: load})
	refused := len(tooMany.FindAll(p.logged(), -1))
	peak, rss := p.end()
	return append(figures, figure{name: "connections, memory", text: fmt.Sprintf("peak %d, RSS %s, 429 logged %d times", peak, rss, refused)}), nil
}

// tooMany is how lictor and its peers log that Consul answered 429.
var tooMany = regexp.MustCompile(`\(429\)|code: 429`)

func share(used, theirs time.Duration, p *process, server *consultest.Server, d time.Duration) string {
	percent := func(used time.Duration) float64 { return 100 * float64(used) / float64(d) }
	return fmt.Sprintf("%.1f %% of a core, Consul %.1f %%", percent(cpu(p.cmd.Process.Pid)-used), percent(cpu(server.PID())-theirs))
}

// usedSoFar is the processor time of the process, and of Consul since it had used theirs.
func usedSoFar(p *process, server *consultest.Server, theirs time.Duration) string {
	return fmt.Sprintf("%s, Consul %s", cpu(p.cmd.Process.Pid), cpu(server.PID())-theirs)
}

// portChange gives an instance a port that nothing else has.
func portChange(ctx context.Context, r *registry, p *process, i int) (time.Duration, error) {
	service, port := rand.IntN(r.services), 20000+i
	begin := time.Now()
	if err := r.register(ctx, service, 0, port, "passing"); err != nil {
		return 0, err
	}
	line := fmt.Appendf(nil, "%s 10.1.%d.%d:%d\n", r.id(service, 0), (service*2%r.nodes)/250, (service*2%r.nodes)%250, port)
	return p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, line) })
}

// statusChange makes an instance critical, or passing again.
func statusChange(ctx context.Context, r *registry, p *process, i int) (time.Duration, error) {
	service, status := i/2, "critical"
	if i%2 == 1 {
		status = "passing"
	}
	begin := time.Now()
	if err := r.register(ctx, service, 1, basePort, status); err != nil {
		return 0, err
	}
	line := []byte(r.id(service, 1) + " ")
	return p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, line) == (status == "passing") })
}

// comeAndGo takes an instance away, or brings it back.
func comeAndGo(ctx context.Context, r *registry, p *process, i int) (time.Duration, error) {
	service := r.services/2 + i/2
	begin := time.Now()
	line := []byte(r.id(service, 1) + " ")
	if i%2 == 0 {
		if err := r.deregister(ctx, service, 1); err != nil {
			return 0, err
		}
	} else if err := r.register(ctx, service, 1, basePort, "passing"); err != nil {
		return 0, err
	}
	return p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, line) == (i%2 == 1) })
}

// underLoad changes ports at random, 50 in a second, and then waits for all of the last ones.
func underLoad(ctx context.Context, r *registry, p *process, d time.Duration) (string, error) {
	limiter := rate.NewLimiter(50, 1)
	used, theirs := cpu(p.cmd.Process.Pid), cpu(r.PID())
	last := map[int]int{}
	begin := time.Now()
	for i := 0; time.Since(begin) < d; i++ {
		if err := limiter.Wait(ctx); err != nil {
			return "", err
		}
		service := rand.IntN(r.services)
		last[service] = 30000 + i
		if err := r.register(ctx, service, 0, last[service], "passing"); err != nil {
			return "", err
		}
	}
	busy := share(used, theirs, p, r.Server, time.Since(begin))
	took, err := p.until(ctx, time.Now(), func(b []byte) bool {
		for service, port := range last {
			if !bytes.Contains(b, fmt.Appendf(nil, "%s 10.1.%d.%d:%d\n", r.id(service, 0), (service*2%r.nodes)/250, (service*2%r.nodes)%250, port)) {
				return false
			}
		}
		return true
	})
	return fmt.Sprintf("%s, all right %s after the last", busy, took.Round(time.Millisecond)), err
}

// keys measures a daemon that reads keys one by one.
func keys(ctx context.Context, o options, dir string, n int) ([]figure, error) {
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
	defer p.end()
	first, err := p.until(ctx, p.began, func(b []byte) bool { return bytes.Count(b, []byte("value ")) == n })
	if err != nil {
		return nil, err
	}
	used := usedSoFar(p, server, theirs)
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range 20 {
		begin := time.Now()
		value := fmt.Sprintf("changed %d", i)
		if _, err := server.Client.KV().Put(&api.KVPair{Key: keyName(rand.IntN(n)), Value: []byte(value)}, nil); err != nil {
			return nil, err
		}
		d, err := p.until(ctx, begin, func(b []byte) bool { return bytes.Contains(b, []byte(value)) })
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	held := connections(p.cmd.Process.Pid, server.Port())
	peak, rss := p.end()
	return []figure{
		{name: "first render", value: first},
		{name: "processor for that", text: used},
		{name: "key -> file", text: spread(took)},
		{name: "connections, memory", text: fmt.Sprintf("%d, peak %d, RSS %s", held, peak, rss)},
	}, nil
}

// once measures a run that renders all services once and ends.
func once(ctx context.Context, o options, dir string) ([]figure, error) {
	server, err := consultest.New(ctx, consultest.Options{LiftLimits: o.lifted})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	r := &registry{server, 1000, 50}
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	p, err := start(ctx, o, dir, server.Addr, serviceTemplate, "-once")
	if err != nil {
		return nil, err
	}
	err = p.cmd.Wait()
	took := time.Since(p.began)
	peak, _ := p.end()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, p.tail())
	}
	content, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(content, []byte("svc-")); n != 2000 {
		return nil, fmt.Errorf("%d instances in the file, want 2000", n)
	}
	return []figure{{name: "run", value: took}, {name: "connections", text: fmt.Sprintf("peak %d", peak)}}, nil
}

// executed is how lictor logs the passes of a template until it had all its data.
var executed = regexp.MustCompile(`template executed.*passes=(\d+)`)

// shared measures many templates that all read the same services: how often each of them runs until all are rendered, and
// how long a change takes until it is in all their files.
func shared(ctx context.Context, o options, dir string) ([]figure, error) {
	const templates, services = 200, 50
	server, err := consultest.New(ctx, consultest.Options{LiftLimits: o.lifted})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	r := &registry{server, services, services}
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
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
	p, err := start(ctx, o, dir, server.Addr, serviceTemplate, args...)
	if err != nil {
		return nil, err
	}
	defer p.end()
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
	passes := "not told"
	if found := executed.FindAllSubmatch(p.logged(), -1); len(found) > 0 {
		most := 0
		for _, f := range found {
			n, _ := strconv.Atoi(string(f[1]))
			most = max(most, n)
		}
		passes = fmt.Sprintf("%d at most for a template", most)
	}
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	held := connections(p.cmd.Process.Pid, server.Port())
	var took []time.Duration
	for i := range 20 {
		begin := time.Now()
		service, port := rand.IntN(services), 20000+i
		if err := r.register(ctx, service, 0, port, "passing"); err != nil {
			return nil, err
		}
		line := fmt.Appendf(nil, ":%d\n", port)
		d, err := all(begin, func(b []byte) bool { return bytes.Contains(b, line) })
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	peak, rss := p.end()
	return []figure{
		{name: "first render", value: first},
		{name: "passes for that", text: passes},
		{name: "port -> all 200 files", text: spread(took)},
		{name: "connections, memory", text: fmt.Sprintf("%d, peak %d, RSS %s", held, peak, rss)},
	}, nil
}
