package watch_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
	"lictor/watch/watchtest"
)

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
		if n := strings.Count(log.String(), heldBack); n != 1 {
			t.Errorf("it was said %d times", n)
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
			var said bytes.Buffer
			next := watch.New(s, slog.New(slog.NewTextHandler(&said, nil)))
			next.Guards, next.Fallback = w.Guards, known
			next.Sync(runCtx, set(web))
			synctest.Wait()
			if got := passing(next, web); got != want.stand || next.Stale() != want.stale {
				t.Errorf("run %d: %d stand, %d stale, want %v", i, got, next.Stale(), want)
			}
			stop()
			next.Wait()
			if got := strings.Contains(said.String(), heldBack); got != (want.stale > 0) {
				t.Errorf("run %d: that an answer is held back was said: %v", i, got)
			}
			if known = next.Known(); i == 0 {
				known = throughCache(t, next)
			}
		}
		if !known[web].HeldSince.IsZero() {
			t.Error("it is still held after the hold")
		}
		if n := strings.Count(log.String(), heldBack); n != 1 {
			t.Errorf("the first run said %d times that an answer is held back", n)
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

// When no guard holds a smaller answer back any more, since the configuration has changed, a later one does not take its fall
// for one that has been held back for long enough.
func TestHoldIsForgottenWithItsGuard(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]watch.Known{web: {Answer: instances(10, 0), Past: watch.Past{HeldSince: time.Now().Add(-time.Second)}}}
		s.Set(web, instances(1, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		if got := passing(w, web); got != 1 || !w.Known()[web].HeldSince.IsZero() {
			t.Errorf("%d stand, held since %v", got, w.Known()[web].HeldSince)
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

			services: {Answer: list("db", "web"), Past: watch.Past{GoneSince: map[string]time.Time{"db": later}}},
		}
		s.Set(services, list("web"))
		s.Set(web, instances(1, 0))
		s.Set(db, instances(6, 0))
		w.Sync(ctx, set(web, db, services))
		wantListed(t, w, "at first", "db web")
		if got := passing(w, web); got != 10 {
			t.Errorf("%d of web stand at first", got)
		}
		time.Sleep(61 * time.Second)
		wantListed(t, w, "after a minute", "web")
		s.Set(db, instances(4, 0)) // of the 6 there are, not of 10
		synctest.Wait()
		if web, db := passing(w, web), passing(w, db); web != 1 || db != 4 {
			t.Errorf("%d of web and %d of db stand after a minute, want 1 and 4", web, db)
		}
	})
}
