package consul

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// current is a fake with sixty keys and sixty services in a bubble, and queries that are answered in one way, and are.
func (way way) current(t *testing.T, c Config) (f *line, w *watch.Watcher, want watch.Set) {
	c.Plan = way.plan
	f, s := newLine(t, c, plain)
	for i := range 60 {
		f.keys[fmt.Sprintf("app/%d", i)], f.services[fmt.Sprintf("s%d", i)] = "dg==", 80
	}
	want = way.want
	if way.plan != "" {
		want = watch.Set{watch.Key{Path: "app/1"}: {}, watch.Service{Name: "s1"}: {}}
	}
	w = follow(t, s, want)
	within(t, 10*time.Second, func() string { return current(w, want, 80) })
	return f, w, want
}

// TestNullIsConfirmed has an agent that answers null in place of a list, out of a server that knows nothing: that is not believed
// before a consistent read says the same.
func TestNullIsConfirmed(t *testing.T) {
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w, want := way.current(t, Config{Wait: 10 * time.Second})
				f.set(func() {
					f.instead = func(w http.ResponseWriter, r *http.Request) bool {
						if r.Form.Has("consistent") {
							return false
						}
						fmt.Fprint(w, "null")
						return true
					}
				})
				for range 200 {
					time.Sleep(100 * time.Millisecond)
					synctest.Wait()
					if wrong := values(w, want, 80); wrong != "" {
						t.Fatal(wrong)
					}
				}
			})
		})
	}
}

// TestBogusIndexes has a proxy that gives one answer with an index that no registry has come to: what changes after that is seen within
// seconds, and not when a blocking query beyond that index is over.
func TestBogusIndexes(t *testing.T) {
	for name, way := range ways() {
		for _, index := range []string{"18446744073709551615", "9223372036854775807", "123456789012"} {
			t.Run(name+" "+index, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, w, want := way.current(t, Config{})
					bogus := true
					f.set(func() {
						f.instead = func(w http.ResponseWriter, r *http.Request) bool {
							f.fake.mu.Lock()
							defer f.fake.mu.Unlock()
							if bogus {
								w.Header().Set("X-Consul-Index", index)
							}
							return false
						}
					})
					time.Sleep(10 * time.Millisecond)
					f.set(func() { bogus = false })
					f.next(81)
					within(t, 5*time.Second, func() string { return current(w, want, 81) })
				})
			})
		}
	}
}

// TestSameIndexOfAnotherServer has a server that lost its data and has come to the same index again between two looks, without any
// request that failed.
func TestSameIndexOfAnotherServer(t *testing.T) {
	for name, plan := range map[string]string{"single": PlanPoll, "prefix": PlanShared} {
		t.Run(name, func(t *testing.T) {
			want := keySet([]string{"app/0", "app/1", "app/2"})
			refuse := func(_ *fake, w http.ResponseWriter, r *http.Request) bool { // so that nothing is held open
				if !r.Form.Has("index") {
					return false
				}
				http.Error(w, "no time to wait", http.StatusGatewayTimeout)
				return true
			}
			beside(t, 3, Config{Plan: plan}, want, refuse, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
				within(t, 10*time.Second, func() string { return values(w, want, 80) })
				time.Sleep(10 * time.Second)
				f.mu.Lock()
				f.keys["app/1"] = "bmV3"
				f.mu.Unlock()
				within(t, 5*time.Second, func() string {
					if v, _ := w.Get(watch.Key{Path: "app/1"}); v.(*watch.KeyPair).Value != "new" {
						return "app/1 has its old value"
					}
					return ""
				})
			})
		})
	}
}
