package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/consultest"
	"lictor/watch"
)

// registerAt registers an instance of a service on a node, with a port.
func registerAt(t *testing.T, s *consultest.Server, service, node string, port int) {
	t.Helper()
	in := instanceOf(service, 0)
	in.Node, in.Port = node, port
	registry{s}.Register(t, in)
}

// portsAre waits until the first of a number of services have these ports.
func portsAre(t *testing.T, w *watch.Watcher, n, port int) {
	t.Helper()
	eventually(t, func() string {
		for i := range n {
			if q := (watch.Service{Name: fmt.Sprint("swept-", i)}); portOf(w, q) != port {
				return fmt.Sprintf("%s has port %d, want %d", q, portOf(w, q), port)
			}
		}
		return ""
	})
}

// TestSweepComesToAllNodes has more nodes than are read at once, and a change on each of them at the same time.
func TestSweepComesToAllNodes(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	const nodes, services = 83, 100
	want := watch.Set{}
	register := func(port int) {
		for i := range services {
			registerAt(t, server, fmt.Sprint("swept-", i), fmt.Sprint("swept-node-", i%nodes), port)
			want.Add(watch.Service{Name: fmt.Sprint("swept-", i)})
		}
	}
	register(1)
	tap := newTap(t, server)
	w := follow(t, open(t, Config{Address: tap.URL, Plan: PlanSweep, Wait: 5 * time.Minute}), want)
	portsAre(t, w, services, 1)
	register(2)
	portsAre(t, w, services, 2)
}

// TestNewNode has a service's instance on a node that was not there before, and that the list of nodes tells of only when
// what else tells of the instance is over.
func TestNewNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fake{index: 9, changed: make(chan struct{}), keys: map[string]string{}, services: map[string]int{}, passing: map[string]bool{}}
		want := watch.Set{}
		for i := range 30 {
			fake.services[fmt.Sprintf("s%d", i)] = 80
			want.Add(watch.Service{Name: fmt.Sprintf("s%d", i)})
		}
		var there, listed atomic.Bool // the new node
		answer := func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("X-Consul-Index", "12")
			switch there := there.Load(); {
			case r.URL.Path == "/v1/catalog/node-services/late":
				fmt.Fprintf(w, `{"Node":{"Node":"late"},"Services":[%s]}`, instance("s1", 81))
			case r.URL.Path == "/v1/health/service/s1" && there:
				fmt.Fprintf(w, `[{"Node":{"Node":"late"},"Service":%s,"Checks":[]}]`, instance("s1", 81))
			case r.URL.Path == "/v1/catalog/services" && waits(r) && there:
				fake.wait(r)
				if listed.Load() {
					hold(r)
				}
				fake.ServeHTTP(w, r)
			case r.URL.Path == "/v1/catalog/nodes" && listed.Load():
				if r.Form.Get("index") == "12" {
					hold(r)
				}
				fmt.Fprint(w, `[{"Node":"n"},{"Node":"late"}]`)
			default:
				fake.ServeHTTP(w, r)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := watch.New(overWire(t, Config{Plan: PlanSweep, Wait: time.Hour}, answer), slog.New(slog.DiscardHandler))
		w.Sync(ctx, want)
		q := watch.Service{Name: "s1"}
		within(t, time.Minute, func() string { return values(w, want, 80) })
		there.Store(true)
		fake.set(func() {})
		within(t, time.Minute, func() string { return values(w, want, 80) }) // all that is known was swept, and nothing found
		listed.Store(true)
		fake.set(func() {})
		within(t, time.Minute, func() string {
			if v, _ := w.Get(q); !strings.Contains(text(v), "Port:81") {
				return fmt.Sprintf("%s is %s", q, text(v))
			}
			return ""
		})
		cancel()
		w.Wait()
	})
}

// TestWhatChangedIsHeld looks at which nodes are held: those that have changed lately, as far as there are connections.
func TestWhatChangedIsHeld(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	want := watch.Set{}
	const services = 30
	for i := range services {
		registerAt(t, server, fmt.Sprint("swept-", i), fmt.Sprint("swept-node-", i%6), 1)
		want.Add(watch.Service{Name: fmt.Sprint("swept-", i)})
	}
	tap := newTap(t, server)
	w := follow(t, open(t, Config{Address: tap.URL, Plan: PlanSweep, Wait: 5 * time.Minute, MaxConnections: 20}), want)
	portsAre(t, w, services, 1)
	held := func(node int) bool {
		return tap.asks(fmt.Sprintf("/v1/catalog/node-services/swept-node-%d?", node), "index=")
	}
	for i := range 3 {
		registerAt(t, server, fmt.Sprint("swept-", i), fmt.Sprint("swept-node-", i), 2)
		portsAre(t, w, i+1, 2)
	}
	for i := range 3 {
		eventually(t, func() string {
			if !held(i) {
				return fmt.Sprintf("node %d has changed, and is not held", i)
			}
			return ""
		})
	}
	for i := 3; i < 6; i++ {
		if held(i) {
			t.Errorf("node %d has not changed, and is held", i)
		}
	}
	for i := range services { // on more nodes than can be held
		registerAt(t, server, fmt.Sprint("swept-", i), fmt.Sprint("swept-node-", i), 3)
	}
	for i := range services {
		q := watch.Service{Name: fmt.Sprint("swept-", i)}
		eventually(t, func() string {
			if v, _ := w.Get(q); !strings.Contains(text(v), "Port:3") {
				return fmt.Sprintf("%s is %s", q, text(v))
			}
			return ""
		})
	}
	if n := tap.held(); n > 20 {
		t.Errorf("%d queries are held", n)
	}
}
