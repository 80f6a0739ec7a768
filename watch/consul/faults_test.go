package consul

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
	"lictor/watch"
)

// same waits until w answers all queries as direct reads do.
func same(t *testing.T, server *consultest.Server, w *watch.Watcher, want watch.Set) time.Duration {
	t.Helper()
	begin := time.Now()
	direct := open(t, Config{Address: server.Addr})
	defer direct.client.http.CloseIdleConnections()
	eventually(t, func() string {
		diff, err := difference(t.Context(), direct, w, want)
		if err != nil {
			return err.Error()
		}
		return diff
	})
	return time.Since(begin)
}

// TestRestarts ends an agent under changes and starts it again, with its data and without.
func TestRestarts(t *testing.T) {
	for _, plan := range []string{PlanSingle, PlanNodes, PlanSweep, PlanPoll} {
		for _, persist := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, data kept %v", plan, persist), func(t *testing.T) {
				t.Parallel()
				server := consultest.Start(t, consultest.Options{Persist: persist})
				c := &churn{tb: t, s: server, rand: rand.New(rand.NewPCG(1, 1)), services: 12, nodes: 4, keys: 12, present: map[[2]int]bool{}}
				for range 40 {
					c.step()
				}
				want := c.queries()
				w := follow(t, open(t, Config{Address: server.Addr, Stale: true, Plan: plan}), want)
				same(t, server, w, want)
				server.Kill()
				eventually(t, func() string { // the failure is known, so that someone can be told
					for q := range want {
						if w.Err(q) != nil {
							return ""
						}
					}
					return "no query has an error although the agent is gone"
				})
				if _, ok := w.Get(watch.Services{}); !ok {
					t.Error("an answer was forgotten when the agent went away")
				}
				if err := server.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !persist {
					clear(c.present)
				}
				for range 20 {
					c.step()
				}
				same(t, server, w, want)
				eventually(t, func() string {
					for q := range want {
						if err := w.Err(q); err != nil {
							return fmt.Sprintf("%s still has the error %v", q, err)
						}
					}
					return ""
				})
			})
		}
	}
}

// TestRestoredServer takes a server back to an older state: its index goes backwards, and that must be noticed at once and
// not after the wait of the blocking queries.
func TestRestoredServer(t *testing.T) {
	for _, plan := range []string{PlanSingle, PlanNodes, PlanSweep} {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			server := consultest.Start(t, consultest.Options{})
			c := &churn{tb: t, s: server, rand: rand.New(rand.NewPCG(2, 2)), services: 12, nodes: 4, keys: 12, present: map[[2]int]bool{}}
			for range 60 {
				c.step()
			}
			saved := server.Save(t)
			present := maps.Clone(c.present)
			for range 60 {
				c.step()
			}
			want := c.queries()
			w := follow(t, open(t, Config{Address: server.Addr, Stale: true, Plan: plan, Wait: 5 * time.Minute}), want)
			same(t, server, w, want)
			server.Restore(t, saved)
			c.present = present
			t.Logf("noticed within %s", same(t, server, w, want).Round(time.Millisecond))
			for range 20 {
				c.step()
			}
			same(t, server, w, want)
		})
	}
}

// TestTooManyConnections has an agent that accepts fewer connections than our budget: we hold fewer open, say so once,
// and miss nothing.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{HCL: "limits { http_max_conns_per_client = 25 }\n"})
	want := watch.Set{}
	for i := range 50 {
		key := fmt.Sprintf("limit-%d/k", i)
		server.Put(t, key, "v")
		want.Add(watch.Key{Path: key})
	}
	// We take all connections that there are, so the test keeps one for itself.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	kept, err := api.NewClient(&api.Config{Address: server.Addr, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, value string) {
		t.Helper()
		if _, err := kept.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("first", "x")
	log := &lockedBuffer{}
	s := open(t, Config{Address: server.Addr, Stale: true, Log: slog.New(slog.NewTextHandler(log, nil))})
	w := follow(t, s, want)
	answered(t, w, want)
	for i := range 50 {
		key := fmt.Sprintf("limit-%d/k", i)
		put(key, "new")
	}
	for i := range 50 {
		valueIs(t, w, fmt.Sprintf("limit-%d/k", i), "new")
	}
	if n := strings.Count(log.String(), "(429)"); n != 1 {
		t.Errorf("429 was logged %d times, want once:\n%s", n, log)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestSilentPeer has an agent that is connected and says nothing any more.
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	server.Put(t, "k", "v")
	q := watch.Key{Path: "k"}
	all := watch.Set{q: {}}
	for i := range 5 { // Consul may answer these out of its event stream
		all.Add(watch.Service{Name: fmt.Sprint("silent-", i)})
	}
	w := follow(t, open(t, Config{Address: server.Addr, Wait: time.Second}), all)
	valueIs(t, w, "k", "v")
	eventually(t, func() string {
		for q := range all {
			if _, ok := w.Get(q); !ok {
				return fmt.Sprintf("no answer to %s", q)
			}
		}
		return ""
	})
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { // within what limit is shown by TestSilence
		for q := range all {
			if err := w.Err(q); err == nil || !strings.Contains(err.Error(), "no answer within") {
				return fmt.Sprintf("the error of %s is %v", q, err)
			}
		}
		return ""
	})
	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	server.Put(t, "k", "new")
	valueIs(t, w, "k", "new")
}

// TestServerThatDoesNotWait has something before Consul that answers blocking queries at once.
func TestServerThatDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests, reports := 0, 0
		s := overWire(t, Config{}, func(w http.ResponseWriter, r *http.Request) { requests++; io.WriteString(w, aKey) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		_ = watch.Follow(ctx, s, watch.Key{Path: "k"}, func(watch.Answer) bool { reports++; return true })
		if requests < 500 || requests > 650 { // a read and one that should wait, every two seconds
			t.Errorf("%d reports and %d requests in ten minutes", reports, requests)
		}
	})
}

// TestRateOfRequests holds back a burst.
func TestRateOfRequests(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-Index", "9")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	s := open(t, Config{Address: server.URL, MaxRate: 20, Plan: PlanPoll})
	want := watch.Set{}
	for i := range 25 {
		want.Add(watch.Key{Path: fmt.Sprint(i)})
	}
	begin := time.Now()
	w := follow(t, s, want)
	answered(t, w, want)
	if d := time.Since(begin); d < 600*time.Millisecond { // ten at once, and fifteen at 20 a second
		t.Errorf("25 requests took %s at 20 a second", d)
	}
}
