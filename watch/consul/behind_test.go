package consul

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lictor/watch"
)

// TestServerGoesBack has a server that was replaced by one that is behind, with no failure in between: a key that it does not
// know yet is not gone. When the leader says so it is.
func TestServerGoesBack(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{PlanSingle, PlanShared, PlanPoll} {
		f := newFake(t)
		for i := range 3 {
			f.keys[fmt.Sprintf("app/%d", i)] = "dg=="
		}
		want := keySet([]string{"app/0", "app/1", "app/2"})
		w := follow(t, open(t, Config{Address: f.URL, Plan: plan, Wait: time.Second}), want)
		answered(t, w, want)
		f.set(func() {
			f.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Form.Has("consistent") {
					return false
				}
				w.Header().Set("X-Consul-Index", "2")
				w.WriteHeader(http.StatusNotFound)
				return true
			}
		})
		before := f.count("consistent")
		eventually(t, func() string {
			if n := f.count("consistent") - before; n < 3 {
				return fmt.Sprintf("plan %s: %d consistent reads", plan, n)
			}
			return ""
		})
		for q := range want {
			valueIs(t, w, q.(watch.Key).Path, "v")
		}
		f.set(func() { delete(f.keys, "app/1") })
		eventually(t, func() string {
			if v, _ := w.Get(watch.Key{Path: "app/1"}); v != (*watch.KeyPair)(nil) {
				return fmt.Sprintf("plan %s: app/1 is %v although the leader has none", plan, v)
			}
			return ""
		})
		valueIs(t, w, "app/2", "v")
	}
}

// TestBlankServer has a server that answers before it has read its log, or all of it: with a low index, and nothing. That is not
// believed, by who has no answer yet nor by who has one.
func TestBlankServer(t *testing.T) {
	t.Parallel()
	for _, index := range []string{"1", "5"} {
		for name, way := range ways() {
			t.Run(name+" "+index, func(t *testing.T) { t.Parallel(); blankServer(t, way, index) })
		}
	}
}

func blankServer(t *testing.T, way way, index string) {
	f := newFake(t)
	for i := range 60 {
		f.keys[fmt.Sprintf("app/%d", i)] = "dg=="
		f.services[fmt.Sprintf("s%d", i)] = 1
	}
	if way.plan != "" {
		way.want = watch.Set{watch.Key{Path: "app/1"}: {}, watch.Service{Name: "s1"}: {}, watch.Prefix{Path: "app"}: {}}
	}
	blank := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Form.Has("consistent") {
			return false
		}
		w.Header().Set("X-Consul-Index", index)
		switch {
		case r.Form.Has("keys"):
			return false // else no prefix would be shared
		case strings.HasPrefix(r.URL.Path, "/v1/kv/"):
			w.WriteHeader(http.StatusNotFound)
		case strings.Contains(r.URL.Path, "node-services"):
			fmt.Fprint(w, `{"Node":null,"Services":null}`)
		default:
			fmt.Fprint(w, `[]`)
		}
		return true
	}
	right := func(w *watch.Watcher) {
		t.Helper()
		for q := range way.want {
			switch v, ok := w.Get(q); v := v.(type) {
			case nil:
				if ok {
					t.Errorf("%s is nil", q)
				}
			case *watch.KeyPair:
				if v == nil || v.Value != "v" {
					t.Errorf("%s is %v", q, v)
				}
			case []*watch.KeyPair:
				if len(v) != 60 {
					t.Errorf("%s has %d keys", q, len(v))
				}
			case []*watch.ServiceInstance:
				if len(v) != 1 {
					t.Errorf("%s has %d instances", q, len(v))
				}
			}
		}
	}
	decided := func(w *watch.Watcher) {
		t.Helper()
		eventually(t, func() string {
			for q := range way.want {
				if _, ok := w.Get(q); !ok && w.Err(q) == nil {
					return fmt.Sprintf("%s has neither an answer nor an error", q)
				}
			}
			return ""
		})
	}
	f.instead = blank
	w := follow(t, open(t, Config{Address: f.URL, Plan: way.plan, Wait: time.Second}), way.want)
	decided(w)
	right(w)
	f.set(func() { f.instead = nil })
	answered(t, w, way.want)
	right(w)
	f.set(func() {
		f.instead = func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
	})
	eventually(t, func() string {
		for q := range way.want {
			if w.Err(q) == nil {
				return fmt.Sprintf("%s has no error", q)
			}
		}
		return ""
	})
	f.set(func() { f.instead = blank })
	before := f.count("")
	eventually(t, func() string {
		if f.count("") < before+5 {
			return "nothing is asked any more"
		}
		return ""
	})
	stays(t, func() string { right(w); return "" })
}

// stays makes sure that nothing wrong comes within a while.
func stays(t *testing.T, wrong func() string) {
	t.Helper()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if what := wrong(); what != "" {
			t.Fatal(what)
		}
	}
}

// TestSettled has an answer out of the event stream that says less, and reads that do not see the change yet: what is older
// must not stand for it.
func TestSettled(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.services["s1"] = 1
	a := watch.Service{Name: "s1"}
	w := follow(t, open(t, Config{Address: f.URL, Plan: PlanSingle}), watch.Set{a: {}})
	answered(t, w, watch.Set{a: {}})
	reads := 0
	f.set(func() {
		f.instead = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/v1/health/service/s1" {
				return false
			}
			if !r.Form.Has("consistent") {
				w.Header().Set("X-Consul-Query-Backend", "streaming")
				w.Header().Set("X-Consul-Index", "20")
				if r.FormValue("index") == "20" {
					<-r.Context().Done()
				}
				fmt.Fprint(w, `[]`)
				return true
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if reads++; reads < 3 { // not yet
				w.Header().Set("X-Consul-Index", "10")
				return false
			}
			w.Header().Set("X-Consul-Index", "20")
			fmt.Fprint(w, `[]`)
			return true
		}
	})
	eventually(t, func() string {
		if v, _ := w.Get(a); len(v.([]*watch.ServiceInstance)) != 0 {
			return fmt.Sprintf("s1 is still %s", text(v))
		}
		return ""
	})
}
