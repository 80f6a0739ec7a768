package cachefile_test

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
	"lictor/watch/cachefile"
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
	got := map[watch.Query]any{}
	for q, known := range throughFile(t, knownOf(answers)) {
		got[q] = known.Answer
	}
	delete(answers, watch.File{Path: "local"})
	if !reflect.DeepEqual(got, answers) {
		t.Errorf("got  %v\nwant %v", got, answers)
	}
}

// knownOf is what is known where these are the answers.
func knownOf(answers map[watch.Query]any) map[watch.Query]watch.Known {
	known := map[watch.Query]watch.Known{}
	for q, answer := range answers {
		known[q] = watch.Known{Answer: answer}
	}
	return known
}

// throughFile is what is known, written and read again.
func throughFile(t *testing.T, known map[watch.Query]watch.Known) map[watch.Query]watch.Known {
	t.Helper()
	var file bytes.Buffer
	if err := cachefile.Write(&file, "here", known); err != nil {
		t.Fatal(err)
	}
	known, err := cachefile.Read(&file, "here")
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// A cache file keeps every field, also those that the texts of templates leave out.
func TestEveryFieldSurvivesTheCache(t *testing.T) {
	answers := watchtest.Answers()
	kept := throughFile(t, knownOf(answers))
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
}

// show shows an answer with what it points to.
func show(answer any) string { return spew.Sdump(answer) }

// cacheOf is a cache file with the entries given, whose hash is right.
func cacheOf(version int, entries string) string {
	registry := "here"
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %s", registry, entries))
	return fmt.Sprintf(`{"Version":%d,"Registry":%q,"Hash":"%x","Entries":%s}`, version, registry, hash, entries)
}

const goodEntry = `{"Kind":"services","Query":{"Datacenter":"","Namespace":"","Partition":"","Peer":"","SamenessGroup":""},"Answer":[{"Name":"web","Tags":["a"]}]}`

func TestDamagedCache(t *testing.T) {
	good := cacheOf(3, "["+goodEntry+"]")
	if known, err := cachefile.Read(strings.NewReader(good), "here"); err != nil || len(known) != 1 {
		t.Fatalf("the good one: %v, %v", known, err)
	}
	if _, err := cachefile.Read(strings.NewReader(good), "there"); err == nil || !strings.Contains(err.Error(), `another registry: "here", not "there"`) {
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
		if _, err := cachefile.Read(strings.NewReader(text), "here"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// What JSON can't hold is left out: read again, it would be the answer to another query.
func TestCacheLeavesOutWhatIsNotUTF8(t *testing.T) {
	a, odd := watch.Key{Path: "a"}, watch.Key{Path: "odd\xff"}
	known := throughFile(t, knownOf(map[watch.Query]any{a: &watch.KeyPair{Value: "1"}, odd: &watch.KeyPair{Value: "2"}}))
	if len(known) != 1 || known[a].Answer == nil {
		t.Errorf("kept: %v", known)
	}
}

// What a file says does not change from one program to the next: it is read by the one after an update.
func TestTheTextOfAFile(t *testing.T) {
	var file bytes.Buffer
	key := watch.Key{Path: "a", Scope: watch.Scope{Datacenter: "dc1"}}
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	err := cachefile.Write(&file, "here", map[watch.Query]watch.Known{
		key:                              {Answer: &watch.KeyPair{Path: "a", Key: "a", Value: "\xff", LockIndex: 3}},
		watch.Services{}:                 {Answer: []*watch.ServiceName{}, Whole: true, Past: watch.Past{GoneSince: map[string]time.Time{"web": since}}},
		watch.Datacenters{}:              {Answer: []string{"dc1"}, Past: watch.Past{Peaks: []watch.Peak{{Size: 2, Until: since}}, HeldSince: since}},
		watch.Service{Name: "a failure"}: {Answer: watch.Failure{}},
	})
	want := `[{"Kind":"datacenters","Query":{"IgnoreFailing":false},"Answer":["dc1"],"Peaks":[{"Size":2,"Until":"2026-01-02T03:04:05Z"}],"HeldSince":"2026-01-02T03:04:05Z"},` +
		`{"Kind":"key","Query":{"Path":"a","Datacenter":"dc1","Namespace":"","Partition":"","Peer":"","SamenessGroup":""},` +
		`"Answer":{"Path":"a","Key":"a","CreateIndex":0,"ModifyIndex":0,"LockIndex":3,"Flags":0,"Session":"","Value":"/w=="}},` +
		`{"Kind":"services","Query":{"Datacenter":"","Namespace":"","Partition":"","Peer":"","SamenessGroup":""},"Answer":[],"Whole":true,"GoneSince":{"web":"2026-01-02T03:04:05Z"}}]`
	if err != nil || file.String() != cacheOf(3, want)+"\n" {
		t.Errorf("%v, %s\nwant %s", err, &file, cacheOf(3, want))
	}
}

// FuzzRead: whatever a cache file says, also with a hash that is right, it is either refused or what it gives can be
// compared, guarded, and written again.
func FuzzRead(f *testing.F) {
	f.Add(cacheOf(3, "["+goodEntry+"]"), false)
	f.Add("["+goodEntry+"]", true)
	for _, kind := range []string{"key", "prefix", "service", "node", "nodes", "peerings"} {
		f.Add(`[{"Kind":"`+kind+`","Query":{},"Answer":[null,{}]},{"Kind":"`+kind+`","Query":null,"Answer":null}]`, true)
	}
	f.Fuzz(func(t *testing.T, text string, hashed bool) {
		if hashed {
			text = cacheOf(3, text)
		}
		known, err := cachefile.Read(strings.NewReader(text), "here")
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
			if again := throughFile(t, w.Known()); len(again) != len(known) {
				t.Errorf("%d of %d answers were kept", len(again), len(known))
			}
			cancel()
			w.Wait()
		})
	})
}
