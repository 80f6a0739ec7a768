package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"
)

// webFile is a data file with so many instances of web.
func webFile(n int) string {
	text := "services:\n  web:\n    {"
	for i := range n {
		text += fmt.Sprintf("web-%d: 10.0.0.%d:80, ", i, i+1)
	}
	return text + "}\n"
}

// guarded makes a folder with four instances of web, and a template of them that a guard watches over.
func guarded(t *testing.T, guard string) (dir string) {
	t.Helper()
	return folder(t, map[string]string{
		"data.yaml": webFile(4), "web.ctmpl": passingTemplate, "lictor.hcl": guard + `
cache = "cache"
data  = ["data.yaml"]
template {
  source      = "web.ctmpl"
  destination = "web"
}`,
	})
}

const fourInstances = "web-0 web-1 web-2 web-3 "

func TestGuardSeesInstancesThatGoOneByOne(t *testing.T) {
	t.Parallel()
	s := sharedConsul.Server(t)
	for i := 1; i <= 4; i++ {
		s.Register(t, instance("onebyone", i))
	}
	s.Put(t, "onebyone/marker", "0")
	dir := folder(t, map[string]string{
		"out.ctmpl": `{{range service "onebyone"}}{{.ID}} {{end}}`, "marker.ctmpl": `{{key "onebyone/marker"}}`,
		"lictor.hcl": `
guard {
  services   = ["onebyone"]
  max_shrink = "50%"
}
template {
  source      = "out.ctmpl"
  destination = "out"
}
template {
  source      = "marker.ctmpl"
  destination = "marker"
}`,
	})
	d := start(t, dir, "lictor", "-consul", s.Addr, "-config", "lictor.hcl")
	for i := 4; i > 2; i-- {
		want := ""
		for n := 1; n <= i; n++ {
			want += fmt.Sprintf("onebyone-%d ", n)
		}
		d.file("out", want)
		s.Deregister(t, &api.CatalogDeregistration{Node: fmt.Sprintf("onebyone-node-%d", i)})
	}
	d.file("out", "onebyone-1 onebyone-2 ")
	s.Deregister(t, &api.CatalogDeregistration{Node: "onebyone-node-2"})
	d.waitPrinted("GUARD: an answer is held back", 1)
	s.Put(t, "onebyone/marker", "1")
	d.file("marker", "1")
	if got := read(t, dir, "out"); got != "onebyone-1 onebyone-2 " {
		t.Errorf("the guard has let the file shrink to %q", got)
	}
	s.Register(t, instance("onebyone", 3))
	d.file("out", "onebyone-1 onebyone-3 ")
}

// A reload of the configuration neither lets go what is held back, nor holds it for longer.
func TestHoldOutlivesReloads(t *testing.T) {
	t.Parallel()
	guard := func(hold string) string { return "guard {\n  max_shrink = \"50%\"\n  hold = \"" + hold + "\"\n}\n" }
	dir := guarded(t, guard("1h"))
	config := strings.Replace(read(t, dir, "lictor.hcl"), `cache = "cache"`, "", 1) // memory is enough
	write(t, dir, "lictor.hcl", config)
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("web", fourInstances)
	write(t, dir, "data.yaml", webFile(1))
	d.waitPrinted("GUARD: an answer is held back", 1)
	d.signal(syscall.SIGHUP)
	d.waitPrinted("GUARD: an answer is held back", 2)
	if got := read(t, dir, "web"); got != fourInstances {
		t.Errorf("the reload has let the file shrink to %q", got)
	}
	d.signal(syscall.SIGUSR1)
	d.file("web", "web-0 ")

	write(t, dir, "data.yaml", webFile(4))
	d.file("web", fourInstances)
	write(t, dir, "lictor.hcl", strings.Replace(config, "1h", "3s", 1))
	d.signal(syscall.SIGHUP)
	d.waitPrinted("reloading the configuration", 2)
	write(t, dir, "data.yaml", webFile(1))
	reloads := 2
	eventually(t, "the hold ends, although the configuration is read again all the time", func() bool {
		d.signal(syscall.SIGHUP)
		reloads++
		d.waitPrinted("reloading the configuration", reloads)
		return read(t, dir, "web") == "web-0 "
	})
}

// A job that runs with -once every now and then holds an answer back for as long as a daemon does.
func TestHoldEndsBetweenRunsWithOnce(t *testing.T) {
	t.Parallel()
	dir := guarded(t, "guard {\n  max_shrink = \"50%\"\n  hold = \"2s\"\n}\n")
	once := func() (code int, printed string) {
		d := start(t, dir, "lictor", "-once", "-config", "lictor.hcl")
		return d.exit(patience), d.printed()
	}
	if code, printed := once(); code != exitOK || read(t, dir, "web") != fourInstances {
		t.Fatalf("exit code %d, file %q\n%s", code, read(t, dir, "web"), printed)
	}
	write(t, dir, "data.yaml", webFile(1))
	held, said := 0, "" // the hold may end while one runs, which then says so, and that what it has rendered is stale
	eventually(t, "the hold ends", func() bool {
		code, printed := once()
		said += printed
		switch got := read(t, dir, "web"); {
		case code == exitStale && got == fourInstances && strings.Contains(printed, "GUARD: an answer is held back"):
			held++
			return false
		case code == exitOK && got == "web-0 " && strings.Contains(said, "held for long enough"):
			return true
		default:
			t.Fatalf("exit code %d, file %q\n%s", code, got, printed)
			return false
		}
	})
	if held == 0 {
		t.Error("it was never held back")
	}
	if code, printed := once(); code != exitOK || printed != "" {
		t.Errorf("exit code %d after the hold\n%s", code, printed)
	}
}

// A daemon that is started again holds an answer back from when the one before began to, and steps down before and after the
// restart are one fall.
func TestHoldOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := guarded(t, "guard {\n  max_shrink = \"50%\"\n  hold = \"1h\"\n}\n")
	stop := func(d *running) {
		d.signal(syscall.SIGTERM)
		if code := d.exit(patience); code != exitOK {
			t.Fatalf("exit code %d", code)
		}
	}
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("web", fourInstances)
	write(t, dir, "data.yaml", webFile(2))
	d.file("web", "web-0 web-1 ")
	stop(d)
	if err := os.Remove(filepath.Join(dir, "web")); err != nil {
		t.Fatal(err)
	}
	d = start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("web", "web-0 web-1 ")
	write(t, dir, "data.yaml", webFile(1))
	d.waitPrinted("1 are left of the 4 that there were within 1h0m0s", 1)
	stop(d)
	since := heldSince(t, dir)
	d = start(t, dir, "lictor", "-config", "lictor.hcl")
	d.waitPrinted("GUARD: an answer is held back", 1)
	stop(d)
	if again := heldSince(t, dir); since == "" || again != since {
		t.Errorf("held since %q, after the restart since %q", since, again)
	}
	if got := read(t, dir, "web"); got != "web-0 web-1 " {
		t.Errorf("the file has become %q", got)
	}
}

// heldSince is what the cache says about since when an answer is held back.
func heldSince(t *testing.T, dir string) string {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, dir, "cache/answers.json"), `"HeldSince":"`)
	since, _, _ := strings.Cut(rest, `"`)
	return since
}

// Without a list of services a guard watches over every list.
func TestGuardOfEverything(t *testing.T) {
	t.Parallel()
	const all = `{{range ls "k"}}{{.Key}} {{end}}|{{range services}}{{.Name}} {{end}}|{{range nodes}}{{.Node}} {{end}}`
	dir := folder(t, map[string]string{
		"data.yaml": "kv: {k/a: 1, k/b: 2, k/c: 3}\nservices: {x: {x1: 10.0.0.1:1}, y: {y1: 10.0.0.1:2}, z: {z1: 10.0.0.1:3}}\nnodes: {n1: 10.1.0.1, n2: 10.1.0.2, n3: 10.1.0.3, n4: 10.1.0.4, n5: 10.1.0.5}\n",
		"in.ctmpl":  all,
		"lictor.hcl": `
guard {
  max_shrink = "50%"
}
data = ["data.yaml"]
template {
  source      = "in.ctmpl"
  destination = "out"
}`,
	})
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	eventually(t, "it is rendered", func() bool { return read(t, dir, "out") != "" })
	before := read(t, dir, "out")
	write(t, dir, "data.yaml", "kv: {k/a: 1}\nservices: {x: {x1: 10.0.0.1:1}}\nnodes: {n1: 10.1.0.1}\n")
	d.waitPrinted("GUARD: an answer is held back", 3)
	if got := read(t, dir, "out"); got != before {
		t.Errorf("%q has become %q", before, got)
	}
	d.signal(syscall.SIGUSR1)
	eventually(t, "it is let go", func() bool {
		got := read(t, dir, "out")
		return strings.HasPrefix(got, "a |x |") && !strings.Contains(got, "n2")
	})
}
