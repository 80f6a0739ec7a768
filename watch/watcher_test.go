package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lictor/internal/retry"
	"lictor/watch"
	"lictor/watch/watchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	a = watch.Key{Path: "a"}
	b = watch.Key{Path: "b"}
)

func set(queries ...watch.Query) watch.Set {
	s := watch.Set{}
	for _, q := range queries {
		s.Add(q)
	}
	return s
}

func pair(v string) *watch.KeyPair { return &watch.KeyPair{Value: v} }

// bubble runs a test in fake time with a Watcher on a scripted source, and waits for its goroutines at the end.
func bubble(t *testing.T, test func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &watchtest.Source{}
		log := &bytes.Buffer{}
		w := watch.New(s, slog.New(slog.NewTextHandler(log, nil)))
		test(t, ctx, s, w, log)
		cancel()
		w.Wait()
	})
}

func value(w *watch.Watcher, q watch.Query) string {
	v, ok := w.Get(q)
	if !ok {
		return "unknown"
	}
	if p := v.(*watch.KeyPair); p != nil {
		return p.Value
	}
	return "missing"
}

func woken(w *watch.Watcher) bool {
	select {
	case <-w.Changed():
		return true
	default:
		return false
	}
}

func TestSyncWatchesExactlyWhatIsWanted(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, _ *bytes.Buffer) {
		for _, want := range []watch.Set{set(a), set(a, b), set(b), {}, set(a)} {
			w.Sync(ctx, want)
			synctest.Wait()
			got := s.Watching()
			if fmt.Sprint(got.Sorted()) != fmt.Sprint(want.Sorted()) {
				t.Errorf("watched %v, want %v", got.Sorted(), want.Sorted())
			}
		}
		if n := s.Calls(b); n != 1 {
			t.Errorf("b was begun %d times, want once: it was wanted by two Syncs in a row", n)
		}
	})
}

func TestAnswersOfDroppedQueriesAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, _ *bytes.Buffer) {
		s.Set(a, pair("1"))
		w.Sync(ctx, set(a))
		synctest.Wait()
		w.Sync(ctx, nil)
		if got := value(w, a); got != "unknown" {
			t.Errorf("a = %s after it was dropped", got)
		}
		if len(w.Take()) != 0 {
			t.Error("a dropped query is reported as changed")
		}
	})
}

// lateSource reports once more after its context has ended.
type lateSource struct{ release chan struct{} }

func (s *lateSource) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(s.watch).Follow(ctx, changes)
}

func (s *lateSource) watch(ctx context.Context, _ watch.Query, report watch.Report) error {
	<-ctx.Done()
	<-s.release
	report(watch.Answer{Value: pair("late")})
	return ctx.Err()
}

func TestLateAnswerLandsInAnOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &lateSource{release: make(chan struct{})}
		w := watch.New(s, slog.New(slog.DiscardHandler))
		w.Sync(ctx, set(a))
		synctest.Wait()
		w.Sync(ctx, nil)
		w.Sync(ctx, set(a)) // wanted again: a new entry
		close(s.release)
		synctest.Wait()
		if got := value(w, a); got != "unknown" {
			t.Errorf("a = %s: the answer of the dropped query was taken for that of the new one", got)
		}
		cancel()
		w.Wait()
	})
}

func TestBurstIsOneWakeUp(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, _ *bytes.Buffer) {
		s.Set(a, pair("1"))
		s.Set(b, pair("1"))
		w.Sync(ctx, set(a, b))
		synctest.Wait()
		if !woken(w) || woken(w) {
			t.Error("want exactly one wake-up for two answers")
		}
		if got := w.Take(); len(got) != 2 {
			t.Errorf("Take = %v, want both", got.Sorted())
		}
		s.Set(a, pair("1")) // equal content
		synctest.Wait()
		if woken(w) || len(w.Take()) != 0 {
			t.Error("an equal answer woke the reader")
		}
		s.Set(a, pair("2"))
		synctest.Wait()
		if !woken(w) || fmt.Sprint(w.Take().Sorted()) != "[key(a)]" || value(w, a) != "2" {
			t.Error("a changed answer did not wake the reader")
		}
	})
}

// What Read gives is of one moment, that of the last Take, while Get is up to date.
func TestReadIsOfTheLastTake(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, _ *bytes.Buffer) {
		read := func(q watch.Query) string {
			v, ok, _ := w.Read(q)
			if !ok {
				return "unknown"
			}
			return v.(*watch.KeyPair).Value
		}
		s.Set(a, pair("1"))
		s.Set(b, pair("1"))
		w.Sync(ctx, set(a, b))
		synctest.Wait()
		if value(w, a) != "1" || read(a) != "unknown" {
			t.Errorf("before the first Take a is %s, and is read as %s", value(w, a), read(a))
		}
		for _, next := range []string{"2", "3"} {
			w.Take()
			was := read(a)
			s.Set(a, pair(next))
			synctest.Wait()
			if value(w, a) != next || read(a) != was || read(b) != "1" {
				t.Errorf("a is %s, and is read as %s, want %s until Take", value(w, a), read(a), was)
			}
		}
		if w.Take(); read(a) != "3" {
			t.Errorf("after Take a is read as %s", read(a))
		}
		w.Sync(ctx, set(b))
		if read(a) != "unknown" {
			t.Error("what is not watched is read")
		}
	})
}

// plannerSource is a scripted source that is told of all queries at once.
type plannerSource struct {
	watchtest.Source
	mu      sync.Mutex
	changes []watch.Change
	hold    chan struct{} // when set, Follow waits for it before it looks at changes
	subs    map[watch.Query]*watch.Subscription
}

func (s *plannerSource) Follow(ctx context.Context, changes <-chan watch.Change) {
	s.subs = map[watch.Query]*watch.Subscription{}
	if s.hold != nil {
		<-s.hold
	}
	for {
		select {
		case c := <-changes:
			s.mu.Lock()
			s.changes = append(s.changes, c)
			for _, sub := range c.Add {
				s.subs[sub.Query] = sub
			}
			s.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

func TestPlanner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, other := &plannerSource{hold: make(chan struct{})}, &watchtest.Source{}
		file := watch.File{Path: "f"}
		w := watch.New(watch.Route(func(q watch.Query) watch.Source {
			if q == watch.Query(file) {
				return other
			}
			return p
		}), slog.New(slog.DiscardHandler))
		w.Retry = watch.Retry{Attempts: 1, Backoff: retry.Backoff{First: time.Second}}
		w.Sync(ctx, set(a, file))
		w.Sync(ctx, set(b, file))
		w.Sync(ctx, set(a, b, file)) // a was dropped and is wanted again before the planner has seen anything
		synctest.Wait()
		close(p.hold)
		synctest.Wait()
		if len(p.changes) != 1 || len(p.changes[0].Drop) != 0 || len(p.changes[0].Add) != 2 || p.subs[a] == nil || p.subs[b] == nil {
			t.Errorf("changes = %v, want one that adds a and b", p.changes)
		}
		if got := other.Watching(); len(got) != 1 || !got.Has(file) {
			t.Errorf("the other source watches %v, want the file", got.Sorted())
		}

		p.subs[a].Report(watch.Answer{Value: pair("1")})
		if value(w, a) != "1" || !w.Take().Has(a) {
			t.Error("an answer did not arrive")
		}
		if d := p.subs[b].Failed(errors.New("no")); d < time.Second/2 || d > time.Second {
			t.Errorf("pause = %s", d)
		}
		if w.Err(b) == nil || w.GaveUp() != nil {
			t.Errorf("Err = %v, GaveUp = %v after one failure", w.Err(b), w.GaveUp())
		}
		p.subs[b].Failed(errors.New("no"))
		if w.GaveUp() == nil {
			t.Error("two failures with one retry: not given up")
		}
		w.Sync(ctx, set(a))
		synctest.Wait()
		if len(p.changes) != 2 || len(p.changes[1].Drop) != 1 || p.changes[1].Drop[0] != p.subs[b] || len(p.changes[1].Add) != 0 {
			t.Errorf("changes = %v, want a second that drops b", p.changes)
		}
		p.subs[b].Report(watch.Answer{Value: pair("1")})
		if value(w, b) != "unknown" || w.GaveUp() != nil {
			t.Error("a dropped query still counts")
		}

		old := p.subs[a]
		old.Report(watch.Answer{Value: pair("2")})
		w.Sync(ctx, nil)
		w.Sync(ctx, set(a))
		old.Report(watch.Answer{Value: pair("2")}) // was under way when the query was dropped
		if value(w, a) != "unknown" {
			t.Errorf("a = %s of before it was dropped and wanted again", value(w, a))
		}
		synctest.Wait()
		p.subs[a].Report(watch.Answer{Value: pair("3")})
		if value(w, a) != "3" {
			t.Errorf("a = %s, want 3", value(w, a))
		}
		cancel()
		w.Wait()
	})
}
