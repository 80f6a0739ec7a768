package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
	"lictor/watch"
)

// What tests of the plan share: a look at what is asked of Consul, and waiting for answers.

// Requests are what a server was asked so far.
type requests struct {
	mu    sync.Mutex
	asked []string // paths with their queries
}

func (r *requests) note(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, req.URL.Path+"?"+req.URL.RawQuery)
}

// all are those so far.
func (r *requests) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

// count tells how many of them contain a text.
func (r *requests) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, a := range r.asked {
		if strings.Contains(a, text) {
			n++
		}
	}
	return n
}

// A tap is a real Consul behind a proxy that notes what is asked of it.
type tap struct {
	*httptest.Server
	requests
	mu      sync.Mutex
	waiting int // blocking queries that are held open now
	most    int // of all requests at a moment
	now     int
}

func newTap(t *testing.T, s *consultest.Server) *tap {
	p := &tap{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.Addr})
	transport := &http.Transport{}
	proxy.Transport = transport
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		waits := 0
		if r.FormValue("index") != "" {
			waits = 1
		}
		p.note(r)
		p.mu.Lock()
		p.waiting += waits
		p.now++
		p.most = max(p.most, p.now)
		p.mu.Unlock()
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.waiting -= waits
			p.now--
		}()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { p.CloseClientConnections(); p.Close(); transport.CloseIdleConnections() })
	return p
}

func (p *tap) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// follow watches queries with a Watcher until the test ends.
func follow(t *testing.T, s *Source, want watch.Set) *watch.Watcher {
	t.Helper()
	w := watch.New(s, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); w.Wait() })
	w.Sync(ctx, want)
	return w
}

// eventually waits until f says "", and fails with what it says when that takes too long.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	patiently(t, time.Minute, f)
}

// patiently is eventually for what may take longer.
func patiently(t *testing.T, patience time.Duration, f func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		what := f()
		if what == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// answered waits until all queries have answers.
func answered(t *testing.T, w *watch.Watcher, want watch.Set) {
	t.Helper()
	eventually(t, func() string {
		for q := range want {
			if _, ok := w.Get(q); !ok {
				return fmt.Sprintf("%s has no answer: %v", q, w.Err(q))
			}
		}
		return ""
	})
}

func valueIs(t *testing.T, w *watch.Watcher, key, want string) {
	t.Helper()
	eventually(t, func() string {
		v, _ := w.Get(watch.Key{Path: key})
		p, _ := v.(*watch.KeyPair)
		if p == nil || p.Value != want {
			return fmt.Sprintf("%s is %+v, want %s", key, p, want)
		}
		return ""
	})
}

// put makes many keys in few requests.
func put(t *testing.T, s *consultest.Server, format string, n int) (keys []string) {
	t.Helper()
	for from := 0; from < n; from += 64 {
		var ops api.KVTxnOps
		for i := from; i < min(n, from+64); i++ {
			key := fmt.Sprintf(format, i)
			keys = append(keys, key)
			ops = append(ops, &api.KVTxnOp{Verb: api.KVSet, Key: key, Value: []byte("v")})
		}
		if _, _, _, err := s.Client.KV().Txn(ops, nil); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func keySet(keys []string) watch.Set {
	want := watch.Set{}
	for _, k := range keys {
		want.Add(watch.Key{Path: k})
	}
	return want
}
