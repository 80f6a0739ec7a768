package consul

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lictor/watch"
)

// stays makes sure that nothing wrong comes within a while.
func stays(t *testing.T, wrong func() string) {
	t.Helper()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if what := wrong(); what != "" {
			t.Fatal(what)
		}
	}
}

// TestLateReads has reads under way while their query is dropped and wanted again, or moves to another place: what they bring
// is older than what is known by then, and changes nothing.
func TestLateReads(t *testing.T) {
	a := watch.Service{Name: "s1"}
	for _, c := range []struct {
		name, plan string
		want       watch.Set
		between    []watch.Set
	}{
		{"dropped and wanted again", PlanShared, watch.Set{a: {}, watch.Service{Name: "s2"}: {}}, []watch.Set{{watch.Service{Name: "s2"}: {}}, {a: {}, watch.Service{Name: "s2"}: {}}}},
		{"in a rota", PlanPoll, watch.Set{a: {}}, []watch.Set{{}, {a: {}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			for i := range 60 {
				f.services[fmt.Sprintf("s%d", i)] = 1
			}
			var reads atomic.Int64
			release := make(chan struct{})
			f.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v1/health/service/s1" || reads.Add(1) > 1 {
					return false
				}
				fmt.Fprintf(w, `[{"Node":{"Node":"n"},"Service":%s}]`, instance("s1", 1))
				w.(http.Flusher).Flush()
				<-release // its end is on its way
				return true
			}
			w := watch.New(open(t, Config{Address: f.URL, Plan: c.plan}), slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(t.Context())
			t.Cleanup(func() { cancel(); w.Wait() })
			w.Sync(ctx, c.want)
			eventually(t, func() string {
				if reads.Load() == 0 {
					return "s1 was not read"
				}
				return ""
			})
			f.set(func() { f.services["s1"] = 2 })
			for _, want := range c.between {
				w.Sync(ctx, want)
			}
			eventually(t, func() string {
				if p := portOf(w, a); p != 2 && reads.Load() > 1 {
					return fmt.Sprintf("the port is %d, want 2", p)
				}
				return ""
			})
			close(release)
			eventually(t, func() string {
				if p := portOf(w, a); p != 2 {
					return fmt.Sprintf("the port is %d, want 2", p)
				}
				return ""
			})
			stays(t, func() string {
				if p := portOf(w, a); p != 2 {
					return fmt.Sprintf("a late read makes the port %d", p)
				}
				return ""
			})
		})
	}
}

// A collector is a planner that only keeps the seats.
type collector struct {
	watch.Source
	seats chan map[watch.Query]*watch.Seat
}

func (c *collector) Follow(ctx context.Context, changes <-chan watch.Change) {
	c.seats <- (<-changes).Add
	<-ctx.Done()
}

// seat makes a Watcher that wants q, and q's seat.
func seat(t *testing.T, q watch.Query) (*watch.Watcher, *watch.Seat) {
	c := &collector{seats: make(chan map[watch.Query]*watch.Seat, 1)}
	w := watch.New(c, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); w.Wait() })
	w.Sync(ctx, watch.Set{q: {}})
	return w, (<-c.seats)[q]
}

// TestMoves has a query that moves to another place: whatever its old crew still says of it comes too late.
func TestMoves(t *testing.T) {
	q := watch.Service{Name: "s1"}
	w, old := seat(t, q)
	p := newPlanner(open(t, Config{Address: "127.0.0.1:1"}))
	ctx, cancel := context.WithCancel(t.Context())
	at := place{kind: inFleet}
	p.want[q], p.places[q] = old, at
	p.crews[at] = running{newFleet(p, at.scope), func() {}}
	p.arrange(ctx)
	cancel()
	p.wg.Wait()
	if p.places[q].kind != inSingle {
		t.Fatalf("s1 is at %v", p.places[q])
	}
	old.Report(watch.Answer{Value: []*watch.ServiceInstance{}})
	if v, ok := w.Get(q); ok {
		t.Errorf("the answer of the fleet that s1 has left counts: %v", v)
	}
	p.want[q].Report(watch.Answer{Value: []*watch.ServiceInstance{}})
	if _, ok := w.Get(q); !ok {
		t.Error("the answer of the place that s1 is at does not count")
	}
}

// TestLateBunch has a ring, and a fleet, that still have something old to tell of a query that has moved.
func TestLateBunch(t *testing.T) {
	q := watch.Key{Path: "app/1"}
	w, old := seat(t, q)
	pair := func(value string) *watch.KeyPair { return &watch.KeyPair{Path: q.Path, Key: q.Path, Value: value} }
	r := newRing(newPlanner(open(t, Config{})), place{})
	old.Move().Report(watch.Answer{Value: pair("new")})
	b := &bunch{pairs: []*watch.KeyPair{pair("old")}, byPath: map[string]*watch.KeyPair{q.Path: pair("old")}}
	r.settle(t.Context(), b, []*watch.Seat{old}, ringBook{values: map[*watch.Seat]any{}, hidden: map[*watch.Seat]time.Time{}})
	valueIs(t, w, q.Path, "new")

	s := watch.Service{Name: "s1"}
	w, old = seat(t, s)
	fake := newFake(t)
	fake.services["s1"] = 1
	f := newFleet(newPlanner(open(t, Config{Address: fake.URL})), watch.Scope{})
	defer f.p.client.http.closeIdle()
	f.change([]*watch.Seat{old}, nil)
	old.Move().Report(watch.Answer{Value: []*watch.ServiceInstance{{Port: 2}}})
	f.readService(t.Context(), "s1", f.members["s1"])
	if p := portOf(w, s); p != 2 {
		t.Errorf("the port is %d, want 2", p)
	}
}

// TestSecondReadFails has an answer that is not believed, and then no better one: the next that is the same, and may be
// believed, counts.
func TestSecondReadFails(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{PlanShared, PlanPoll} {
		f := newFake(t)
		f.services["s1"] = 1
		a := watch.Service{Name: "s1"}
		w := follow(t, open(t, Config{Address: f.URL, Plan: plan}), watch.Set{a: {}})
		answered(t, w, watch.Set{a: {}})
		reads := 0
		f.set(func() {
			f.services["s1"] = 2
			f.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v1/health/service/s1" {
					return false
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				switch reads++; reads {
				case 1:
					w.Header().Set("X-Consul-KnownLeader", "false")
				case 2:
					w.WriteHeader(http.StatusInternalServerError)
					return true
				}
				return false
			}
		})
		eventually(t, func() string {
			if p := portOf(w, a); p != 2 {
				return fmt.Sprintf("plan %s: the port is %d, want 2", plan, p)
			}
			return ""
		})
		// Then reads fail, and after that nothing has changed: that is an answer, too.
		f.set(func() {
			f.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v1/health/service/s1" {
					return false
				}
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
			f.services["s1"] = 3
		})
		eventually(t, func() string {
			if w.Err(a) == nil {
				return fmt.Sprintf("plan %s: no error", plan)
			}
			return ""
		})
		f.set(func() { f.instead = nil; f.services["s1"] = 2 })
		eventually(t, func() string {
			if err := w.Err(a); err != nil {
				return fmt.Sprintf("plan %s: the error stays: %v", plan, err)
			}
			return ""
		})
	}
}

// TestStaleReadOfANode does not count as one that would have seen the change that is looked for.
func TestStaleReadOfANode(t *testing.T) {
	fake := newFake(t)
	f := newFleet(&planner{Source: open(t, Config{Address: fake.URL})}, watch.Scope{})
	defer f.p.client.http.closeIdle()
	f.nodes["n"] = &host{}
	since := time.Now()
	for _, c := range []struct {
		mode mode
		left int
	}{{stale, 1}, {leader, 0}} {
		if _, err := f.readNode(t.Context(), "n", c.mode, newCrowd()); err != nil {
			t.Fatal(err)
		}
		if left := f.allNodes(since); len(left) != c.left {
			t.Errorf("after a read in mode %d %v are left to be read, want %d", c.mode, left, c.left)
		}
	}
}

// TestServerGoesBack has a server that was replaced by one that is behind, with no failure in between: a key that it does not
// know yet is not gone. When the leader says so it is.
func TestServerGoesBack(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{PlanSingle, PlanShared, PlanPoll} {
		f := newFake(t)
		for i := range 3 {
			f.keys[fmt.Sprintf("app/%d", i)] = "dg=="
		}
		want := keySet([]string{"app/0", "app/1", "app/2"})
		w := follow(t, open(t, Config{Address: f.URL, Plan: plan, Wait: time.Second}), want)
		answered(t, w, want)
		f.set(func() {
			f.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Form.Has("consistent") {
					return false
				}
				w.Header().Set("X-Consul-Index", "2")
				w.WriteHeader(http.StatusNotFound)
				return true
			}
		})
		before := f.count("consistent")
		eventually(t, func() string {
			if n := f.count("consistent") - before; n < 3 {
				return fmt.Sprintf("plan %s: %d consistent reads", plan, n)
			}
			return ""
		})
		for q := range want {
			valueIs(t, w, q.(watch.Key).Path, "v")
		}
		f.set(func() { delete(f.keys, "app/1") })
		eventually(t, func() string {
			if v, _ := w.Get(watch.Key{Path: "app/1"}); v != (*watch.KeyPair)(nil) {
				return fmt.Sprintf("plan %s: app/1 is %v although the leader has none", plan, v)
			}
			return ""
		})
		valueIs(t, w, "app/2", "v")
	}
}

// TestBlankServer has a server that answers before it has read its log: with index 1, and nothing. That is not believed, by
// who has no answer yet nor by who has one.
func TestBlankServer(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			for i := range 60 {
				f.keys[fmt.Sprintf("app/%d", i)] = "dg=="
				f.services[fmt.Sprintf("s%d", i)] = 1
			}
			if way.plan != "" {
				way.want = watch.Set{watch.Key{Path: "app/1"}: {}, watch.Service{Name: "s1"}: {}, watch.Prefix{Path: "app"}: {}}
			}
			blank := func(w http.ResponseWriter, r *http.Request) bool {
				if r.Form.Has("consistent") {
					return false
				}
				w.Header().Set("X-Consul-Index", "1")
				switch {
				case r.Form.Has("keys"):
					return false // else there would be no ring
				case strings.HasPrefix(r.URL.Path, "/v1/kv/"):
					w.WriteHeader(http.StatusNotFound)
				case strings.Contains(r.URL.Path, "node-services"):
					fmt.Fprint(w, nobody)
				default:
					fmt.Fprint(w, `[]`)
				}
				return true
			}
			right := func(w *watch.Watcher) {
				t.Helper()
				for q := range way.want {
					switch v, ok := w.Get(q); v := v.(type) {
					case nil:
						if ok {
							t.Errorf("%s is nil", q)
						}
					case *watch.KeyPair:
						if v == nil || v.Value != "v" {
							t.Errorf("%s is %v", q, v)
						}
					case []*watch.KeyPair:
						if len(v) != 60 {
							t.Errorf("%s has %d keys", q, len(v))
						}
					case []*watch.ServiceInstance:
						if len(v) != 1 {
							t.Errorf("%s has %d instances", q, len(v))
						}
					}
				}
			}
			decided := func(w *watch.Watcher) {
				t.Helper()
				eventually(t, func() string {
					for q := range way.want {
						if _, ok := w.Get(q); !ok && w.Err(q) == nil {
							return fmt.Sprintf("%s has neither an answer nor an error", q)
						}
					}
					return ""
				})
			}
			f.instead = blank
			w := follow(t, open(t, Config{Address: f.URL, Plan: way.plan, Wait: time.Second}), way.want)
			decided(w)
			right(w)
			f.set(func() { f.instead = nil })
			answered(t, w, way.want)
			right(w)
			f.set(func() {
				f.instead = func(w http.ResponseWriter, r *http.Request) bool {
					w.WriteHeader(http.StatusInternalServerError)
					return true
				}
			})
			eventually(t, func() string {
				for q := range way.want {
					if w.Err(q) == nil {
						return fmt.Sprintf("%s has no error", q)
					}
				}
				return ""
			})
			f.set(func() { f.instead = blank })
			before := f.count("")
			eventually(t, func() string {
				if f.count("") < before+5 {
					return "nothing is asked any more"
				}
				return ""
			})
			stays(t, func() string { right(w); return "" })
		})
	}
}

// TestSettled has an answer out of the event stream that says less, and reads that do not see the change yet: what is older
// must not stand for it.
func TestSettled(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.services["s1"] = 1
	a := watch.Service{Name: "s1"}
	w := follow(t, open(t, Config{Address: f.URL, Plan: PlanSingle}), watch.Set{a: {}})
	answered(t, w, watch.Set{a: {}})
	reads := 0
	f.set(func() {
		f.instead = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/v1/health/service/s1" {
				return false
			}
			if !r.Form.Has("consistent") {
				w.Header().Set("X-Consul-Query-Backend", "streaming")
				w.Header().Set("X-Consul-Index", "20")
				if r.FormValue("index") == "20" {
					<-r.Context().Done()
				}
				fmt.Fprint(w, `[]`)
				return true
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if reads++; reads < 3 { // not yet
				w.Header().Set("X-Consul-Index", "10")
				return false
			}
			w.Header().Set("X-Consul-Index", "20")
			fmt.Fprint(w, `[]`)
			return true
		}
	})
	eventually(t, func() string {
		if v, _ := w.Get(a); len(v.([]*watch.ServiceInstance)) != 0 {
			return fmt.Sprintf("s1 is still %s", text(v))
		}
		return ""
	})
}

// TestReplacedDuringARest has a server replaced by one with a lower index while we rest, so that no request fails.
func TestReplacedDuringARest(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.keys["k"] = "dg=="
	s := open(t, Config{Address: f.URL})
	defer s.client.http.closeIdle()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e := keyEndpoint(watch.Key{Path: "k"})
	decode := e.decode
	e.decode = func(r io.Reader) (any, error) { return decode(r) }
	e.toll = 30 * time.Millisecond // for each byte, so that it rests after the first answer
	var got []string
	err := s.follow(ctx, e, func(r result) error {
		got = append(got, r.Value.(*watch.KeyPair).Value)
		if len(got) == 1 {
			f.set(func() { f.keys["k"] = "bmV3"; f.index = 3 - 1 })
			return nil
		}
		cancel()
		return nil
	})
	if len(got) != 2 || got[1] != "new" {
		t.Errorf("%q was read until %v, want the new value", got, err)
	}
}
