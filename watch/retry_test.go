package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/retry"
	"lictor/watch"
	"lictor/watch/watchtest"
)

func TestRetry(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Retry = watch.Retry{Attempts: 3, Backoff: retry.Backoff{First: time.Second, Most: 4 * time.Second}}
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
			t.Errorf("after it was fixed: a = %s, Err = %v, GaveUp = %v", value(w, a), w.Err(a), w.GaveUp())
		}
		if n := strings.Count(log.String(), "registry on fire"); n != 1 {
			t.Errorf("the error was logged %d times above debug, want once:\n%s", n, log)
		}
	})
}

// began is when the bubble's clock started.
func began(*testing.T) time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// shakySource answers, and fails some time later.
type shakySource struct {
	stands time.Duration
	err    error
	calls  []time.Time
}

func (s *shakySource) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(s.watch).Follow(ctx, changes)
}

func (s *shakySource) watch(_ context.Context, _ watch.Query, report watch.Report) error {
	s.calls = append(s.calls, time.Now())
	report(watch.Answer{Value: pair(fmt.Sprint(len(s.calls)))})
	time.Sleep(s.stands)
	return s.err
}

// TestFailuresAfterAnswers has a source that fails soon after each answer: it is asked ever more seldom, but never gets more
// seldom than answers are of use; and at once where an answer stood for a while, or where somebody has made a mistake that is
// fixed soon.
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
			w.Retry.Backoff.First = time.Hour
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
