package consul

import (
	"fmt"
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
	a := watch.Service{Name: "s1", Filter: "Service.Port > 0"} // which is read by itself
	for _, c := range []struct {
		name, plan string
		want       watch.Set
		between    []watch.Set
	}{
		{"dropped and wanted again", PlanShared, watch.Set{a: {}, watch.Service{Name: "s2"}: {}}, []watch.Set{{watch.Service{Name: "s2"}: {}}, {a: {}, watch.Service{Name: "s2"}: {}}}},
		{"polled", PlanPoll, watch.Set{a: {}}, []watch.Set{{}, {a: {}}}},
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
