package watch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
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

// A guard without services covers every list, and one with services nothing but their instances.
func TestGuardWithoutServicesCoversEveryList(t *testing.T) {
	lists := map[watch.Query][2]any{
		watch.Prefix{Path: "p"}:          {[]*watch.KeyPair{{Key: "a"}, {Key: "b"}, {Key: "c"}}, []*watch.KeyPair{{Key: "a"}}},
		watch.Services{}:                 {[]*watch.ServiceName{{Name: "a"}, {Name: "b"}, {Name: "c"}}, []*watch.ServiceName{{Name: "a"}}},
		watch.Nodes{}:                    {[]*watch.Node{{ID: "a"}, {ID: "b"}, {ID: "c"}}, []*watch.Node{{ID: "a"}}},
		watch.CatalogService{Name: "db"}: {[]*watch.CatalogInstance{{ID: "a"}, {ID: "b"}, {ID: "c"}}, []*watch.CatalogInstance{{ID: "a"}}},
		watch.Service{Name: "db"}:        {instances(3, 0), instances(1, 0)},
	}
	for name, guard := range map[string]watch.Guard{"every list": {MaxShrink: 0.5}, "a service": {Services: []string{"web"}, MaxShrink: 0.5}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = []watch.Guard{guard}
				all := watch.Set{}
				for q, list := range lists {
					all.Add(q)
					s.Set(q, list[0])
				}
				w.Sync(ctx, all)
				synctest.Wait()
				stands := 1
				if guard.Services == nil {
					stands = 0
				}
				for q, list := range lists {
					s.Set(q, list[1])
					synctest.Wait()
					if got, _ := w.Get(q); !reflect.DeepEqual(got, list[stands]) {
						t.Errorf("%s is %v, want %v", q, got, list[stands])
					}
				}
			})
		})
	}
}

// Instances that go one after the other are one fall, unless that takes longer than the window.
func TestGuardSeesManyStepsAsOneFall(t *testing.T) {
	web := watch.Service{Name: "web"}
	for _, c := range []struct {
		name  string
		guard watch.Guard
		every time.Duration
		want  int
	}{
		{"fast", watch.Guard{MaxShrink: 0.5}, 10 * time.Millisecond, 5},
		{"within a minute, without hold", watch.Guard{MaxShrink: 0.5}, 11 * time.Second, 5},
		{"slowly, without hold", watch.Guard{MaxShrink: 0.5}, 62 * time.Second, 1},
		{"within a long hold", watch.Guard{MaxShrink: 0.5, Hold: 10 * time.Minute}, 110 * time.Second, 5},
		{"slower than a long hold", watch.Guard{MaxShrink: 0.5, Hold: 10 * time.Minute}, 11 * time.Minute, 1},
		{"the least number", watch.Guard{MinInstances: 3}, 10 * time.Millisecond, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = []watch.Guard{c.guard}
				s.Set(web, instances(10, 0))
				w.Sync(ctx, set(web))
				for n := 9; n > 0 && w.Stale() == 0; n-- {
					time.Sleep(c.every)
					s.Set(web, instances(n, 0))
					synctest.Wait()
				}
				if got := passing(w, web); got != c.want {
					t.Errorf("%d stand, want %d", got, c.want)
				}
			})
		})
	}
}

// What is held back for ever is so also when the peak that it is compared with is older than the window, and what was
// released is the truth from then on.
func TestGuardComparesWithThePeakUntilReleased(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5}}
		w.Sync(ctx, set(web))
		set := func(n, critical, want int) {
			t.Helper()
			s.Set(web, instances(n, critical))
			synctest.Wait()
			if got := passing(w, web); got != want {
				t.Errorf("%d of %d stand, want %d", got, n, want)
			}
		}
		set(4, 0, 4)
		set(2, 0, 2)
		set(1, 0, 2)
		time.Sleep(time.Hour)
		set(1, 1, 2)
		set(3, 0, 3) // three of four are a recovery
		set(2, 0, 2)
		set(1, 0, 2)
		w.Release()
		synctest.Wait()
		set(1, 1, 1)
		set(2, 0, 2)
		set(1, 2, 1) // the three are forgotten
	})
}

// However many steps a fall has, what is remembered of it is small; and nothing is of a query that no guard covers.
func TestGuardRemembersLittle(t *testing.T) {
	web, db := watch.Service{Name: "web"}, watch.Service{Name: "db"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{Services: []string{"web"}, MaxShrink: 0.9, Hold: time.Hour}}
		w.Sync(ctx, set(web, db))
		for n := 400; n > 100; n-- {
			time.Sleep(20 * time.Second)
			s.Set(web, instances(n, 0))
			s.Set(db, instances(n, 0))
			synctest.Wait()
		}
		known := w.Known()
		if n := len(known[web].Peaks); n < 30 || n > 61 {
			t.Errorf("%d peaks are remembered", n)
		}
		if n := len(known[db].Peaks); n > 0 {
			t.Errorf("%d peaks are remembered of what is not guarded", n)
		}
	})
}

// What was known when an earlier run ended is what the first answer of this one is compared with: a restart of ours in the
// middle of a hold does not let the small answer through.
func TestGuardRemembersByTheCache(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5, Hold: time.Minute}}
		w.Fallback = map[watch.Query]watch.Known{web: {Answer: instances(10, 0)}}
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

// A hold ends by the clock: what begins anew, by a reload of the configuration or with a cache, goes on where the last run was.
func TestHoldGoesOnInTheNextRun(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5, Hold: time.Minute}}
		s.Set(web, instances(10, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		for _, n := range []int{7, 5, 4} {
			w.Take()
			s.Set(web, instances(n, 0))
			synctest.Wait()
		}
		if !w.Take().Has(web) || w.Stale() != 1 {
			t.Error("nobody was told that an answer is held back, and so it would not be kept")
		}
		known := w.Known()
		for i, want := range []struct{ stand, stale int }{{5, 1}, {5, 1}, {4, 0}} { // three more runs, of 25 s each
			time.Sleep(25 * time.Second)
			runCtx, stop := context.WithCancel(ctx)
			next := watch.New(s, slog.New(slog.NewTextHandler(log, nil)))
			next.Guards, next.Fallback = w.Guards, known
			next.Sync(runCtx, set(web))
			synctest.Wait()
			if got := passing(next, web); got != want.stand || next.Stale() != want.stale {
				t.Errorf("run %d: %d stand, %d stale, want %v", i, got, next.Stale(), want)
			}
			stop()
			next.Wait()
			if known = next.Known(); i == 0 {
				known = throughCache(t, next)
			}
		}
		if !known[web].HeldSince.IsZero() {
			t.Error("it is still held after the hold")
		}
		if n := strings.Count(log.String(), "GUARD: an answer is held back"); n != 3 {
			t.Errorf("it was held back in %d runs, want 3: the last has nothing to wait for", n)
		}
	})
}

// A recovery is known to the next run, lest it take the next fall for one that has been held back for long enough.
func TestHoldBeginsAnewAfterARecovery(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5, Hold: time.Minute}}
		s.Set(web, instances(10, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		s.Set(web, nil)
		synctest.Wait()
		w.Take()
		s.Set(web, instances(10, 0))
		synctest.Wait()
		if !w.Take().Has(web) || !throughCache(t, w)[web].HeldSince.IsZero() {
			t.Error("the recovery is not kept")
		}
	})
}

// When the clock was set back since, a hold and what a guard remembers are not longer for that.
func TestGuardAfterTheClockWasSetBack(t *testing.T) {
	web, db := watch.Service{Name: "web"}, watch.Service{Name: "db"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		later := time.Now().Add(time.Hour)
		w.Guards = []watch.Guard{{MaxShrink: 0.5, Hold: time.Minute}}
		w.Fallback = map[watch.Query]watch.Known{
			web: {Answer: instances(10, 0), Past: watch.Past{HeldSince: later}},
			db:  {Answer: instances(7, 0), Past: watch.Past{Peaks: []watch.Peak{{Size: 10, Until: later}}}},
		}
		s.Set(web, instances(1, 0))
		s.Set(db, instances(6, 0))
		w.Sync(ctx, set(web, db))
		synctest.Wait()
		if got := passing(w, web); got != 10 {
			t.Errorf("%d of web stand at first", got)
		}
		time.Sleep(61 * time.Second)
		s.Set(db, instances(4, 0)) // of the 6 there are, not of 10
		synctest.Wait()
		if web, db := passing(w, web), passing(w, db); web != 1 || db != 4 {
			t.Errorf("%d of web and %d of db stand after a minute, want 1 and 4", web, db)
		}
	})
}
