package watch_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
	"lictor/watch/watchtest"
)

func TestAnswersSurviveTheirCache(t *testing.T) {
	answers := map[watch.Query]any{
		watch.Key{Path: "a", Scope: watch.Scope{Datacenter: "dc1"}}: &watch.KeyPair{Path: "a", Key: "a", Value: "\x00\xff binary", Flags: 7},
		watch.Key{Path: "gone"}:   (*watch.KeyPair)(nil),
		watch.Prefix{Path: "p"}:   []*watch.KeyPair{{Path: "p/x", Key: "x", Value: "1"}},
		watch.Services{}:          []*watch.ServiceName{{Name: "web", Tags: watch.ServiceTags{}}},
		watch.Nodes{}:             []*watch.Node{},
		watch.NodeServices{}:      (*watch.CatalogNode)(nil),
		watch.Datacenters{}:       []string{"dc1"},
		watch.CARoots{}:           []*watch.CARoot{{ID: "r"}},
		watch.Service{Name: "w"}:  []*watch.ServiceInstance{{ID: "w1", Tags: watch.ServiceTags{"a"}, NodeMeta: map[string]string{}, Checks: watch.HealthChecks{{CheckID: "c"}}}},
		watch.CatalogService{}:    []*watch.CatalogInstance{{ServiceID: "w1"}},
		watch.File{Path: "local"}: "not kept",
	}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		want := watch.Set{}
		for q, answer := range answers {
			s.Set(q, answer)
			want.Add(q)
		}
		w.Sync(ctx, want)
		synctest.Wait()
		var file bytes.Buffer
		if err := w.WriteAnswers(&file); err != nil {
			t.Fatal(err)
		}
		got, err := watch.ReadAnswers(&file)
		if err != nil {
			t.Fatal(err)
		}
		delete(answers, watch.File{Path: "local"})
		if !reflect.DeepEqual(got, answers) {
			t.Errorf("got  %v\nwant %v", got, answers)
		}
	})
}

func TestDamagedCache(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "damaged",
		`{"Version":1,"Entries":[{`: "damaged",
		`{"Version":2}`:             "version 2",
		`{"Version":1,"Entries":[{"Kind":"nonesuch"}]}`:                  "no kind",
		`{"Version":1,"Entries":[{"Kind":"key","Query":3,"Answer":{}}]}`: "damaged",
	} {
		if _, err := watch.ReadAnswers(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestFallback(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]any{a: pair("old")}
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
		var file bytes.Buffer
		if err := w.WriteAnswers(&file); err != nil {
			t.Fatal(err)
		}
		if kept, err := watch.ReadAnswers(&file); err != nil || len(kept) != 1 {
			t.Errorf("%v, kept %v: want the fallback's answer, which is still the last known one", err, kept)
		}
		s.Set(a, pair("live"))
		time.Sleep(time.Hour)
		if value(w, a) != "live" || w.Stale() != 0 {
			t.Errorf("%s, %d stale, after the registry came back", value(w, a), w.Stale())
		}
	})
}

func TestFallbackForARegistryThatSaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Fallback = map[watch.Query]any{a: pair("old"), b: pair("old")}
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
		w.Fallback = map[watch.Query]any{}
		for _, q := range queries {
			w.Fallback[q] = pair("old")
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
