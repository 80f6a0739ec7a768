package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lictor/watch"
)

// TestWhatCameAndWent has a service read while something is there that comes and goes between two looks at the lists, so that
// these do not tell of its end; and has it read so late that the lists were looked at again before the answer came.
func TestWhatCameAndWent(t *testing.T) {
	for _, plan := range []string{PlanNodes, PlanSweep} {
		for ghost := range ghosts {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprint(plan, " ", ghost, " late ", late), func(t *testing.T) {
					t.Parallel()
					f := newFake(t)
					for i := range 60 {
						f.services[fmt.Sprintf("s%d", i)] = 1
					}
					var hold atomic.Bool
					reading, release := make(chan struct{}), make(chan struct{})
					f.instead = func(w http.ResponseWriter, r *http.Request) bool {
						if r.URL.Path != "/v1/health/node/n" || !hold.CompareAndSwap(true, false) {
							return false
						}
						f.mu.Lock()
						body, _ := f.body(r)
						f.mu.Unlock()
						close(reading)
						<-release
						fmt.Fprint(w, body)
						return true
					}
					w := watch.New(open(t, Config{Address: f.URL, Plan: plan}), slog.New(slog.DiscardHandler))
					ctx, cancel := context.WithCancel(t.Context())
					t.Cleanup(func() { cancel(); w.Wait() })
					want, s1 := watch.Set{}, watch.Service{Name: "s1"}
					for i := range 60 {
						want.Add(watch.Service{Name: fmt.Sprintf("s%d", i)})
					}
					w.Sync(ctx, want)
					haunted := func() string {
						v, _ := w.Get(s1)
						return text(v)
					}
					is := func(ghost bool, port string) func() string {
						return func() string {
							if got := haunted(); strings.Contains(got, "ghost") != ghost || !strings.Contains(got, "Port:"+port) {
								return fmt.Sprintf("ghost %t, port %s wanted in %s", ghost, port, got)
							}
							return ""
						}
					}
					eventually(t, is(false, "1"))
					settled := func() string { // all lists wait for what comes after now
						f.mu.Lock()
						after := fmt.Sprintf("index=%d&", f.index)
						f.mu.Unlock()
						lists := []string{"state/critical?", "catalog/nodes?", "node-services/n?"}
						if plan == PlanSweep {
							lists[2] = "catalog/services?"
						}
						for _, list := range lists {
							if !f.asks(list, after) {
								return list + " does not wait yet"
							}
						}
						return ""
					}
					eventually(t, settled)
					hold.Store(late)
					f.set(func() { f.services["s1"], f.ghost = 2, ghost })
					if late {
						<-reading
					} else {
						eventually(t, is(true, "2"))
					}
					eventually(t, settled)
					f.set(func() { f.ghost = "" })
					if late {
						eventually(t, settled)
						close(release)
					}
					eventually(t, is(false, "2"))
				})
			}
		}
	}
}

// asks tells whether a request contains both texts.
func (r *requests) asks(a, b string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, asked := range r.asked {
		if strings.Contains(asked, a) && strings.Contains(asked, b) {
			return true
		}
	}
	return false
}

// TestOwnAnswerFromBetween has a query that is read by itself beside mirrored nodes, and sees what came and went between two reads of
// its node: it is read once more when the node is.
func TestOwnAnswerFromBetween(t *testing.T) {
	own := watch.Service{Name: "s1", Filter: `ServiceID != ""`}
	for _, plan := range []string{PlanNodes, PlanSweep} {
		t.Run(plan, func(t *testing.T) {
			var between atomic.Bool
			answer := func(f *fake, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v1/catalog/nodes" && waits(r) { // what has changed is on the node, and not in the list of nodes
					hold(r)
				}
				if r.URL.Path != "/v1/health/service/s1" || !between.Swap(false) {
					return false
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				w.Header().Set("X-Consul-Index", strconv.FormatUint(f.index, 10))
				fmt.Fprintf(w, `[{"Node":{"Node":"n"},"Service":%s,"Checks":[]}]`, instance("s1", 99))
				return true
			}
			want := services(20)
			want.Add(own)
			beside(t, 20, Config{Plan: plan}, want, answer, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
				within(t, 30*time.Second, func() string { return values(w, services(20), 80) })
				between.Store(true)
				f.set(func() { f.services["s1"] = 81 })
				within(t, 3*time.Second, func() string {
					if between.Load() {
						return "it was not read between"
					}
					return ""
				})
				f.set(func() { f.services["s2"] = 81 })
				within(t, 3*time.Second, func() string {
					if port := portOf(w, own); port != 81 {
						return fmt.Sprintf("%s has port %d, want 81", own, port)
					}
					return ""
				})
			})
		})
	}
}
