package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

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

func (s *lateSource) Watch(ctx context.Context, _ watch.Query, report watch.Report) error {
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

func TestRetry(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Retry = watch.Retry{Attempts: 3, Backoff: time.Second, MaxBackoff: 4 * time.Second}
		s.Fail(a, errors.New("registry on fire"))
		w.Sync(ctx, set(a))
		// Pauses of 0.5 to 1, 1 to 2, and 2 to 4 seconds lie between four attempts.
		for _, at := range []struct {
			after    time.Duration
			min, max int
		}{{0, 1, 1}, {400 * time.Millisecond, 1, 1}, {time.Second, 2, 2}, {4 * time.Second, 3, 4}, {7*time.Second + time.Millisecond, 4, 5}} {
			time.Sleep(at.after - time.Since(began(t)))
			synctest.Wait()
			if n := s.Calls(a); n < at.min || n > at.max {
				t.Errorf("after %s: %d attempts, want %d to %d", at.after, n, at.min, at.max)
			}
		}
		if err := w.Err(a); err == nil || err.Error() != "registry on fire" {
			t.Errorf("Err = %v", err)
		}
		if err := w.GaveUp(); err == nil || !strings.Contains(err.Error(), "key(a): registry on fire") {
			t.Errorf("GaveUp = %v", err)
		}
		s.Set(a, pair("1"))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if value(w, a) != "1" || w.Err(a) != nil || w.GaveUp() != nil {
			t.Errorf("after it was mended: a = %s, Err = %v, GaveUp = %v", value(w, a), w.Err(a), w.GaveUp())
		}
		if n := strings.Count(log.String(), "registry on fire"); n != 1 {
			t.Errorf("the error was logged %d times above debug, want once:\n%s", n, log)
		}
	})
}

// began is when the bubble's clock started.
func began(*testing.T) time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// deadSource fails at once, and notes when it was asked.
type deadSource struct {
	mu    sync.Mutex
	calls map[time.Duration]int // since the beginning
}

func (s *deadSource) Watch(context.Context, watch.Query, watch.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[time.Since(began(nil))]++
	return errors.New("away")
}

// TestPausesDiffer has many queries fail at the same moment: they don't come back at the same moment.
func TestPausesDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &deadSource{calls: map[time.Duration]int{}}
		w := watch.New(s, slog.New(slog.DiscardHandler))
		w.Retry = watch.Retry{Backoff: time.Second}
		want := watch.Set{}
		for i := range 100 {
			want.Add(watch.Key{Path: fmt.Sprint(i)})
		}
		w.Sync(ctx, want)
		time.Sleep(time.Second)
		cancel()
		w.Wait()
		times := map[time.Duration]int{}
		for at, n := range s.calls {
			if at == 0 {
				continue
			}
			if at < 500*time.Millisecond || n > 20 {
				t.Errorf("%d came back after %s", n, at)
			}
			times[at.Truncate(100*time.Millisecond)] += n
		}
		if len(times) < 5 {
			t.Errorf("they came back in %v", times)
		}
	})
}

// shakySource answers, and fails some time later.
type shakySource struct {
	stands time.Duration
	err    error
	calls  []time.Time
}

func (s *shakySource) Watch(_ context.Context, _ watch.Query, report watch.Report) error {
	s.calls = append(s.calls, time.Now())
	report(watch.Answer{Value: pair(fmt.Sprint(len(s.calls)))})
	time.Sleep(s.stands)
	return s.err
}

// TestFailuresAfterAnswers has a source that fails soon after each answer: it is asked ever more seldom, but never gets more
// seldom than answers are of use; and at once where an answer stood for a while, or where somebody has made a mistake that is
// mended soon.
func TestFailuresAfterAnswers(t *testing.T) {
	const first = 250 * time.Millisecond
	cut := errors.New("cut")
	for _, c := range []struct {
		stands   time.Duration
		err      error
		min, max time.Duration // between an end and the next call, from the sixth on
	}{
		{0, cut, 8 * first, 16 * first},
		{time.Second, cut, 8 * first, 16 * first},
		{11 * time.Second, cut, first / 2, first},
		{0, watch.Permanent(cut), first / 2, first},
		{time.Second, watch.Permanent(cut), first / 2, first},
	} {
		t.Run(fmt.Sprintf("%s, permanent %t", c.stands, watch.IsPermanent(c.err)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				s := &shakySource{stands: c.stands, err: c.err}
				w := watch.New(s, slog.New(slog.DiscardHandler))
				w.Sync(ctx, set(a))
				time.Sleep(5 * time.Minute)
				cancel()
				w.Wait()
				if len(s.calls) < 10 {
					t.Fatalf("%d calls", len(s.calls))
				}
				for i := 6; i < len(s.calls); i++ {
					if rest := s.calls[i].Sub(s.calls[i-1]) - c.stands; rest < c.min || rest > c.max {
						t.Errorf("call %d came %s after an end, want %s to %s", i, rest, c.min, c.max)
					}
				}
			})
		})
	}
}

func TestGivingUp(t *testing.T) {
	permanent := watch.Permanent(errors.New("no"))
	for _, c := range []struct {
		retry watch.Retry
		err   error
		gone  bool // given up at the first failure
	}{
		{watch.Retry{}, errors.New("no"), false},
		{watch.Retry{}, permanent, false},
		{watch.Retry{PermanentIsFinal: true}, errors.New("no"), false},
		{watch.Retry{PermanentIsFinal: true}, permanent, true},
		{watch.Retry{PermanentIsFinal: true, Attempts: 5}, fmt.Errorf("wrapped: %w", permanent), true},
		{watch.Retry{Attempts: 1}, permanent, false},
		{watch.Retry{Attempts: -1}, errors.New("no"), true},
	} {
		bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, _ *bytes.Buffer) {
			w.Retry = c.retry
			w.Retry.Backoff = time.Hour
			s.Fail(a, c.err)
			w.Sync(ctx, set(a))
			synctest.Wait()
			if gone := w.GaveUp() != nil; gone != c.gone {
				t.Errorf("%+v, %v: given up = %v, want %v", c.retry, c.err, gone, c.gone)
			}
			if !woken(w) {
				t.Error("a failure must wake the reader, who asks GaveUp")
			}
		})
	}
}

// plannerSource is a scripted source that is told of all queries at once.
type plannerSource struct {
	watchtest.Source
	mu      sync.Mutex
	changes []watch.Change
	hold    chan struct{} // when set, Follow waits for it before it looks at changes
	seats   map[watch.Query]*watch.Seat
}

func (s *plannerSource) Follow(ctx context.Context, changes <-chan watch.Change) {
	s.seats = map[watch.Query]*watch.Seat{}
	if s.hold != nil {
		<-s.hold
	}
	for {
		select {
		case c := <-changes:
			s.mu.Lock()
			s.changes = append(s.changes, c)
			maps.Copy(s.seats, c.Add)
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
		w.Retry = watch.Retry{Attempts: 1, Backoff: time.Second}
		w.Sync(ctx, set(a, file))
		w.Sync(ctx, set(b, file))
		w.Sync(ctx, set(a, b, file)) // a was dropped and is wanted again before the planner has seen anything
		synctest.Wait()
		close(p.hold)
		synctest.Wait()
		if len(p.changes) != 1 || !p.changes[0].Drop.Has(a) || p.changes[0].Add[a] == nil || p.changes[0].Add[b] == nil || len(p.changes[0].Add) != 2 {
			t.Errorf("changes = %v, want one that drops a and adds a and b", p.changes)
		}
		if got := other.Watching(); len(got) != 1 || !got.Has(file) {
			t.Errorf("the other source watches %v, want the file", got.Sorted())
		}
		if len(p.Watching()) != 0 {
			t.Error("Watch was called on a planner")
		}

		p.seats[a].Report(watch.Answer{Value: pair("1")})
		if value(w, a) != "1" || !w.Take().Has(a) {
			t.Error("a planner's answer did not arrive")
		}
		if d := p.seats[b].Failed(errors.New("no")); d < time.Second/2 || d > time.Second {
			t.Errorf("pause = %s", d)
		}
		if w.Err(b) == nil || w.GaveUp() != nil {
			t.Errorf("Err = %v, GaveUp = %v after one failure", w.Err(b), w.GaveUp())
		}
		p.seats[b].Failed(errors.New("no"))
		if w.GaveUp() == nil {
			t.Error("two failures with one retry: not given up")
		}
		w.Sync(ctx, set(a))
		synctest.Wait()
		if len(p.changes) != 2 || !p.changes[1].Drop.Has(b) || len(p.changes[1].Add) != 0 {
			t.Errorf("changes = %v, want a second that drops b", p.changes)
		}
		p.seats[b].Report(watch.Answer{Value: pair("1")})
		if value(w, b) != "unknown" || w.GaveUp() != nil {
			t.Error("a dropped query still counts")
		}

		old := p.seats[a]
		moved := old.Move()
		moved.Report(watch.Answer{Value: pair("2")})
		old.Report(watch.Answer{Value: pair("1")}) // was under way when the query moved
		old.Failed(errors.New("no"))
		if value(w, a) != "2" || w.Err(a) != nil {
			t.Errorf("a = %s, %v: a report from a place that it has left counts", value(w, a), w.Err(a))
		}
		w.Sync(ctx, nil)
		w.Sync(ctx, set(a))
		moved.Report(watch.Answer{Value: pair("2")}) // was under way when the query was dropped
		old.Move().Report(watch.Answer{Value: pair("2")})
		if value(w, a) != "unknown" {
			t.Errorf("a = %s of before it was dropped and wanted again", value(w, a))
		}
		synctest.Wait()
		p.seats[a].Report(watch.Answer{Value: pair("3")})
		if value(w, a) != "3" {
			t.Errorf("a = %s, want 3", value(w, a))
		}
		cancel()
		w.Wait()
	})
}
