package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// TestRecoveryIsSpread has a Consul that is away for minutes, and then back, for five hundred queries: they don't all come at once, over TLS with
// HTTP/2, with HTTP/1.1, and without. Consul answers at once, so that nothing but our own patience spreads them.
func TestRecoveryIsSpread(t *testing.T) {
	const n = 500
	keys, services := watch.Set{}, watch.Set{}
	for i := range n {
		keys.Add(watch.Key{Path: fmt.Sprint("app/", i)})
		services.Add(watch.Service{Name: fmt.Sprint("s", i)})
	}
	for _, c := range []struct {
		plan string
		want watch.Set
	}{{PlanSingle, keys}, {PlanSingle, services}, {PlanPoll, services}, {PlanShared, keys}} {
		for _, p := range protocols {
			t.Run(fmt.Sprintf("%s of %T, %s", c.plan, c.want.Sorted()[0], p), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					line, s := newLine(t, Config{Plan: c.plan}, p)
					for i := range n {
						line.keys[fmt.Sprint("app/", i)], line.services[fmt.Sprint("s", i)] = "dg==", 80
					}
					var mu sync.Mutex
					var begun []time.Time
					line.refuse = func(w http.ResponseWriter, r *http.Request) bool {
						mu.Lock()
						defer mu.Unlock()
						begun = append(begun, time.Now())
						return false
					}
					ctx, cancel := context.WithCancel(t.Context())
					w := watch.New(s, slog.New(slog.DiscardHandler))
					w.Sync(ctx, c.want)
					within(t, 10*time.Second, func() string { return current(w, c.want, 80) })
					line.away(true)
					line.next(81)
					time.Sleep(2 * time.Minute)
					mu.Lock()
					begun = nil
					mu.Unlock()
					line.away(false)
					within(t, 3*time.Second, func() string { return current(w, c.want, 81) })
					mu.Lock()
					most, end := mostWithin(begun, 50*time.Millisecond)
					if most > n*3/5 { // each reads, and then holds: two fifths are due within a fifth of wakeSpread
						t.Errorf("%d requests within 50 ms, %s after Consul was back, of %d", most, end.Sub(begun[0]), len(begun))
					}
					mu.Unlock()
					cancel()
					w.Wait()
				})
			})
		}
	}
}

// TestRecoveryOfAMirror has a Consul that is away, and then back, for a thousand services that are followed together and have all
// changed: they are read a few at a time, and hardly any twice.
func TestRecoveryOfAMirror(t *testing.T) {
	const n, few = 1000, 8
	for _, plan := range []string{PlanNodes, PlanSweep} {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			want := watch.Set{}
			for i := range n {
				f.services[fmt.Sprint("s", i)] = 80
				want.Add(watch.Service{Name: fmt.Sprint("s", i)})
			}
			w := follow(t, open(t, Config{Address: f.URL, Plan: plan}), want)
			answered(t, w, want)
			f.set(func() { f.instead = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) } })
			f.next(81)
			eventually(t, func() string {
				for q := range want {
					if w.Err(q) == nil {
						return fmt.Sprintf("%s has no error", q)
					}
				}
				return ""
			})
			var mu sync.Mutex
			reads, now, most := 0, 0, 0
			f.set(func() {
				f.instead = func(_ http.ResponseWriter, r *http.Request) bool {
					if !waits(r) {
						mu.Lock()
						reads, now = reads+1, now+1
						most = max(most, now)
						mu.Unlock()
						sleep(r.Context(), 2*time.Millisecond) // so that those that come together are there together
						mu.Lock()
						now--
						mu.Unlock()
					}
					return false
				}
			})
			eventually(t, func() string { return current(w, want, 81) })
			mu.Lock()
			defer mu.Unlock()
			if most > few || reads > 3*n {
				t.Errorf("%d reads of %d services, %d at a moment, want at most %d", reads, n, most, few)
			}
		})
	}
}

// mostWithin tells how many of some moments lie within a time at most, and when the last of these ends.
func mostWithin(moments []time.Time, within time.Duration) (most int, end time.Time) {
	slices.SortFunc(moments, time.Time.Compare)
	first := 0
	for i, m := range moments {
		for m.Sub(moments[first]) >= within {
			first++
		}
		if n := i - first + 1; n > most {
			most, end = n, m
		}
	}
	return most, end
}
