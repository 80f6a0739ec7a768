package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"

	"lictor/funcs"
	"lictor/internal/consultest"
	"lictor/internal/engine"
	"lictor/internal/oneshot"
	"lictor/watch"
	"lictor/watch/consul"
	"lictor/watch/watchtest"
)

// TestSecondSource has a scripted source beside Consul, both asked by one template: by name, and by being the default.
func TestSecondSource(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	server.Put(t, "app/port", "8080")
	registry, err := consul.New(consul.Config{Address: server.Addr})
	if err != nil {
		t.Fatal(err)
	}
	scripted := &watchtest.Source{}
	for _, name := range []string{"", "scripted"} {
		scope := watch.Scope{Source: name}
		scripted.Set(watch.Key{Path: "app/port", Scope: scope}, &watch.KeyPair{Path: "app/port", Value: "9090"})
		scripted.Set(watch.Prefix{Path: "app/", Scope: scope}, []*watch.KeyPair{{Path: "app/zone", Key: "zone", Value: "z"}})
		scripted.Set(watch.Service{Name: "web", Scope: scope}, []*watch.ServiceInstance{{ID: "web-1", Status: watch.StatusPassing}})
	}
	names := map[string]watch.SourceNames{"consul": {"consul", "scripted"}, "scripted": {"scripted", "consul"}}
	const others = `{{ range ls "app/?source=scripted" }}{{ .Key }}={{ .Value }} {{ end }}{{ range service "web?source=scripted" }}{{ .ID }}{{ end }}`
	for _, c := range []struct{ usual, text, want, wrong string }{
		{usual: "consul", text: `{{ key "app/port" }} {{ key "app/port?source=scripted" }} {{ key "app/port?source=consul" }} ` + others, want: "8080 9090 8080 zone=z web-1"},
		{usual: "scripted", text: `{{ key "app/port" }} {{ key "app/port?source=consul" }} ` + others, want: "9090 8080 zone=z web-1"},
		{usual: "consul", text: `{{ key "app/port?source=etcd" }}`, wrong: `t.ctmpl:1:4: at <key "app/port?source=etcd">: error calling key: key(app/port?source=etcd): there is no source "etcd", only consul, scripted`},
	} {
		source := route(map[string]watch.Source{"consul": registry, "scripted": scripted}, c.usual)
		got, err := renderFrom(t, source, names[c.usual], c.text)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s gives the error %v, want %s", c.text, err, c.wrong)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s, with %s as the default, gives %q, want %q: %v", c.text, c.usual, got, c.want, err)
		}
	}
}

func renderFrom(t *testing.T, source watch.Source, names watch.SourceNames, text string) (string, error) {
	t.Helper()
	tmpl, err := engine.Parse("t.ctmpl", text, engine.Options{}, func(p *engine.Pass) template.FuncMap {
		return funcs.Map(t.Context(), p, funcs.Options{Sources: names})
	})
	if err != nil {
		t.Fatal(err)
	}
	w := watch.New(source, slog.New(slog.DiscardHandler))
	defer w.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done, err := oneshot.Render(ctx, w, tmpl)
	return string(done.Output), err
}

// TestDataBesideConsul has data files beside a Consul that the command line names, as a user runs it.
func TestDataBesideConsul(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	server.Put(t, "where", "consul")
	dir := t.TempDir()
	write(t, dir, "data.yaml", "kv: {where: data}\n")
	write(t, dir, "t.ctmpl", `{{ key "where" }} {{ key "where?source=consul" }} {{ key "where?source=data" }}`)
	write(t, dir, "live.hcl", fmt.Sprintf("consul { address = %q }\ndefault_source = \"consul\"\n", server.Addr))
	write(t, dir, "both.hcl", fmt.Sprintf("consul { address = %q }\ndata = [\"data.yaml\"]\ndefault_source = \"data\"\n", server.Addr))
	for _, c := range []struct {
		want string
		args []string
	}{
		{"data data data", nil},
		{"data consul data", []string{"-consul-addr", server.Addr}},
		{"consul consul data", []string{"-consul-addr", server.Addr, "-default-source", "consul"}},
		{"data consul data", []string{"-consul-addr", server.Addr, "-default-source", "data"}},
		{"data data data", []string{"-config", "live.hcl"}},
		{"data consul data", []string{"-config", "both.hcl"}},
	} {
		for _, command := range [][]string{{"-once", "-dry", "-template", "t.ctmpl"}, {"render", "t.ctmpl"}} {
			data := []string{"-data", "data.yaml"}
			if slices.Contains(c.args, "both.hcl") {
				data = nil
			}
			args := slices.Concat(command[:1], data, c.args, command[1:])
			out, stderr, err := lictor(t, dir, args...)
			if err != nil || !strings.Contains(out, c.want) {
				t.Errorf("lictor %q prints %q, want %q: %v %s", args, out, c.want, err, stderr)
			}
		}
	}
	_, stderr, err := lictor(t, dir, "record", "-data", "data.yaml", "-consul-addr", server.Addr, "-o", "out.yaml", "t.ctmpl")
	if err == nil || !strings.Contains(stderr, "key(where?source=consul): a data file holds the answers of one source") || read(t, dir, "out.yaml") != "" {
		t.Errorf("answers of two sources are recorded: %v %s", err, stderr)
	}
	d := start(t, dir, "lictor", "try", "-data", "data.yaml", "-consul-addr", server.Addr, "t.ctmpl")
	d.waitPrinted("data consul data", 1)
	server.Put(t, "where", "changed")
	d.waitPrinted("+data changed data", 1)
	d.signal(syscall.SIGINT)
	if code := d.exit(patience); code != 0 {
		t.Errorf("lictor try ends with %d", code)
	}
}
