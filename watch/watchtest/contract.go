package watchtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"lictor/watch"
)

// A Registry is the system behind a source, as the contract test changes it. Methods return once the change is made; the
// source may see it later. The registry may hold other data as well: the test only uses keys below "contract/" and
// nodes and services whose names begin with "contract-", and removes them again.
type Registry interface {
	PutKey(tb testing.TB, path, value string)
	DeleteKey(tb testing.TB, path string)
	// Register adds or replaces an instance, and its node where that is new.
	Register(tb testing.TB, i Instance)
	// Deregister removes an instance by its node and id.
	Deregister(tb testing.TB, i Instance)
	// DeregisterNode removes a node with all that is on it.
	DeregisterNode(tb testing.TB, node string)
}

// An Instance is a service instance as the contract test registers it.
type Instance struct {
	Node, NodeAddress string
	Service, ID       string
	Address           string // "" for none of its own
	Port              int
	Tags              []string
	Meta              map[string]string
	Status            string // of its one check, whose id is "check:" + ID
}

// patience is how long the test waits for what must happen, on the slowest machine. A source that needs longer is broken.
const patience = time.Minute

// Contract tests that a source keeps the contract of [watch.Source]. The function open opens a source on the registry,
// which ends with the test it is given; each part of the test opens its own.
func Contract(t *testing.T, r Registry, open func(tb testing.TB) watch.Source) {
	parts := []struct {
		name string
		test func(*testing.T, Registry, watch.Source)
	}{
		{"key", testKey}, {"prefix", testPrefix}, {"service", testService}, {"service order and fields", testServiceFields},
		{"services", testServices}, {"nodes", testNodes}, {"catalog service", testCatalogService}, {"datacenters", testDatacenters},
		{"watched by many", testMany}, {"end", testEnd}, {"unknown kind", testUnknown},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) { p.test(t, r, open(t)) })
	}
	t.Run("queries are comparable", func(t *testing.T) {
		for _, q := range everyKind() {
			if !reflect.TypeOf(q).Comparable() {
				t.Errorf("%T can not be a map key", q)
			}
		}
	})
}

// everyKind holds one query of each kind that a registry answers.
func everyKind() []watch.Query {
	return []watch.Query{
		watch.Key{}, watch.Prefix{}, watch.Service{}, watch.Services{}, watch.CatalogService{}, watch.Nodes{}, watch.NodeServices{},
		watch.Datacenters{}, watch.CARoots{}, watch.CALeaf{}, watch.Partitions{}, watch.Peerings{}, watch.ExportedServices{},
		watch.ImportedServices{}, watch.File{},
	}
}

// A watching is one query that is followed, and what was reported.
type watching struct {
	t      *testing.T
	q      watch.Query
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	reports []any
	changed chan struct{} // closed at the next report, and at the end
	ended   bool
	err     error
}

// start follows a query. The test ends it.
func start(t *testing.T, s watch.Source, q watch.Query) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t: t, q: q, cancel: cancel, changed: make(chan struct{})}
	w.wg.Go(func() {
		err := watch.Follow(ctx, s, q, func(a watch.Answer) bool {
			w.note(func() { w.reports = append(w.reports, a.Value) })
			return true
		})
		w.note(func() { w.err, w.ended = err, true })
	})
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *watching) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// stop ends the call and returns its error, and fails the test when the call goes on, as one does that first waits for what it
// is waiting for: a source should be opened so that this takes longer than our patience.
func (w *watching) stop() error {
	w.cancel()
	begin := time.Now()
	w.wg.Wait()
	if d := time.Since(begin); d > patience {
		w.t.Errorf("%s: it ended only %s after its context had ended", w.q, d)
	}
	return w.err
}

// until waits until the newest report passes the test f. Reports in between that do not are allowed: a source may see
// states that the test passed through.
func (w *watching) until(what string, f func(answer any) bool) any {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		n, changed, ended, err := len(w.reports), w.changed, w.ended, w.err
		var last any
		if n > 0 {
			last = w.reports[n-1]
		}
		w.mu.Unlock()
		if n > 0 && f(last) {
			return last
		}
		if ended {
			w.t.Fatalf("%s: it ended with %v while the test waited for: %s", w.q, err, what)
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("%s: no report within %s of: %s; the last of %d is %s", w.q, patience, what, n, show(last))
		}
	}
}

func (w *watching) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.reports)
}

func show(v any) string {
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
		out := fmt.Sprintf("%T of %d:", v, list.Len())
		for i := range list.Len() {
			out += " " + show(list.Index(i).Interface())
		}
		return out
	}
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		return fmt.Sprintf("%+v", p.Elem().Interface())
	}
	return fmt.Sprintf("%#v", v)
}

func testMany(t *testing.T, r Registry, s watch.Source) {
	var all []*watching
	for i := range 20 {
		key := fmt.Sprintf("contract/many/%02d", i)
		r.PutKey(t, key, "1")
		t.Cleanup(func() { r.DeleteKey(t, key) })
		all = append(all, start(t, s, watch.Key{Path: key}))
	}
	for _, w := range all {
		w.until("value 1", isValue("1"))
	}
	for i, w := range slices.Backward(all) {
		r.PutKey(t, fmt.Sprintf("contract/many/%02d", i), "2")
		w.until("value 2", isValue("2"))
	}
}

// testEnd ends a call before, at and after its first report.
func testEnd(t *testing.T, r Registry, s watch.Source) {
	r.PutKey(t, "contract/end", "x")
	t.Cleanup(func() { r.DeleteKey(t, "contract/end") })
	q := watch.Key{Path: "contract/end"}

	w := start(t, s, q)
	w.stop() // it may or may not have reported

	w = start(t, s, q)
	w.until("value x", isValue("x"))
	w.stop()
	n := w.count()
	r.PutKey(t, "contract/end", "y")
	w2 := start(t, s, q)
	w2.until("value y", isValue("y"))
	if w.count() != n {
		t.Error("a call whose context had ended went on reporting")
	}
}

// unknown is a query kind that no source knows.
type unknown struct{}

func (unknown) String() string { return "unknown()" }

func testUnknown(t *testing.T, _ Registry, s watch.Source) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := watch.Follow(ctx, s, unknown{}, func(watch.Answer) bool { t.Error("an answer to an unknown kind of query"); return true })
	if !watch.IsPermanent(err) {
		t.Errorf("an unknown kind gives %v, want a permanent error", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("an unknown kind was waited for")
	}
}
