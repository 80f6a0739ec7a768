package consul

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
	"lictor/watch"
)

// fewServices registers services whose queries are more than a small budget, and makes queries of all kinds.
func fewServices(t *testing.T, server *consultest.Server, n int) (want watch.Set, change func(i int)) {
	r := registry{server}
	want = watch.Set{watch.Services{}: {}, watch.Nodes{}: {}, watch.Prefix{Path: "few/"}: {}}
	change = func(port int) {
		in := instanceOf(fmt.Sprintf("few-%d", port%n), 0)
		in.Node, in.Port = fmt.Sprint("few-node-", port%n%5), port
		r.Register(t, in)
		server.Put(t, fmt.Sprintf("few/%d/k", port%n), fmt.Sprint(port))
	}
	for i := range n {
		change(i)
		want.Add(watch.Service{Name: fmt.Sprintf("few-%d", i)})
		want.Add(watch.Service{Name: fmt.Sprintf("few-%d", i), Connect: true})
		want.Add(watch.Key{Path: fmt.Sprintf("few/%d/k", i)})
	}
	return want, change
}

// seen waits until a change that fewServices made is seen.
func seen(t *testing.T, w *watch.Watcher, n, port int) {
	t.Helper()
	eventually(t, func() string { return unseen(w, n, port) })
}

// unseen tells what does not show a change that fewServices made.
func unseen(w *watch.Watcher, n, port int) string {
	key := watch.Key{Path: fmt.Sprintf("few/%d/k", port%n)}
	v, _ := w.Get(key)
	if p, _ := v.(*watch.KeyPair); p == nil || p.Value != fmt.Sprint(port) {
		return fmt.Sprintf("%s is %+v, want %d", key, p, port)
	}
	v, _ = w.Get(watch.Service{Name: fmt.Sprintf("few-%d", port%n)})
	if list, _ := v.([]*watch.ServiceInstance); len(list) != 1 || list[0].Port != port {
		return fmt.Sprintf("few-%d is %s, want port %d", port%n, text(list), port)
	}
	return ""
}

// sampled calls what again and again until the test ends, and once more when most is called, which gives the most that it
// returned.
func sampled(t *testing.T, what func() int) (most func() int) {
	var highest atomic.Int64
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		for ctx.Err() == nil {
			highest.Store(max(highest.Load(), int64(what())))
			sleep(ctx, 5*time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return func() int { return max(int(highest.Load()), what()) }
}

// TestSmallBudgets has far more queries than connections, and waits that never end: all is answered, every change is seen,
// and there are never more sockets, in each protocol.
func TestSmallBudgets(t *testing.T) {
	const n = 30
	for _, budget := range []int{2, 3, 5, 9} {
		for _, p := range protocols {
			t.Run(fmt.Sprintf("%d, %s", budget, p), func(t *testing.T) {
				t.Parallel()
				server := consultest.Start(t, consultest.Options{TLS: p != plain})
				want, change := fewServices(t, server, n)
				f, secured := frontOf(t, server, p)
				c := Config{Address: f.addr, Stale: true, MaxConnections: budget, Wait: 5 * time.Minute, TLS: secured}
				most := sampled(t, func() int { return connectionsTo(t, f.addr) })
				w := follow(t, open(t, c), want)
				answered(t, w, want)
				for port := 1000; port < 1004; port++ {
					change(port)
					seen(t, w, n, port)
				}
				if most := most(); most < 1 || most > budget {
					t.Errorf("%d sockets, want at most %d", most, budget)
				}
			})
		}
	}
}

// TestManyScopes has services of twenty namespaces, which is more than there are slots for the lists of each.
func TestManyScopes(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	tap := newTap(t, server)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // this edition knows no namespaces
		query := r.URL.Query()
		query.Del("ns")
		r.URL.RawQuery = query.Encode()
		tap.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	r := registry{server}
	want := watch.Set{}
	for i := range 4 {
		r.Register(t, instanceOf(fmt.Sprint("scoped-", i), 0))
		for k := range 20 {
			want.Add(watch.Service{Name: fmt.Sprint("scoped-", i), Scope: watch.Scope{Namespace: fmt.Sprint("x", k)}})
		}
	}
	w := follow(t, open(t, Config{Address: front.URL, Wait: 5 * time.Minute}), want)
	answered(t, w, want)
	for i := range 4 {
		in := instanceOf(fmt.Sprint("scoped-", i), 0)
		in.Port = 4000 + i
		r.Register(t, in)
		eventually(t, func() string {
			for k := range 20 {
				q := watch.Service{Name: in.Service, Scope: watch.Scope{Namespace: fmt.Sprint("x", k)}}
				v, _ := w.Get(q)
				if list := v.([]*watch.ServiceInstance); len(list) != 1 || list[0].Port != in.Port {
					return fmt.Sprintf("%s in %s is %s", in.Service, q.Namespace, text(list))
				}
			}
			return ""
		})
	}
}

// TestLowLimit has an agent that accepts fewer connections than lists and reads need: that is said once, every change is seen
// although what is held open never ends, and no query is told of an error.
func TestLowLimit(t *testing.T) {
	for _, limit := range []int{12, 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			server := consultest.Start(t, consultest.Options{HCL: fmt.Sprintf("limits { http_max_conns_per_client = %d }\n", limit)})
			kept := &http.Transport{MaxConnsPerHost: 1} // we take all connections that there are, so the test keeps one for itself
			t.Cleanup(kept.CloseIdleConnections)
			agent, err := api.NewClient(&api.Config{Address: server.Addr, Transport: kept})
			if err != nil {
				t.Fatal(err)
			}
			const n = 100
			want := watch.Set{watch.Services{}: {}}
			register := func(i, port int) {
				name, node := fmt.Sprint("low-", i), fmt.Sprint("low-node-", i%20)
				_, err := agent.Catalog().Register(&api.CatalogRegistration{Node: node, Address: "10.0.0.1",
					Service: &api.AgentService{ID: name, Service: name, Port: port}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				want.Add(watch.Service{Name: name})
			}
			for i := range n {
				register(i, 1)
			}
			log := &lockedBuffer{}
			w := follow(t, open(t, Config{Address: server.Addr, Stale: true, Wait: 30 * time.Second, Log: slog.New(slog.NewTextHandler(log, nil))}), want)
			answered(t, w, want)
			for i := range 8 {
				register(i, 2)
				eventually(t, func() string {
					v, _ := w.Get(watch.Service{Name: fmt.Sprint("low-", i)})
					if list := v.([]*watch.ServiceInstance); len(list) != 1 || list[0].Port != 2 {
						return fmt.Sprintf("low-%d is %s", i, text(list))
					}
					return ""
				})
			}
			for q := range want {
				if err := w.Err(q); err != nil {
					t.Errorf("%s: %v", q, err)
				}
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "(429)") {
				t.Errorf("%d lines were logged, want one about 429:\n%s", n, log)
			}
		})
	}
}

// TestFewStreams has servers that let few requests share a connection: there are never more connections for that, and
// what finds no place is read in turn.
func TestFewStreams(t *testing.T) {
	for _, c := range []struct{ streams, connections, queries int }{{100, 64, 900}, {10, 64, 900}, {1, 64, 400}, {250, 2, 600}, {1, 2, 50}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Consul-Index", "9")
				if waits(r) {
					<-r.Context().Done()
					return
				}
				io.WriteString(w, aKey)
			}))
			server.EnableHTTP2 = true
			server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: c.streams}
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.StartTLS()
			t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
			want := watch.Set{}
			for i := range c.queries {
				want.Add(watch.Key{Path: fmt.Sprint(i)})
			}
			addr := server.Listener.Addr().String()
			most := sampled(t, func() int { return connectionsTo(t, addr) })
			w := follow(t, open(t, Config{Address: addr, TLS: TLS{Enabled: true, SkipVerify: true}, MaxConnections: c.connections, Plan: PlanSingle}), want)
			answered(t, w, want)
			for q := range want {
				if err := w.Err(q); err != nil {
					t.Fatalf("%s: %v", q, err)
				}
			}
			if most := most(); most < 1 || most > c.connections {
				t.Errorf("%d sockets, want at most %d", most, c.connections)
			}
		})
	}
}

// A front is a TCP proxy before a server.
type front struct {
	addr, target string
	mu           sync.Mutex
	conns        []*link
}

// A link is a connection through a front.
type link struct {
	client, server net.Conn
	dead           atomic.Bool // what comes is swallowed
}

// frontOf makes a front before one of the ports of a server.
func frontOf(t *testing.T, server *consultest.Server, p protocol) (*front, TLS) {
	addr, secured := p.reach(t, server)
	return newFront(t, addr), secured
}

func newFront(t *testing.T, target string) *front {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{addr: l.Addr().String(), target: target}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", f.target)
			if err != nil {
				client.Close()
				continue
			}
			c := &link{client: client, server: server}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			wg.Go(func() { c.pipe(client, server) })
			wg.Go(func() { c.pipe(server, client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.each(func(c *link) { c.client.Close(); c.server.Close() })
		wg.Wait()
	})
	return f
}

func (c *link) pipe(from, to net.Conn) {
	defer func() {
		if !c.dead.Load() {
			to.Close()
		}
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !c.dead.Load() {
			_, _ = to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// each calls do for all connections that there were so far.
func (f *front) each(do func(*link)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		do(c)
	}
}

// TestDeadConnections has connections that go silent, without an end, while new ones work; and ones of which only one half
// is closed. What changed meanwhile is seen within the bound of a silent peer, in each protocol.
func TestDeadConnections(t *testing.T) {
	for what, do := range map[string]func(*link){
		"stalled":     func(c *link) { c.dead.Store(true) },
		"half closed": func(c *link) { c.dead.Store(true); _ = c.client.(*net.TCPConn).CloseWrite() },
		"half lost":   func(c *link) { c.dead.Store(true); _ = c.server.Close() },
	} {
		for _, p := range protocols {
			t.Run(fmt.Sprintf("%s, %s", what, p), func(t *testing.T) {
				t.Parallel()
				server := consultest.Start(t, consultest.Options{TLS: p != plain})
				want, change := fewServices(t, server, 3)
				f, secured := frontOf(t, server, p)
				w := follow(t, open(t, Config{Address: f.addr, Wait: 2 * time.Second, TLS: secured}), want)
				answered(t, w, want)
				f.each(do)
				change(1000)
				patiently(t, 3*time.Minute, func() string { return unseen(w, 3, 1000) }) // a read may be under way, and then a query
			})
		}
	}
}

// TestGoroutines asks for thousands of services and keys: what is not held open has no goroutine of its own.
func TestGoroutines(t *testing.T) {
	server := shared.Server(t)
	want := watch.Set{}
	for i := range 5000 {
		want.Add(watch.Service{Name: fmt.Sprint("many-", i)})
		want.Add(watch.Key{Path: fmt.Sprintf("many/%d/k", i)})
		want.Add(watch.NodeServices{Name: fmt.Sprint("many-", i)})
	}
	before := runtime.NumGoroutine()
	most := sampled(t, runtime.NumGoroutine)
	w := follow(t, open(t, Config{Address: server.Addr, Stale: true}), want)
	answered(t, w, want)
	if n := most() - before; n > 5*defaultConnections { // a request has three: who waits for it, and two of its connection
		t.Errorf("%d goroutines for 15,000 queries", n)
	}
}

// TestChangesWhileTheAgentRestarts has clients that go on changing things while the agent goes down and comes up.
func TestChangesWhileTheAgentRestarts(t *testing.T) {
	for _, plan := range []string{PlanSingle, PlanNodes, PlanSweep, PlanPoll} {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			server := consultest.Start(t, consultest.Options{Persist: true})
			c := &churn{tb: t, s: server, rand: rand.New(rand.NewPCG(4, 4)), services: 12, nodes: 4, keys: 12, present: map[[2]int]bool{}}
			for range 40 {
				c.step()
			}
			want := c.queries()
			w := follow(t, open(t, Config{Address: server.Addr, Stale: true, Plan: plan}), want)
			same(t, server, w, want)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ { // what fails is lost, and that is what we must see too
					name := c.service(i % c.services)
					_, _ = server.Client.Catalog().Register(&api.CatalogRegistration{Node: c.node(i % c.nodes), Address: "10.1.0.9",
						Service: &api.AgentService{ID: name, Service: name, Port: i}}, nil)
					_, _ = server.Client.KV().Put(&api.KVPair{Key: c.key(i % c.keys), Value: bytes.Repeat([]byte("x"), i%50)}, nil)
					sleep(ctx, time.Millisecond)
				}
			})
			for range 2 {
				server.Kill()
				if err := server.Start(t.Context()); err != nil {
					t.Error(err)
				}
			}
			cancel()
			wg.Wait()
			same(t, server, w, want)
		})
	}
}

// TestBlindMirror has a gateway that refuses one of the lists that tell of changes: changes are seen nevertheless, and that is
// said once.
func TestBlindMirror(t *testing.T) {
	for _, list := range []string{"/v1/catalog/services", "/v1/health/state/warning", "/v1/health/state/critical"} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			server := consultest.Start(t, consultest.Options{})
			want, change := fewServices(t, server, 30)
			delete(want, watch.Services{}) // which would be told of it itself
			tap := newTap(t, server)
			var refused atomic.Bool
			gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if refused.Load() && r.URL.Path == list {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				tap.Config.Handler.ServeHTTP(w, r)
			}))
			t.Cleanup(func() { gateway.CloseClientConnections(); gateway.Close() })
			log := &lockedBuffer{}
			w := follow(t, open(t, Config{Address: gateway.URL, Plan: PlanSweep, Wait: time.Second, Log: slog.New(slog.NewTextHandler(log, nil))}), want)
			answered(t, w, want)
			refused.Store(true)
			eventually(t, func() string {
				if !strings.Contains(log.String(), "does not tell of changes") {
					return "nobody was told that " + list + " fails"
				}
				return ""
			})
			for port := 1000; port < 1003; port++ {
				change(port)
				seen(t, w, 30, port)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 {
				t.Errorf("%d lines were logged, want one:\n%s", n, log)
			}
		})
	}
}
