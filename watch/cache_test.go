package watch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davecgh/go-spew/spew"

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
		got := map[watch.Query]any{}
		for q, known := range throughCache(t, w) {
			got[q] = known.Answer
		}
		delete(answers, watch.File{Path: "local"})
		if !reflect.DeepEqual(got, answers) {
			t.Errorf("got  %v\nwant %v", got, answers)
		}
	})
}

// A cache file keeps every field, also those that the texts of templates leave out.
func TestEveryFieldSurvivesTheCache(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		answers, want := watchtest.Answers(), watch.Set{}
		for q, answer := range answers {
			s.Set(q, answer)
			want.Add(q)
		}
		w.Sync(ctx, want)
		synctest.Wait()
		kept := throughCache(t, w)
		for q, answer := range answers {
			if _, secret := q.(watch.CALeaf); secret {
				continue
			}
			if got := kept[q].Answer; !reflect.DeepEqual(got, answer) {
				t.Errorf("%s: got %s\nwant %s", q, show(got), show(answer))
			}
		}
		if len(kept) != len(answers)-1 {
			t.Errorf("%d of %d answers were kept", len(kept), len(answers))
		}
	})
}

// show shows an answer with what it points to.
func show(answer any) string { return spew.Sdump(answer) }

// throughCache is what w knows, written and read again.
func throughCache(t *testing.T, w *watch.Watcher) map[watch.Query]watch.Known {
	t.Helper()
	var file bytes.Buffer
	if err := w.WriteAnswers(&file, "here"); err != nil {
		t.Fatal(err)
	}
	known, err := watch.ReadAnswers(&file, "here")
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// cacheOf is a cache file with the entries given, whose hash is right.
func cacheOf(version int, entries string) string {
	registry := "here"
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %s", registry, entries))
	return fmt.Sprintf(`{"Version":%d,"Registry":%q,"Hash":"%x","Entries":%s}`, version, registry, hash, entries)
}

const goodEntry = `{"Kind":"services","Query":{"Datacenter":"","Namespace":"","Partition":"","Peer":"","SamenessGroup":""},"Answer":[{"Name":"web","Tags":["a"]}]}`

func TestDamagedCache(t *testing.T) {
	good := cacheOf(3, "["+goodEntry+"]")
	if known, err := watch.ReadAnswers(strings.NewReader(good), "here"); err != nil || len(known) != 1 {
		t.Fatalf("the good one: %v, %v", known, err)
	}
	if _, err := watch.ReadAnswers(strings.NewReader(good), "there"); err == nil || !strings.Contains(err.Error(), `another registry: "here", not "there"`) {
		t.Errorf("another registry: %v", err)
	}
	nodeQuery := strings.Replace(goodEntry, "services", "node", 1)
	nodeQuery = strings.Replace(nodeQuery, `{"Datacenter"`, `{"Name":"","Datacenter"`, 1)
	for text, want := range map[string]string{
		"":                                       "damaged",
		good[:len(good)-5]:                       "damaged",
		good + "garbage":                         "damaged",
		strings.Replace(good, "web", "wob", 1):   "hash does not match",
		strings.Replace(good, "here", "hare", 1): "hash does not match",
		cacheOf(1, "[]"):                         "version 1",
		cacheOf(3, "{}"):                         "damaged",
		cacheOf(3, "[null]"):                     "entry 0",
		cacheOf(3, `[`+goodEntry+`,{"Kind":"nonesuch"}]`):                                                                 `entry 1, of kind "nonesuch"`,
		cacheOf(3, "["+strings.Replace(goodEntry, `[{"Name":"web","Tags":["a"]}]`, `[null]`, 1)+"]"):                      "entry 0",
		cacheOf(3, "["+strings.Replace(goodEntry, `[{"Name":"web","Tags":["a"]}]`, `[{}]`, 1)+"]"):                        "entry 0",
		cacheOf(3, "["+strings.Replace(goodEntry, `[{"Name":"web","Tags":["a"]}]`, `{}`, 1)+"]"):                          "entry 0",
		cacheOf(3, "["+strings.Replace(goodEntry, `"Tags"`, `"Tegs"`, 1)+"]"):                                             "entry 0",
		cacheOf(3, "["+strings.Replace(goodEntry, `{"Datacenter"`, `{"Extra":1,"Datacenter"`, 1)+"]"):                     "entry 0",
		cacheOf(3, "["+strings.Replace(goodEntry, `,"Answer":[{"Name":"web","Tags":["a"]}]`, ``, 1)+"]"):                  "entry 0",
		cacheOf(3, "["+strings.Replace(nodeQuery, `[{"Name":"web","Tags":["a"]}]`, `{"Node":null,"Services":[]}`, 1)+"]"): "entry 0",
		cacheOf(3, "["+strings.Replace(goodEntry, `"Kind"`, `"HeldSince":"yesterday","Kind"`, 1)+"]"):                     "damaged",
		cacheOf(3, "["+strings.Replace(goodEntry, `"Kind"`, `"Whole":1,"Kind"`, 1)+"]"):                                   "damaged",
	} {
		if _, err := watch.ReadAnswers(strings.NewReader(text), "here"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// What JSON can't hold is left out: read again, it would be the answer to another query.
func TestCacheLeavesOutWhatIsNotUTF8(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		odd := watch.Key{Path: "odd\xff"}
		s.Set(a, pair("1"))
		s.Set(odd, pair("2"))
		w.Sync(ctx, set(a, odd))
		synctest.Wait()
		if known := throughCache(t, w); len(known) != 1 || known[a].Answer == nil {
			t.Errorf("kept: %v", known)
		}
	})
}

// FuzzReadAnswers: whatever a cache file says, also with a hash that is right, it is either refused or what it gives can be
// compared, guarded, and written again.
func FuzzReadAnswers(f *testing.F) {
	f.Add(cacheOf(3, "["+goodEntry+"]"), false)
	f.Add("["+goodEntry+"]", true)
	for _, kind := range []string{"key", "prefix", "service", "node", "nodes", "peerings"} {
		f.Add(`[{"Kind":"`+kind+`","Query":{},"Answer":[null,{}]},{"Kind":"`+kind+`","Query":null,"Answer":null}]`, true)
	}
	f.Fuzz(func(t *testing.T, text string, hashed bool) {
		if hashed {
			text = cacheOf(3, text)
		}
		known, err := watch.ReadAnswers(strings.NewReader(text), "here")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %v", err)
			}
			return
		}
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := &watchtest.Source{}
			w := watch.New(s, slog.New(slog.DiscardHandler))
			w.Fallback, w.Guards = known, []watch.Guard{{MaxShrink: 0.1, MinInstances: 1, Hold: time.Minute}}
			all := watch.Set{}
			for q := range known {
				all.Add(q)
				s.Fail(q, errors.New("away"))
			}
			w.Sync(ctx, all)
			synctest.Wait()
			if again := throughCache(t, w); len(again) != len(known) {
				t.Errorf("%d of %d answers were kept", len(again), len(known))
			}
			cancel()
			w.Wait()
		})
	})
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
		w.Settle()
		if known := w.Known(); len(known) != 1 || known[a].Answer.(*watch.KeyPair).Value != "live" {
			t.Errorf("when nothing else is asked for, known is %+v", known)
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
