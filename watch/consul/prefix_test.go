package consul

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lictor/watch"
)

// TestPrefixIsReadAgain has a shared prefix whose answer is not believed, and then a consistent read that fails once: that is made
// up for though nothing changes any more, and nobody keeps an error.
func TestPrefixIsReadAgain(t *testing.T) {
	var doubtful, failed atomic.Bool
	answer := func(f *fake, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/v1/kv/") {
			return false
		}
		if doubtful.Load() && r.Form.Has("consistent") && !failed.Swap(true) {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return true
		}
		f.wait(r)
		if doubtful.Load() && !failed.Load() {
			w.Header().Set("X-Consul-LastContact", "10000") // more than may be
		}
		return false
	}
	want := ways()["prefix"].want
	beside(t, 60, Config{Stale: true}, want, answer, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
		within(t, 10*time.Second, func() string { return values(w, want, 80) })
		doubtful.Store(true)
		f.set(func() { f.keys["app/7"] = "bmV3" })
		within(t, time.Minute, func() string {
			if !failed.Load() {
				return "no consistent read was made"
			}
			if v, _ := w.Get(watch.Key{Path: "app/7"}); v.(*watch.KeyPair).Value != "new" {
				return "app/7 has its old value"
			}
			for q := range want {
				if err := w.Err(q); err != nil {
					return fmt.Sprintf("%s still has the error %v", q, err)
				}
			}
			return ""
		})
	})
}

// TestPrefixIsLookedAtAgain has a prefix that grows while nobody asks for its keys: it is counted anew before it is read as a
// whole for two of them.
func TestPrefixIsLookedAtAgain(t *testing.T) {
	want := keySet([]string{"app/0", "app/1", "app/2"})
	none := func(*fake, http.ResponseWriter, *http.Request) bool { return false }
	beside(t, 10, Config{Plan: PlanShared}, want, none, func(f *fake, w *watch.Watcher, sync func(watch.Set)) {
		within(t, time.Minute, func() string { return values(w, want, 80) })
		sync(watch.Set{watch.Services{}: {}})
		time.Sleep(time.Minute)
		f.set(func() {
			for i := range 3000 {
				f.keys[fmt.Sprintf("app/x%d", i)] = "dg=="
			}
		})
		pulls := f.count("recurse")
		want := keySet([]string{"app/1", "app/2"})
		sync(want)
		within(t, time.Minute, func() string { return values(w, want, 80) })
		if n := f.count("recurse") - pulls; n > 0 {
			t.Errorf("the prefix of 3,000 keys was read %d times for two of them", n)
		}
	})
}

// TestHiddenKeysComeLast has a thousand keys that access rules hide beside sixty that they don't: those don't wait for what has to
// be asked for one by one.
func TestHiddenKeysComeLast(t *testing.T) {
	const each = 2 * time.Millisecond
	want := ways()["prefix"].want
	all := watch.Set{}
	all.AddAll(want)
	for i := range 1000 {
		all.Add(watch.Key{Path: fmt.Sprintf("app/shut/%d", i)})
	}
	answer := func(_ *fake, w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/kv/app/shut/") {
			sleep(r.Context(), each)
			http.Error(w, "Permission denied", http.StatusForbidden)
			return true
		}
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		return false
	}
	beside(t, 60, Config{}, all, answer, func(_ *fake, w *watch.Watcher, _ func(watch.Set)) {
		within(t, 100*each, func() string { return values(w, want, 80) })
	})
}

// TestPrefixThatCanNotBeSure has a shared prefix whose answers are too old, a leader that can't be asked, and a key that access rules
// hide: it is tried again with pauses.
func TestPrefixThatCanNotBeSure(t *testing.T) {
	var away atomic.Bool
	want := ways()["prefix"].want
	all := watch.Set{watch.Key{Path: "app/shut"}: {}}
	all.AddAll(want)
	answer := func(f *fake, w http.ResponseWriter, r *http.Request) bool {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/v1/kv/"):
			return false
		case r.URL.Path == "/v1/kv/app/shut":
			http.Error(w, "Permission denied", http.StatusForbidden)
			return true
		case away.Load() && r.Form.Has("consistent"):
			http.Error(w, "rpc error: i/o deadline reached", http.StatusInternalServerError)
			return true
		}
		f.wait(r)
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		if away.Load() {
			w.Header().Set("X-Consul-LastContact", "10000") // more than may be
		}
		return false
	}
	beside(t, 60, Config{Stale: true}, all, answer, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
		within(t, 10*time.Second, func() string { return values(w, want, 80) })
		away.Store(true)
		f.set(func() { f.keys["app/7"] = "bmV3" })
		time.Sleep(2 * time.Minute) // until the key is to be asked for again
		before := f.count("/v1/kv/")
		time.Sleep(time.Minute)
		if n := f.count("/v1/kv/") - before; n > 60 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}
