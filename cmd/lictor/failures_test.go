package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// The tests of this file are the rows of docs/failure-modes.md: what a good file is worth when its registry fails.

// register registers an instance of web in the catalog, passing or critical.
func register(t *testing.T, s *consultest.Server, id, status string) {
	t.Helper()
	s.Register(t, &api.CatalogRegistration{
		Node: "n-" + id, Address: "10.0.0.1",
		Service: &api.AgentService{ID: id, Service: "web", Port: 80},
		Check:   &api.AgentCheck{Node: "n-" + id, CheckID: "c-" + id, Name: "c", Status: status, ServiceID: id},
	})
}

const passingTemplate = `{{range service "web"}}{{.ID}} {{end}}`

// settled waits until lictor has seen whatever was done to the registry before: a key is written that another template
// follows, and that is watched like everything else.
func settled(t *testing.T, s *consultest.Server, d *running, marker string) {
	t.Helper()
	s.Put(t, "marker", marker)
	d.file("marker", marker)
}

func TestTokenThatLosesItsRightsBlanksNothing(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{ACL: true})
	const all = `key_prefix "" { policy = "read" } node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }`
	token := s.NewToken(t, all)
	register(t, s, "web-1", "passing")
	register(t, s, "web-2", "passing")
	s.Put(t, "conf/a", "1")
	s.Put(t, "marker", "0")
	dir := folder(t, map[string]string{
		"web.ctmpl": passingTemplate, "conf.ctmpl": `{{range ls "conf"}}{{.Key}}={{.Value}} {{end}}`, "marker.ctmpl": `{{key "marker"}}`,
	})
	// Consul holds a blocking query open whose answer has become empty, so the wait must be short to see it.
	write(t, dir, "wait.hcl", `block_query_wait = "1s"`)
	d := startWith(t, dir, []string{"CONSUL_HTTP_TOKEN=" + token}, "lictor", "-consul", s.Addr, "-config", "wait.hcl",
		"-template", "web.ctmpl:web", "-template", "conf.ctmpl:conf", "-template", "marker.ctmpl:marker")
	d.file("web", "web-1 web-2 ")
	d.file("conf", "a=1 ")

	s.SetRules(t, token, `key "marker" { policy = "read" }`)
	// A blocking query that is under way keeps the rights it began with, so it takes a change or two for the loss to show.
	change := 0
	eventually(t, "an answer is doubted", func() bool {
		change++
		register(t, s, "web-3", []string{"passing", "critical"}[change%2])
		s.Put(t, "conf/b", fmt.Sprint(change))
		return strings.Contains(d.printed(), "answer not believed")
	})
	settled(t, s, d, "1")
	if web, conf := read(t, dir, "web"), read(t, dir, "conf"); !strings.HasPrefix(web, "web-1 web-2 ") || !strings.HasPrefix(conf, "a=1 ") {
		t.Errorf("the good files have become %q and %q", web, conf)
	}
	// A run that knows nothing of before believes no more than that.
	webBefore, confBefore := read(t, dir, "web"), read(t, dir, "conf")
	for name, template := range map[string]string{"web": "web.ctmpl:web", "conf": "conf.ctmpl:conf"} {
		again := startWith(t, dir, []string{"CONSUL_HTTP_TOKEN=" + token}, "lictor", "-consul", s.Addr, "-once", "-template", template)
		if code := again.exit(patience); code != exitRuntime || !strings.Contains(again.printed(), "access rules hide all") {
			t.Errorf("-once on %s: exit code %d, %q", name, code, again.printed())
		}
	}
	if web, conf := read(t, dir, "web"), read(t, dir, "conf"); web != webBefore || conf != confBefore {
		t.Errorf("-once has made %q and %q of the good files", web, conf)
	}
	if strings.Contains(d.printed(), token) {
		t.Error("the token was printed")
	}

	s.SetRules(t, token, all)
	register(t, s, "web-3", "passing")
	register(t, s, "web-4", "passing")
	s.Put(t, "conf/b", "2")
	s.Put(t, "conf/c", "3")
	d.file("web", "web-1 web-2 web-3 web-4 ")
	d.file("conf", "a=1 b=2 c=3 ")
}

// Many tokens may see only some services: what goes away among those is gone, although all their answers are cut.
func TestTokenThatSeesAPartSeesItShrink(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{ACL: true})
	token := s.NewToken(t, `node_prefix "" { policy = "read" } service_prefix "web" { policy = "read" }`)
	for _, name := range []string{"web-a", "web-b", "hidden"} {
		s.Register(t, &api.CatalogRegistration{Node: "n", Address: "10.0.0.1", Service: &api.AgentService{ID: name, Service: name}})
	}
	dir := folder(t, map[string]string{"all.ctmpl": `{{range services}}{{.Name}} {{end}}`})
	d := startWith(t, dir, []string{"CONSUL_HTTP_TOKEN=" + token}, "lictor", "-consul", s.Addr, "-template", "all.ctmpl:all")
	d.file("all", "web-a web-b ")
	s.Deregister(t, &api.CatalogDeregistration{Node: "n", ServiceID: "web-b"})
	d.file("all", "web-a ")
}

func TestTrustedEmptyAnswerRenders(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{})
	register(t, s, "web-1", "passing")
	dir := folder(t, map[string]string{"web.ctmpl": `[` + passingTemplate + `]`})
	d := start(t, dir, "lictor", "-consul", s.Addr, "-template", "web.ctmpl:web")
	d.file("web", "[web-1 ]")
	s.Deregister(t, &api.CatalogDeregistration{Node: "n-web-1"})
	d.file("web", "[]")
}

func TestRegistryThatIsAwayOrComesBack(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{Persist: true})
	register(t, s, "web-1", "passing")
	dir := folder(t, map[string]string{"web.ctmpl": passingTemplate})
	d := start(t, dir, "lictor", "-consul", s.Addr, "-consul-retry-max-backoff", "500ms", "-template", "web.ctmpl:web")
	d.file("web", "web-1 ")
	s.Stop()
	d.waitPrinted("query failed, will retry", 1)
	if !d.alive() || read(t, dir, "web") != "web-1 " {
		t.Errorf("alive %v, file %q, while the registry is away", d.alive(), read(t, dir, "web"))
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	register(t, s, "web-2", "passing")
	d.file("web", "web-1 web-2 ")
}

func TestPartitionBlanksNothing(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{})
	register(t, s, "web-1", "passing")
	dir := folder(t, map[string]string{
		"web.ctmpl": passingTemplate, "marker.ctmpl": `{{file "marker.data"}}`, "marker.data": "0", "wait.hcl": `block_query_wait = "1s"`,
	})
	d := start(t, dir, "lictor", "-consul", s.Addr, "-consul-retry-max-backoff", "500ms", "-config", "wait.hcl",
		"-template", "web.ctmpl:web", "-template", "marker.ctmpl:marker")
	d.file("web", "web-1 ")
	d.file("marker", "0")
	// SIGSTOP is a partition: connections stay open, and nobody answers.
	if err := s.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// It is noticed when the wait of the query is over and its time is up, and lictor goes on rendering all the time.
	d.waitPrinted("no answer within", 1)
	write(t, dir, "marker.data", "1")
	d.file("marker", "1")
	if !d.alive() || read(t, dir, "web") != "web-1 " {
		t.Errorf("alive %v, file %q, during a partition", d.alive(), read(t, dir, "web"))
	}
	if err := s.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	register(t, s, "web-2", "passing")
	d.file("web", "web-1 web-2 ")
}

func TestGuardHoldsUntilTheSignal(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{})
	for i := range 4 {
		register(t, s, fmt.Sprint("web-", i), "passing")
	}
	s.Put(t, "marker", "0")
	dir := folder(t, map[string]string{
		"web.ctmpl": passingTemplate, "marker.ctmpl": `{{key "marker"}}`,
		"lictor.hcl": `
guard {
  services      = ["we*"]
  max_shrink    = "50%"
  min_instances = 2
}
template {
  source      = "web.ctmpl"
  destination = "web"
}
template {
  source      = "marker.ctmpl"
  destination = "marker"
}`,
	})
	d := start(t, dir, "lictor", "-consul", s.Addr, "-config", "lictor.hcl")
	d.file("web", "web-0 web-1 web-2 web-3 ")
	register(t, s, "web-3", "critical") // a quarter may go
	d.file("web", "web-0 web-1 web-2 ")
	for i := range 3 {
		register(t, s, fmt.Sprint("web-", i), "critical")
	}
	d.waitPrinted("GUARD: an answer is held back", 1)
	settled(t, s, d, "1")
	if got := strings.Fields(read(t, dir, "web")); len(got) < 2 {
		t.Errorf("the guard has let the file shrink to %q", got)
	}
	d.signal(syscall.SIGUSR1)
	d.file("web", "")
	d.waitPrinted(`level=INFO msg=state now="2 files current; 1 answer held back by a guard"`, 1)
}

func TestCacheRendersWhileTheRegistryIsAway(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{Persist: true})
	register(t, s, "web-1", "passing")
	s.Put(t, "k", "secret value")
	dir := folder(t, map[string]string{"web.ctmpl": passingTemplate + `{{key "k"}}`})
	args := []string{"-consul", s.Addr, "-cache", "cache", "-consul-retry-max-backoff", "300ms", "-template", "web.ctmpl:web"}
	d := start(t, dir, "lictor", append(args, "-once")...)
	if code := d.exit(patience); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	s.Stop()
	write(t, dir, "web", "")
	d = start(t, dir, "lictor", append(args, "-once")...)
	if code := d.exit(patience); code != exitStale || read(t, dir, "web") != "web-1 secret value" {
		t.Errorf("exit code %d, file %q, without the registry; want %d", code, read(t, dir, "web"), exitStale)
	}
	write(t, dir, "web", "")
	d = start(t, dir, "lictor", args...)
	d.file("web", "web-1 secret value")
	d.waitPrinted("the last known data stands in", 1)
	if strings.Contains(d.printed(), "secret") {
		t.Error("a value was printed")
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	register(t, s, "web-2", "passing")
	d.file("web", "web-1 web-2 secret value")

	write(t, dir, "cache/answers.json", "{damaged")
	d = start(t, dir, "lictor", append(args, "-once")...)
	if code := d.exit(patience); code != exitOK || !strings.Contains(d.printed(), "the cache is not used") {
		t.Errorf("exit code %d with a damaged cache", code)
	}
}

// haproxyTemplate takes its connection limit from the registry, and so can be broken from there.
const haproxyTemplate = `global
  maxconn {{key "maxconn"}}
  stats socket DIR/haproxy.sock mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
listen web
  bind 127.0.0.1:PORT
  http-request return status 200 content-type text/plain string "limit {{key "maxconn"}}"
`

func TestBadValueDoesNotReachHAProxy(t *testing.T) {
	t.Parallel()
	needs(t, "haproxy")
	s := consultest.Start(t, consultest.Options{})
	s.Put(t, "maxconn", "100")
	port := freePort(t)
	dir := t.TempDir()
	write(t, dir, "haproxy.ctmpl", strings.NewReplacer("DIR", dir, "PORT", port).Replace(haproxyTemplate))
	write(t, dir, "lictor.hcl", strings.ReplaceAll(`
template {
  source      = "haproxy.ctmpl"
  destination = "haproxy.cfg"
  check       = "haproxy -c -f {{.Staged}}"
  command     = "kill -USR2 $(cat DIR/haproxy.pid) || haproxy -W -D -p DIR/haproxy.pid -f DIR/haproxy.cfg"
  rollback    = true
}`, "DIR", dir))
	d := start(t, dir, "lictor", "-consul", s.Addr, "-config", "lictor.hcl")
	t.Cleanup(func() {
		if pid := read(t, dir, "haproxy.pid"); pid != "" {
			_ = exec.Command("kill", "-KILL", strings.Fields(pid)[0]).Run() // its workers end with it
		}
	})
	url := "http://127.0.0.1:" + port
	answers(t, url, "limit 100")
	s.Put(t, "maxconn", "one hundred")
	d.waitPrinted("check failed", 1)
	answers(t, url, "limit 100")
	if !strings.Contains(read(t, dir, "haproxy.cfg"), "maxconn 100\n") || !strings.Contains(read(t, dir, "haproxy.cfg.rejected"), "one hundred") {
		t.Error("the bad configuration is in place, or was not kept for a look")
	}
	if !strings.Contains(d.printed(), "cannot handle unexpected argument") {
		t.Error("the log does not have the reason, which is what HAProxy says")
	}
	if strings.Contains(d.printed(), "hundred") {
		t.Error("the log has the value that HAProxy quotes")
	}
	s.Put(t, "maxconn", "200")
	answers(t, url, "limit 200")
}

// freePort finds a port that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	// Not one of those that the kernel gives to connections: it would be taken before its server comes to it.
	const first, many, each = 15000, 15000, 64
	for range many {
		n := int(nextPort.Add(1))
		port := strconv.Itoa(first + (os.Getpid()*each+n)%many)
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// nextPort counts the ports that this test binary has taken.
var nextPort atomic.Int64

// takenPort is a port that somebody else listens on until the test ends.
func takenPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// needs skips a test on a machine without a program; in CI that is a failure.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI has to have it", program)
	}
	t.Skipf("%s is not installed: apt-get install %s", program, program)
}

// get is what a server answers, "" when it does not.
func get(url string) string {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	r, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

// answers waits until a server answers with want.
func answers(t *testing.T, url, want string) {
	t.Helper()
	eventually(t, url+" answers "+want, func() bool { return get(url) == want })
}

// HAProxy's own check can't see that a port is taken: only the reload finds out, and the previous files come back.
func TestReloadThatHAProxyRefusesIsRolledBack(t *testing.T) {
	t.Parallel()
	needs(t, "haproxy")
	s := consultest.Start(t, consultest.Options{})
	port := freePort(t)
	taken := takenPort(t)
	s.Put(t, "maxconn", "100")
	s.Put(t, "port", port)
	dir := t.TempDir()
	write(t, dir, "haproxy.ctmpl", strings.NewReplacer("DIR", dir, "PORT", `{{key "port"}}`).Replace(haproxyTemplate))
	write(t, dir, "lictor.hcl", strings.ReplaceAll(`
template {
  source       = "haproxy.ctmpl"
  destination  = "haproxy.cfg"
  commit_group = "haproxy"
  check        = "haproxy -c -f {{.Staged}}"
  command      = "haproxy -D -p DIR/haproxy.pid -f DIR/haproxy.cfg -sf $(cat DIR/haproxy.pid 2>/dev/null)"
  rollback     = true
}
template {
  contents     = "port {{key \"port\"}}\n"
  destination  = "note"
  commit_group = "haproxy"
}`, "DIR", dir))
	d := start(t, dir, "lictor", "-consul", s.Addr, "-config", "lictor.hcl")
	t.Cleanup(func() {
		for _, pid := range strings.Fields(read(t, dir, "haproxy.pid")) {
			_ = exec.Command("kill", "-KILL", pid).Run()
		}
	})
	url := "http://127.0.0.1:" + port
	answers(t, url, "limit 100")
	s.Put(t, "port", taken)
	d.waitPrinted("the previous files are back", 1)
	answers(t, url, "limit 100")
	d.file("note", "port "+port+"\n") // the other file of the group is back as well
	if rejected := read(t, dir, "haproxy.cfg.rejected"); !strings.Contains(rejected, taken) {
		t.Errorf("what was rejected is not kept: %q", rejected)
	}
	s.Put(t, "port", port)
	s.Put(t, "maxconn", "300")
	answers(t, url, "limit 300")
}
