package examples

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/watch"
	"lictor/watch/file"
)

var update = flag.Bool("update", false, "write the golden files anew")

// render renders an example's template on its data file with more data layered over it.
func render(t *testing.T, name, overlay string) string {
	t.Helper()
	var d file.Data
	text := func(path string) string {
		b, err := Files.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for path, data := range map[string]string{name + "/data.yaml": text(name + "/data.yaml")} {
		if err := d.Merge(path, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if overlay != "" {
		if err := d.Merge("overlay.yaml", []byte(overlay)); err != nil {
			t.Fatal(err)
		}
	}
	tmpl, err := engine.Parse(name+".ctmpl", text(name+"/"+name+".ctmpl"), engine.Options{}, func(p *engine.Pass) template.FuncMap {
		return funcs.Map(t.Context(), p, funcs.Options{})
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := tmpl.Execute(func(q watch.Query) (any, bool) {
		answer, err := d.Answer(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		return answer, true
	})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete() {
		t.Fatalf("the template waits for %v %v", r.Missing.Sorted(), r.Unmet)
	}
	return string(r.Output)
}

// program finds a real program, or ends the test.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed: on Debian and Ubuntu, apt-get install %s", name, name)
	return ""
}

// golden compares with the golden file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what is rendered (go test ./examples -update writes it anew):\n%s", path, got)
	}
}

// accepts runs the real program's own check on a rendered file.
func accepts(t *testing.T, content, name string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "rendered")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, a := range args {
		args[i] = strings.NewReplacer("FILE", path, "DIR", dir).Replace(a)
	}
	if out, err := exec.CommandContext(t.Context(), program(t, name), args...).CombinedOutput(); err != nil {
		t.Errorf("%s does not accept this: %v\n%s\n%s", name, err, out, content)
	}
}

// Data that operators have sooner or later, and that must not break the rendered file.
var overlays = map[string]string{
	"as it is":        "",
	"nothing running": "services: {web: [], api: [], cart: [], db: []}",
	"no services":     "services: {web: null, api: null, cart: null, db: null}",
	"IPv6":            `services: {web: [{address: "fd00::1", port: 80, tags: [release, http]}]}`,
	"same id on two nodes": `services: {web: [{node: app-01, id: web, port: 80, tags: [release, http]},
		{node: app-02, id: web, port: 80, tags: [release, http]}]}`,
	"odd names":     `services: {"web_v2.x": [{address: 10.1.1.1, port: 80, tags: [http]}], web: [{id: "a b/c#d", node: app-01, port: 80, tags: [release, http]}]}`,
	"heavy weights": `services: {web: [{address: 10.1.1.1, port: 80, tags: [release, http], weights: {passing: 65535}}]}`,
	"tcp":           "kv: {service/haproxy/mode: tcp}",
	"more timeouts": "kv: {service/haproxy/timeouts: {tunnel: 1h, check: 2s, folder/: ''}}",
}

func TestHAProxy(t *testing.T) {
	golden(t, "haproxy/haproxy.cfg.golden", render(t, "haproxy", ""))
	for name, overlay := range overlays {
		t.Run(name, func(t *testing.T) {
			accepts(t, render(t, "haproxy", overlay), "haproxy", "-c", "-dW", "-f", "FILE")
		})
	}
}

func TestNginx(t *testing.T) {
	golden(t, "nginx/nginx.conf.golden", render(t, "nginx", ""))
	for name, overlay := range overlays {
		t.Run(name, func(t *testing.T) {
			accepts(t, render(t, "nginx", overlay), "nginx", "-t", "-q", "-p", "DIR", "-g", "pid DIR/pid; error_log stderr;", "-c", "FILE")
		})
	}
}
