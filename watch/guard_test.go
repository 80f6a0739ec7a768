package watch_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
	"lictor/watch/watchtest"
)

// instances makes so many passing instances and so many critical ones.
func instances(passing, critical int) []*watch.ServiceInstance {
	var all []*watch.ServiceInstance
	for i := range passing + critical {
		status := watch.StatusPassing
		if i >= passing {
			status = watch.StatusCritical
		}
		all = append(all, &watch.ServiceInstance{ID: fmt.Sprint("i", i), Status: status})
	}
	return all
}

func passing(w *watch.Watcher, q watch.Query) int {
	n := 0
	answer, _ := w.Get(q)
	for _, i := range answer.([]*watch.ServiceInstance) {
		if i.Status == watch.StatusPassing {
			n++
		}
	}
	return n
}

func TestGuard(t *testing.T) {
	web, db := watch.Service{Name: "web"}, watch.Service{Name: "db"}
	half := watch.Guard{MaxShrink: 0.5, Hold: 5 * time.Minute}
	for _, c := range []struct {
		name          string
		guard         watch.Guard
		query         watch.Service
		before, after []*watch.ServiceInstance
		held          bool
	}{
		{"a small fall", half, web, instances(10, 0), instances(5, 0), false},
		{"a great fall", half, web, instances(10, 0), instances(4, 0), true},
		{"to nothing", half, web, instances(1, 0), nil, true},
		{"gone critical", half, web, instances(10, 0), instances(1, 9), true},
		{"growth", half, web, instances(1, 0), instances(10, 0), false},
		{"too few are left", watch.Guard{MinInstances: 2}, web, instances(3, 0), instances(1, 0), true},
		{"enough are left", watch.Guard{MinInstances: 2}, web, instances(3, 0), instances(2, 0), false},
		{"there were never more", watch.Guard{MinInstances: 2}, web, instances(1, 0), instances(1, 1), false},
		{"another service", watch.Guard{Services: []string{"w*"}, MaxShrink: 0.5}, db, instances(10, 0), nil, false},
		{"this service", watch.Guard{Services: []string{"w*"}, MaxShrink: 0.5}, web, instances(10, 0), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = []watch.Guard{c.guard}
				s.Set(c.query, c.before)
				w.Sync(ctx, set(c.query))
				synctest.Wait()
				s.Set(c.query, c.after)
				synctest.Wait()
				want := 0
				for _, i := range c.after {
					if i.Status == watch.StatusPassing {
						want++
					}
				}
				stands := passing(w, c.query) != want
				if released := w.Release() > 0; stands != c.held || released != c.held {
					t.Errorf("the old answer stands: %v, one was held back: %v; want %v", stands, released, c.held)
				}
				if c.held && !strings.Contains(log.String(), "GUARD") {
					t.Error("it was not said")
				}
				synctest.Wait()
				if got := passing(w, c.query); got != want {
					t.Errorf("after the release there are %d, want %d", got, want)
				}
			})
		})
	}
}

func TestGuardLetsGoAfterHoldAndOnRecovery(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5, Hold: time.Minute}}
		s.Set(web, instances(10, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		s.Set(web, instances(1, 0))
		time.Sleep(59 * time.Second)
		s.Set(web, instances(2, 0)) // a further change does not extend the hold
		synctest.Wait()
		if got := passing(w, web); got != 10 {
			t.Fatalf("%d within the hold, want 10", got)
		}
		<-w.Changed()
		w.Take()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := passing(w, web); got != 2 {
			t.Errorf("%d after the hold, want the newest 2", got)
		}
		if !w.Take().Has(web) {
			t.Error("nobody was told")
		}

		s.Set(web, instances(10, 0))
		synctest.Wait()
		s.Set(web, nil)
		synctest.Wait()
		s.Set(web, instances(9, 0))
		synctest.Wait()
		if got := passing(w, web); got != 9 || w.Release() != 0 {
			t.Errorf("%d after the recovery, want 9 and nothing held", got)
		}
	})
}

// What was known when an earlier run ended is what the first answer of this one is compared with: a restart of ours in the
// middle of a hold does not let the small answer through.
func TestGuardRemembersByTheCache(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5, Hold: time.Minute}}
		w.Fallback = map[watch.Query]any{web: instances(10, 0)}
		s.Set(web, instances(1, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		if got := passing(w, web); got != 10 || w.Stale() != 1 {
			t.Errorf("%d, %d stale, within the hold; want the 10 of the cache", got, w.Stale())
		}
		time.Sleep(2 * time.Minute)
		if got := passing(w, web); got != 1 || w.Stale() != 0 {
			t.Errorf("%d, %d stale, after the hold", got, w.Stale())
		}
	})
}
