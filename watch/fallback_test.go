package watch_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
	"lictor/watch/cachefile"
	"lictor/watch/watchtest"
)

// throughCache is what w knows, written and read again.
func throughCache(t *testing.T, w *watch.Watcher) map[watch.Query]watch.Known {
	t.Helper()
	var file bytes.Buffer
	if err := cachefile.Write(&file, "here", w.Known()); err != nil {
		t.Fatal(err)
	}
	known, err := cachefile.Read(&file, "here")
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func TestFallback(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]watch.Known{a: {Answer: pair("old")}}
		w.Retry.Attempts = 1
		s.Fail(a, errors.New("connection refused"))
		w.Sync(ctx, set(a))
		synctest.Wait()
		if value(w, a) != "old" || w.Stale() != 1 || w.Err(a) == nil {
			t.Errorf("%s, %d stale, err %v: want the fallback, and to be told", value(w, a), w.Stale(), w.Err(a))
		}
		time.Sleep(time.Hour)
		if err := w.GaveUp(); err != nil {
			t.Errorf("gave up although there is an answer: %v", err)
		}
		if kept := throughCache(t, w); len(kept) != 1 {
			t.Errorf("kept %v: want the fallback's answer, which is still the last known one", kept)
		}
		s.Set(a, pair("live"))
		time.Sleep(time.Hour)
		if value(w, a) != "live" || w.Stale() != 0 {
			t.Errorf("%s, %d stale, after the registry came back", value(w, a), w.Stale())
		}
	})
}

// What the registry has said once is not said by the fallback again, however old: a service that comes back after a long time
// is not compared with what it was when we started.
func TestFallbackIsForgottenWhenTheRegistryAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]watch.Known{web: {Answer: instances(10, 0)}}
		w.Guards = []watch.Guard{{MaxShrink: 0.5}}
		s.Set(web, instances(10, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		w.Sync(ctx, set())
		s.Set(web, instances(1, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		if got := passing(w, web); got != 1 {
			t.Errorf("%d stand, want the one that there is", got)
		}
	})
}

// Who takes a Watcher's place before the registry has answered it, or before it was asked for everything, knows as much.
func TestKnownHasWhatTheFallbackKnows(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		later := time.Now().Add(time.Hour)
		w.Fallback = map[watch.Query]watch.Known{a: {Answer: pair("asked")}, b: {Answer: pair("not yet"), Whole: true, Past: watch.Past{HeldSince: later}}}
		w.Sync(ctx, set(a))
		synctest.Wait()
		known := throughCache(t, w)
		if len(known) != 2 || known[b].Answer.(*watch.KeyPair).Value != "not yet" || !known[b].Whole || known[b].HeldSince.Equal(later) {
			t.Errorf("known: %+v", known)
		}
		s.Set(a, pair("live"))
		synctest.Wait()
		w.Prune()
		if known := w.Known(); len(known) != 1 || known[a].Answer.(*watch.KeyPair).Value != "live" {
			t.Errorf("when nothing else is asked for, known is %+v", known)
		}
	})
}

// What is dropped while the fallback answers it is answered by that again when it is wanted again, and only when it is.
func TestFallbackOfADroppedQuery(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]watch.Known{a: {Answer: pair("old")}}
		s.Fail(a, errors.New("connection refused"))
		w.Sync(ctx, set(a))
		synctest.Wait()
		for _, want := range []watch.Set{set(), set(a), set()} {
			w.Sync(ctx, want)
			time.Sleep(time.Minute)
			answer := map[bool]string{true: "old", false: "unknown"}[want.Has(a)]
			if value(w, a) != answer || w.Stale() != len(want) || len(w.Known()) != 1 || w.Failing() != want.Has(a) {
				t.Errorf("%v is wanted: %s, %d stale, known %v, failing %v", want.Sorted(), value(w, a), w.Stale(), w.Known(), w.Failing())
			}
		}
		if w.Prune(); len(w.Known()) != 0 {
			t.Error("what nobody asks for is known for ever")
		}
	})
}

func TestFallbackForARegistryThatSaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]watch.Known{a: {Answer: pair("old")}, b: {Answer: pair("old")}}
		w.Sync(ctx, set(a))
		time.Sleep(time.Second)
		if value(w, a) != "unknown" {
			t.Error("the fallback answers at once for a registry that has not failed")
		}
		time.Sleep(2 * time.Second)
		w.Sync(ctx, set(a, b))
		time.Sleep(3 * time.Second)
		if value(w, a) != "old" || value(w, b) != "old" {
			t.Errorf("a %s, b %s", value(w, a), value(w, b))
		}
	})
}

// A registry that is only slow, as with thousands of queries at a start, goes on being waited for.
func TestFallbackWaitsForASlowRegistry(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		queries := []watch.Query{a, b, watch.Key{Path: "c"}, watch.Key{Path: "d"}}
		w.Fallback = map[watch.Query]watch.Known{}
		for _, q := range queries {
			w.Fallback[q] = watch.Known{Answer: pair("old")}
		}
		w.Sync(ctx, set(queries...))
		for _, q := range queries[:3] {
			time.Sleep(1500 * time.Millisecond)
			s.Set(q, pair("live"))
		}
		synctest.Wait()
		if value(w, queries[2]) != "live" || value(w, queries[3]) != "unknown" || w.Stale() != 0 {
			t.Errorf("%s, %s, %d stale", value(w, queries[2]), value(w, queries[3]), w.Stale())
		}
		time.Sleep(3 * time.Second)
		if value(w, queries[3]) != "old" || w.Stale() != 1 {
			t.Errorf("the last one is %s, %d stale, after a silence", value(w, queries[3]), w.Stale())
		}
	})
}
