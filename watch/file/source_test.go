package file

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lictor/watch"
)

// A safeBuffer is a log that a test reads while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(s.b.String(), "sesame") {
		panic("a value is in the log")
	}
	s.b.Reset()
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// With a broken file the last good data stands, what is wrong is logged once, and the fixed file is seen without a pause.
func TestBrokenFileKeepsTheLastGoodData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.yaml")
	write(t, path, "kv: {a: one, b: sesame}")
	var log safeBuffer
	w := watch.New(New(path), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	w.Retry.Backoff.First = 10 * time.Millisecond
	defer w.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, b := watch.Key{Path: "a"}, watch.Key{Path: "b"}
	w.Sync(ctx, watch.Set{a: {}, b: {}})
	value := func(q watch.Query) string {
		v, ok := w.Get(q)
		if p, _ := v.(*watch.KeyPair); ok && p != nil {
			return p.Value
		}
		return ""
	}
	eventually(t, "the first data", func() bool { return value(a) == "one" && value(b) == "sesame" })

	for _, broken := range []string{"kv: {a: [", "", "kv: {a: 1, a: 2}", "services: {web: [{port: http}]}", "services: {web: [{port: 1}]}"} {
		write(t, path, broken)
		eventually(t, "both queries fail", func() bool { return w.Err(a) != nil && w.Err(b) != nil })
		if value(a) != "one" || value(b) != "sesame" {
			t.Errorf("%q took the last good data away", broken)
		}
		err := w.Err(a)
		if !watch.IsPermanent(err) || !strings.HasPrefix(err.Error(), path+":1: ") {
			t.Errorf("%q: error %v, want a permanent one that begins with file:line", broken, err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%q was logged %d times, want once:\n%s", broken, n, log.String())
		}
		for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if w.Err(a) == nil || w.Err(b) == nil || strings.Contains(log.String(), "answer again") {
				t.Fatalf("%q: all is said to be well while the file is broken:\n%s", broken, log.String())
			}
		}
		// Whoever pauses does not see that the file is fixed: it is the first pause, as if nothing had ever failed before.
		if pauses := pauses(t, log.String()); len(pauses) != 2 || slices.Max(pauses) > w.Retry.Backoff.First {
			t.Errorf("%q: the pauses were %s, want one of at most %s for each query", broken, pauses, w.Retry.Backoff.First)
		}
		log.reset()
		write(t, path, "kv: {a: one, b: sesame}")
		eventually(t, "no error", func() bool { return w.Err(a) == nil && w.Err(b) == nil })
		eventually(t, "the log says so", func() bool { return strings.Contains(log.String(), "answer again") })
		log.reset()
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both queries fail", func() bool { return w.Err(a) != nil && w.Err(b) != nil })
	write(t, path, "kv: {a: two, b: sesame}")
	eventually(t, "the new value", func() bool { return value(a) == "two" && w.Err(a) == nil })
	if strings.Contains(log.String(), "sesame") {
		t.Error("a value is in the log")
	}
}

// pauses are those that a log tells of.
func pauses(t *testing.T, log string) (all []time.Duration) {
	t.Helper()
	for _, found := range regexp.MustCompile(`\bpause=(\S+)`).FindAllStringSubmatch(log, -1) {
		d, err := time.ParseDuration(found[1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// A query that is asked for the first time while the file is broken, or anew, is answered from the last good data.
func TestNewQueryWhileBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.yaml")
	write(t, path, "kv: {a: one, b: two}")
	s := New(path)
	start(t, s, watch.Key{Path: "b"}).until(t, "two")
	write(t, path, "kv: [")
	var seen []any
	ask := func(ctx context.Context) error {
		return watch.Follow(ctx, s, watch.Key{Path: "a"}, func(a watch.Answer) bool { seen = append(seen, a.Value.(*watch.KeyPair).Value); return true })
	}
	eventually(t, "the file is seen to be broken", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.state.err != nil })
	if err := ask(t.Context()); !watch.IsPermanent(err) || len(seen) != 1 || seen[0] != "one" {
		t.Fatalf("the first call: %v, reports %v", err, seen)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) || len(seen) != 1 {
		t.Fatalf("the second call, which waits: %v, reports %v", err, seen)
	}
	long, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := ask(long); !watch.IsPermanent(err) || len(seen) != 2 {
		t.Fatalf("a call after the query was dropped: %v, reports %v", err, seen)
	}
}

// A file that is broken from the start is an error at once, so that -once ends with it.
func TestBrokenFromTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.yaml")
	s := New(path)
	q := watch.Key{Path: "a"}
	if err := watch.Follow(t.Context(), s, q, nil); !watch.IsPermanent(err) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want a permanent one that names the file", err)
	}
	// Called again it waits for the file to be there.
	w := start(t, s, q)
	write(t, path, "kv: {a: here}")
	w.until(t, "here")
}

// What the data does not have is an answer, and fixed by an edit.
func TestWhatTheDataDoesNotHave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.yaml")
	write(t, path, "datacenter: eu\nkv: {a: one}\ndatacenters: {us: {}}")
	s := New(path)
	key := start(t, s, watch.Key{Path: "a", Scope: watch.Scope{Datacenter: "asia"}})
	roots := start(t, s, watch.CARoots{})
	leaf := start(t, s, watch.CALeaf{Service: "web"})
	key.until(t, `failure: the data file has no datacenter "asia", only eu, us`)
	roots.until(t, `failure: the data file has no ca_roots`)
	leaf.until(t, `failure: the data file has no certificate of service "web"`)
	write(t, path, "datacenter: eu\ndatacenters: {asia: {kv: {a: two}}}\nca_roots: [{id: r}]\nca_leaves: {web: {cert: C}}")
	key.until(t, "two")
	roots.until(t, "[0x")
	leaf.until(t, "&{")
}

func TestPermanentErrors(t *testing.T) {
	d := parsed(t, "kv: {a: one}")
	for _, q := range []watch.Query{
		watch.Service{Name: "web", Filter: `Service.Port ==`}, watch.Service{Name: "web", Filter: `Service.Prot == 80`},
		watch.Key{Path: "a", Scope: watch.Scope{Namespace: "n"}}, watch.Key{Path: "a", Scope: watch.Scope{Peer: "p"}},
		watch.Services{Scope: watch.Scope{Partition: "p"}}, watch.Nodes{Scope: watch.Scope{SamenessGroup: "s"}}, watch.File{Path: "x"},
	} {
		if _, err := d.Answer(q); !watch.IsPermanent(err) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want a permanent one of one line", q, err)
		}
	}
}

// Layers and assignments are followed too.
func TestLayersLive(t *testing.T) {
	dir := t.TempDir()
	base, prod := filepath.Join(dir, "base.yaml"), filepath.Join(t.TempDir(), "prod.json")
	write(t, base, "kv: {a: base, b: base, c: base}")
	write(t, prod, `{"kv": {"b": "prod", "c": "prod"}}`)
	s := New(base, prod)
	s.Assignments = []string{"kv/c=set=it"}
	a, b, c := start(t, s, watch.Key{Path: "a"}), start(t, s, watch.Key{Path: "b"}), start(t, s, watch.Key{Path: "c"})
	a.until(t, "base")
	b.until(t, "prod")
	c.until(t, "set=it")
	write(t, prod, `{"kv": {"a": "prod", "b": null}}`)
	a.until(t, "prod")
	b.until(t, "(no such key)")
	write(t, base, "kv: {b: base}")
	b.until(t, "(no such key)")
	if c.last() != "set=it" {
		t.Errorf("c is %s", c.last())
	}
}

func TestFixed(t *testing.T) {
	f, err := NewFixed(parsed(t, "kv: {a: one}"))
	if err != nil {
		t.Fatal(err)
	}
	start(t, f, watch.Key{Path: "a"}).until(t, "one")
	d := &Data{}
	d.Services = map[string][]*Instance{"web": {{Port: 1}}}
	if _, err := NewFixed(d); err == nil || !strings.Contains(err.Error(), "neither an address nor a node") {
		t.Errorf("error %v", err)
	}
}
