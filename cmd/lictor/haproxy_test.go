package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// A serving is an HAProxy whose configuration lictor renders from Consul, with live web servers behind it, and clients in
// front that send requests all the time.
type serving struct {
	t        *testing.T
	consul   *consultest.Server
	dir      string
	url      string
	args     []string // lictor's, besides its configuration
	lictor   *running
	backends map[string]*httptest.Server // by instance
	clients  *clients
}

// A servingSetup says how a serving differs from the plain one.
type servingSetup struct {
	address  string   // where lictor finds Consul; "" is where it is
	config   string   // more for lictor's configuration
	template string   // more for the template block
	args     []string // more arguments for lictor
}

// servingTemplate has HAProxy tell at /servers which instances it knows, and try nothing twice, which would hide failures.
const servingTemplate = `global
  maxconn 500
defaults
  mode http
  retries 0
  timeout connect 10s
  timeout client 30s
  timeout server 30s
listen web
  bind 127.0.0.1:PORT
  http-request return status 200 content-type text/plain string "servers:{{range service "web"}} {{.ID}}{{end}}" if { path /servers }
{{- range service "web"}}
  server {{.ID}} {{.Address}}:{{.Port}}{{end}}
`

// servingReload reloads HAProxy, or starts it. HAProxy 2.6 loses a reload signal that comes while it handles another one, so
// it is sent until HAProxy has the file's instances, or those that the file had when it was sent.
const servingReload = `
wanted() { sed -n 's/.*string "\(.*\)" if.*/\1/p' DIR/haproxy.cfg; }
known() { exec 3<>/dev/tcp/127.0.0.1/PORT && printf 'GET /servers HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3; }
echo >>DIR/reloads
if ! kill -0 "$(cat DIR/haproxy.pid 2>&1)" 2>/dev/null; then
  exec haproxy -W -D -p DIR/haproxy.pid -f DIR/haproxy.cfg
fi
for ((try = 0; try < 200; try++)); do
  ((try % 10 == 0)) && sent=$(wanted) && kill -USR2 "$(cat DIR/haproxy.pid)"
  has=$(known)
  [[ $has == "$sent" || $has == "$(wanted)" ]] && exit
  sleep 0.05
done
exit 1
`

// serve sets up a serving with web-0, web-1 ... registered, and waits until clients are served.
func serve(t *testing.T, s *consultest.Server, instances int, setup servingSetup) *serving {
	t.Helper()
	needs(t, "haproxy")
	port := freePort(t)
	dir := t.TempDir()
	v := &serving{t: t, consul: s, dir: dir, url: "http://127.0.0.1:" + port, args: setup.args, backends: map[string]*httptest.Server{}}
	t.Cleanup(func() { // after the last request
		for _, b := range v.backends {
			b.Close()
		}
	})
	for i := range instances {
		v.register(fmt.Sprint("web-", i), "passing")
	}
	if setup.address == "" {
		setup.address = s.Addr
	}
	place := strings.NewReplacer("DIR", dir, "PORT", port, "ADDRESS", setup.address)
	write(t, dir, "haproxy.ctmpl", place.Replace(servingTemplate))
	write(t, dir, "reload", place.Replace(servingReload))
	write(t, dir, "lictor.hcl", place.Replace(`
log_level = "info"
consul {
  address = "ADDRESS"
  retry {
    max_backoff = "500ms"
  }
}
`+setup.config+`
template {
  source      = "haproxy.ctmpl"
  destination = "haproxy.cfg"
  check       = "haproxy -c -q -f {{.Staged}}"
  command     = "bash DIR/reload"
  `+setup.template+`
}`))
	t.Cleanup(func() {
		if pid := read(t, dir, "haproxy.pid"); pid != "" {
			_ = exec.Command("kill", "-KILL", strings.Fields(pid)[0]).Run() // its workers end with it
		}
	})
	v.startLictor()
	v.serves(v.names()...)
	v.clients = startClients(t, v.url)
	return v
}

// startLictor starts lictor, again.
func (v *serving) startLictor() {
	v.t.Helper()
	v.lictor = start(v.t, v.dir, "lictor", append([]string{"-config", "lictor.hcl"}, v.args...)...)
}

// names are those of all instances that were ever registered.
func (v *serving) names() []string {
	return slices.Sorted(maps.Keys(v.backends))
}

// register registers an instance of web with the status. Its web server, which answers with its name, lives until the
// test ends.
func (v *serving) register(name, status string) {
	v.t.Helper()
	if v.backends[name] == nil {
		v.backends[name] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	}
	port := v.backends[name].Listener.Addr().(*net.TCPAddr).Port
	v.consul.Register(v.t, &api.CatalogRegistration{
		Node: "n-" + name, Address: "127.0.0.1",
		Service: &api.AgentService{ID: name, Service: "web", Port: port},
		Check:   &api.AgentCheck{Node: "n-" + name, CheckID: "c-" + name, Name: "c", Status: status, ServiceID: name},
	})
}

// serves waits until HAProxy knows exactly these instances.
func (v *serving) serves(names ...string) {
	v.t.Helper()
	want := strings.Join(append([]string{"servers:"}, names...), " ")
	eventually(v.t, "HAProxy has "+want, func() bool { return get(v.url+"/servers") == want })
}

// reloads counts how often the command has begun, HAProxy's start included.
func (v *serving) reloads() int { return strings.Count(read(v.t, v.dir, "reloads"), "\n") }

// untouched fails the test when anything was rendered or reloaded since a time, where before is what snapshot returned then.
func (v *serving) untouched(before snapshot, during string) {
	v.t.Helper()
	if now := v.snapshot(); now != before {
		v.t.Errorf("%s: want no change, but of %+v has become %+v", during, before, now)
	}
	if !v.lictor.alive() {
		v.t.Errorf("%s: lictor has ended", during)
	}
}

// A snapshot is what must not change while nothing is rendered.
type snapshot struct {
	cfg     string
	reloads int
	written int64 // when, in nanoseconds: an identical file that was written again is seen
}

func (v *serving) snapshot() snapshot {
	v.t.Helper()
	return snapshot{read(v.t, v.dir, "haproxy.cfg"), v.reloads(), written(v.t, v.dir, "haproxy.cfg")}
}

// clients send requests to HAProxy, each on a connection of its own.
type clients struct {
	t *testing.T

	mu     sync.Mutex
	ended  int // requests
	failed []failedRequest
}

type failedRequest struct {
	begun time.Time
	why   string
}

func startClients(t *testing.T, url string) *clients {
	c := &clients{t: t}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		t.Logf("%d requests, %d of them failed", c.ended, len(c.failed))
	})
	for range 3 {
		wg.Go(func() {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
			for {
				begun := time.Now()
				c.note(begun, request(client, url))
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	return c
}

// request says what was wrong with the answer to a request, or "".
func request(client *http.Client, url string) string {
	r, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return err.Error()
	case r.StatusCode != http.StatusOK:
		return r.Status
	case !strings.HasPrefix(string(body), "web-"):
		return fmt.Sprintf("body %q", body)
	}
	return ""
}

func (c *clients) note(begun time.Time, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	if why != "" {
		c.failed = append(c.failed, failedRequest{begun, why})
	}
}

// goOn waits until so many more requests have ended.
func (c *clients) goOn(requests int) {
	c.t.Helper()
	count := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.ended
	}
	goal := count() + requests
	eventually(c.t, fmt.Sprint(requests, " more requests are answered"), func() bool { return count() >= goal })
}

// allServed fails the test if any request failed.
func (c *clients) allServed() {
	c.t.Helper()
	c.servedBut(time.Time{}, time.Time{}, "")
}

// servedBut fails the test if a request failed, but for those that began in a span of time and failed for the given reason.
// It returns how many those are.
func (c *clients) servedBut(from, to time.Time, why string) (excused int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	bad := 0
	for _, f := range c.failed {
		if f.why == why && f.begun.After(from) && f.begun.Before(to) {
			excused++
			continue
		}
		if bad++; bad <= 5 {
			c.t.Errorf("a request at %s failed: %s", f.begun.Format(time.TimeOnly), f.why)
		}
	}
	if bad > 0 {
		c.t.Errorf("%d of %d requests failed", bad, c.ended)
	}
	return excused
}
