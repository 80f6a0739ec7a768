package watch_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
	"lictor/watch/watchtest"
)

func names(n ...string) []string { return n }

// TestTrust is the table of what may replace what. "later" is what the source finds when it reads again consistently,
// which in these cases is the same value with the same evidence.
func TestTrust(t *testing.T) {
	const maxAge = time.Second
	two, three, one := names("x", "y"), names("x", "y", "z"), names("x")
	for _, c := range []struct {
		what     string
		old      any // nil: no answer yet
		new      any
		evidence watch.Evidence
		refused  int // of the first and the consistent report
	}{
		{"certain and smaller", two, one, watch.Evidence{}, 0},
		{"no leader, first answer", nil, two, watch.Evidence{NoLeader: true}, 2},
		{"no leader, larger", two, three, watch.Evidence{NoLeader: true}, 2},
		{"young enough", two, one, watch.Evidence{Age: maxAge}, 0},
		{"too old", two, three, watch.Evidence{Age: maxAge + 1}, 1},
		{"too old, first answer", nil, two, watch.Evidence{Age: time.Minute}, 1},
		{"filtered, first answer", nil, two, watch.Evidence{Filtered: true}, 0},
		{"filtered, first answer, empty", nil, names(), watch.Evidence{Filtered: true}, 2},
		{"empty, first answer", nil, names(), watch.Evidence{}, 0},
		{"unmarked, first answer", nil, two, watch.Evidence{Unmarked: true}, 0},
		{"unmarked, first answer, empty", nil, names(), watch.Evidence{Unmarked: true}, 1},
		{"filtered, first answer, a node without services", nil, node(), watch.Evidence{Filtered: true}, 0},
		{"filtered, first answer, no node", nil, (*watch.CatalogNode)(nil), watch.Evidence{Filtered: true}, 2},
		{"filtered, the services of a node are gone", node("x"), node(), watch.Evidence{Filtered: true}, 2},
		{"filtered, a node without services is gone", node(), (*watch.CatalogNode)(nil), watch.Evidence{Filtered: true}, 2},
		{"the services of a node are gone", node("x"), node(), watch.Evidence{}, 0},
		{"filtered, same size", two, names("x", "z"), watch.Evidence{Filtered: true}, 0},
		{"filtered, smaller", two, one, watch.Evidence{Filtered: true}, 2},
		{"filtered, empty", two, names(), watch.Evidence{Filtered: true}, 2},
		{"unmarked, larger", two, three, watch.Evidence{Unmarked: true}, 0},
		{"unmarked, smaller", two, one, watch.Evidence{Unmarked: true}, 1},
		{"unmarked and filtered, smaller", two, one, watch.Evidence{Unmarked: true, Filtered: true}, 2},
		{"went back, first answer", nil, one, watch.Evidence{WentBack: true}, 0},
		{"went back, larger", two, three, watch.Evidence{WentBack: true}, 1},
		{"went back, same size", two, names("x", "z"), watch.Evidence{WentBack: true}, 1},
		{"went back, smaller", two, one, watch.Evidence{WentBack: true}, 1},
		{"went back, a key is gone", pair("v"), (*watch.KeyPair)(nil), watch.Evidence{WentBack: true}, 1},
		{"filtered, a key is gone", pair("v"), (*watch.KeyPair)(nil), watch.Evidence{Filtered: true}, 2},
		{"went back and filtered, smaller", two, one, watch.Evidence{WentBack: true, Filtered: true}, 2},
	} {
		t.Run(c.what, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.MaxAge = maxAge
				if c.old != nil {
					s.Set(a, c.old)
				}
				w.Sync(ctx, set(a))
				synctest.Wait()
				w.Take()
				s.Answer(a, watch.Answer{Value: c.new, Evidence: c.evidence})
				synctest.Wait()
				if got := s.Refused(a); got != c.refused {
					t.Errorf("%d reports were refused, want %d", got, c.refused)
				}
				believed := c.refused < 2
				if changed := w.Take().Has(a); changed != believed {
					t.Errorf("changed = %v, want %v", changed, believed)
				}
				if err := w.Err(a); (err == nil) != believed {
					t.Errorf("Err = %v", err)
				}
				if warned := strings.Contains(log.String(), "not believed"); warned == believed {
					t.Errorf("warned = %v:\n%s", warned, log)
				}
				if _, known := w.Get(a); known != (c.old != nil || believed) {
					t.Errorf("known = %v", known)
				}
			})
		})
	}
}

// node is a node with services.
func node(services ...string) *watch.CatalogNode {
	n := &watch.CatalogNode{Node: &watch.Node{Node: "n"}}
	for _, s := range services {
		n.Services = append(n.Services, &watch.NodeService{Service: s})
	}
	return n
}

// What an earlier run knew is what the first answer of this one is doubted by.
func TestTrustRemembersByTheFallback(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]watch.Known{a: {Answer: names("x", "y")}} // whether that was all is not known
		s.Answer(a, watch.Answer{Value: names(), Evidence: watch.Evidence{Filtered: true}})
		w.Sync(ctx, set(a))
		synctest.Wait()
		if got, _ := w.Get(a); len(got.([]string)) != 2 || w.Stale() != 1 || w.Err(a) == nil || !w.Take().Has(a) {
			t.Errorf("%v, %d stale, %v", got, w.Stale(), w.Err(a))
		}
		s.Set(a, names("x"))
		synctest.Wait()
		if got, _ := w.Get(a); len(got.([]string)) != 1 || w.Stale() != 0 || w.Err(a) != nil {
			t.Errorf("%v, %d stale, %v", got, w.Stale(), w.Err(a))
		}
	})
}

// That an answer was whole is known to the next run, which doubts a part of it, be it told by a cache or by who had its place;
// of what a cache doesn't say so a part is believed.
func TestThatAnAnswerWasWholeOutlivesARun(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
			q := watch.Datacenters{}
			s.Answer(q, watch.Answer{Value: names("x", "y", "z"), Evidence: watch.Evidence{Filtered: hidden}})
			w.Sync(ctx, set(q))
			synctest.Wait()
			known := []map[watch.Query]watch.Known{w.Known(), throughCache(t, w)}
			s.Answer(q, watch.Answer{Value: names("x", "y"), Evidence: watch.Evidence{Filtered: true}})
			for _, known := range known {
				runCtx, stop := context.WithCancel(ctx)
				next := watch.New(s, slog.New(slog.DiscardHandler))
				next.Fallback = known
				next.Sync(runCtx, set(q))
				synctest.Wait()
				want := map[bool]int{false: 3, true: 2}[hidden]
				if got, _ := next.Get(q); len(got.([]string)) != want {
					t.Errorf("some of it hidden before: %v; known are %v, want %d", hidden, got, want)
				}
				stop()
				next.Wait()
			}
		})
	}
}

// Whether the answer that stands is whole has nothing to do with the one that a guard holds back; and when it has become whole
// without any other change, that is kept for the next run.
func TestWholeIsOfTheAnswerThatStands(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MinInstances: 2}}
		w.Sync(ctx, set(web))
		step := func(passing, critical int, hidden, want bool) {
			t.Helper()
			s.Answer(web, watch.Answer{Value: instances(passing, critical), Evidence: watch.Evidence{Filtered: hidden}})
			synctest.Wait()
			if got := w.Known()[web].Whole; got != want {
				t.Errorf("whole: %v, want %v", got, want)
			}
		}
		step(4, 0, true, false)
		w.Take()
		step(4, 0, false, true)
		if !w.Take().Has(web) {
			t.Error("nobody was told, and so it would not be kept")
		}
		step(1, 3, true, true) // held back
		w.Release()
		if w.Known()[web].Whole {
			t.Error("the answer that was let go is taken to be whole")
		}
	})
}

// A program that ends after one run does not wait for a first answer that is not believed to become better, unless an earlier
// run knew one.
func TestGivingUpAnAnswerThatIsNotBelieved(t *testing.T) {
	for _, c := range []struct{ once, cached, gone bool }{{true, false, true}, {true, true, false}, {false, false, false}} {
		bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, _ *bytes.Buffer) {
			w.Retry.PermanentIsFinal = c.once
			if c.cached {
				w.Fallback = map[watch.Query]watch.Known{a: {Answer: names("x")}}
			}
			s.Answer(a, watch.Answer{Value: names(), Evidence: watch.Evidence{Filtered: true}})
			w.Sync(ctx, set(a))
			synctest.Wait()
			if err := w.GaveUp(); (err != nil) != c.gone || err != nil && !strings.Contains(err.Error(), "access rules hide all") {
				t.Errorf("%+v: gave up with %v", c, err)
			}
		})
	}
}

// leaderless is a registry without a leader: a server tells what it happens to hold, and can't be asked for more.
type leaderless struct{}

func (leaderless) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(leaderless{}.watch).Follow(ctx, changes)
}

func (leaderless) watch(_ context.Context, _ watch.Query, report watch.Report) error {
	report(watch.Answer{Value: names("x"), Evidence: watch.Evidence{NoLeader: true}})
	return errors.New("no cluster leader")
}

// An answer that is not believed does not make up for the attempts that fail.
func TestAttemptsWithoutALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := watch.New(leaderless{}, slog.New(slog.DiscardHandler))
		w.Retry.Attempts = 5
		w.Sync(ctx, set(a))
		time.Sleep(time.Minute)
		if err := w.GaveUp(); err == nil {
			t.Error("it never gives up")
		}
		cancel()
		w.Wait()
	})
}

// A token that never sees more than a part sees the part shrink; only when nothing is left, it may have lost its rights.
func TestTrustOfATokenThatSeesAPart(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Sync(ctx, set(a))
		for _, step := range []struct {
			answer   []string
			filtered bool
			want     int // how many are known then
		}{
			{names("x", "y", "z"), true, 3}, {names("x", "y"), true, 2}, {names(), true, 2}, // part of it always
			{names("x", "y", "z"), false, 3}, {names("x", "y"), true, 3}, {names("y"), true, 3}, // and now the whole at first
		} {
			s.Answer(a, watch.Answer{Value: step.answer, Evidence: watch.Evidence{Filtered: step.filtered}})
			synctest.Wait()
			if got, _ := w.Get(a); len(got.([]string)) != step.want {
				t.Errorf("after %v: %v", step, got)
			}
		}
	})
}
