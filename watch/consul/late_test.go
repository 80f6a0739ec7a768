package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

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
			synctest.Test(t, func(t *testing.T) {
				f, s := newLine(t, Config{Plan: c.plan}, plain)
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
				w := follow(t, s, c.want)
				synctest.Wait()
				if reads.Load() == 0 {
					t.Fatal("s1 was not read")
				}
				f.set(func() { f.services["s1"] = 2 })
				for _, want := range c.between {
					w.Sync(t.Context(), want)
				}
				right := func() string {
					if p := portOf(w, a); p != 2 {
						return fmt.Sprintf("the port is %d, want 2", p)
					}
					return ""
				}
				synctest.Wait()
				if what := right(); what != "" && reads.Load() > 1 {
					t.Error(what)
				}
				close(release)
				synctest.Wait()
				if p := portOf(w, a); p == 1 { // none, as long as nobody else could read it
					t.Error("a late read makes the port 1")
				}
				within(t, 5*time.Second, right)
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
	r.settle(t.Context(), b, []*watch.Seat{old}, ringBook{values: map[*watch.Seat]any{}, hidden: map[*watch.Seat]asking{}, alone: map[*watch.Seat]bool{}})
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
		if left := f.unreadNodes(since); len(left) != c.left {
			t.Errorf("after a read in mode %d %v are left to be read, want %d", c.mode, left, c.left)
		}
	}
}

// TestNodeOfAService has a node change on which a service has an instance: the service is read again, also when a query on it
// whose filter hides the instance was answered after it was dropped, and when there is no other query.
func TestNodeOfAService(t *testing.T) {
	for _, both := range []bool{true, false} {
		fake := newFake(t)
		fake.services["s1"] = 1
		f := newFleet(newPlanner(open(t, Config{Address: fake.URL})), watch.Scope{})
		if err := f.readNodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, filtered := seat(t, watch.Service{Name: "s1", Filter: "Node.Meta.rack == 2"})
		f.change([]*watch.Seat{filtered}, nil)
		hidden := f.members["s1"].queries[0]
		if both {
			_, plain := seat(t, watch.Service{Name: "s1"})
			f.change([]*watch.Seat{plain}, nil)
			f.readService(t.Context(), "s1", f.members["s1"])
			f.change(nil, []watch.Query{filtered.Query})
		} else if _, err := f.readNode(t.Context(), "n", leader, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := f.tell(t.Context(), hidden, result{Answer: watch.Answer{Value: []*watch.ServiceInstance{}}}, 0, false); err != nil {
			t.Fatal(err)
		}
		f.members["s1"].queued = false
		f.markOwner(owner{node: "n"})
		if !f.members["s1"].queued {
			t.Errorf("both %v: the service is not read again", both)
		}
	}
}
