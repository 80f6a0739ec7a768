package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// beside watches queries in a bubble on a fake with n keys and n services; answer may answer in its place, and is false where it
// does not. The test gets what changes the queries.
func beside(t *testing.T, n int, c Config, want watch.Set, answer func(f *fake, w http.ResponseWriter, r *http.Request) bool,
	test func(f *fake, w *watch.Watcher, sync func(watch.Set))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{index: 9, changed: make(chan struct{}), keys: map[string]string{}, services: map[string]int{}, passing: map[string]bool{}}
		for i := range n {
			f.keys[fmt.Sprintf("app/%d", i)] = "dg=="
			f.services[fmt.Sprintf("s%d", i)] = 80
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := watch.New(overWire(t, c, func(to http.ResponseWriter, r *http.Request) {
			if _ = r.ParseForm(); answer(f, to, r) {
				f.note(r)
				return
			}
			f.ServeHTTP(to, r)
		}), slog.New(slog.DiscardHandler))
		w.MaxAge = time.Second
		w.Sync(ctx, want)
		test(f, w, func(want watch.Set) { w.Sync(ctx, want) })
		cancel()
		w.Wait()
	})
}

// services are queries on the first n services of a fake.
func services(n int) watch.Set {
	want := watch.Set{}
	for i := range n {
		want.Add(watch.Service{Name: fmt.Sprintf("s%d", i)})
	}
	return want
}

// TestLoadThatNeverWorks has something between us and Consul that refuses one of the requests that a first load needs: the
// services are read one by one, and followed.
func TestLoadThatNeverWorks(t *testing.T) {
	for _, path := range []string{
		"/v1/health/state/any", "/v1/health/state/critical", "/v1/catalog/node-services/n", "/v1/catalog/nodes", "/v1/catalog/services",
	} {
		for _, once := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s once=%v", path, once), func(t *testing.T) {
				want := services(60)
				refuses := func(_ *fake, w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != path || r.Form.Has("filter") { // that makes the answer small
						return false
					}
					http.Error(w, "the answer is too large", http.StatusBadGateway)
					return true
				}
				beside(t, 60, Config{Once: once}, want, refuses, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
					within(t, 10*time.Second, func() string { return values(w, want, 80) })
					if once {
						return
					}
					for port := 81; port < 90; port++ {
						f.next(port)
						within(t, 5*time.Second, func() string { return values(w, want, port) })
					}
					time.Sleep(10 * time.Minute)
					for q := range want {
						if err := w.Err(q); err != nil {
							t.Fatalf("%s has the error %v though it is followed", q, err)
						}
					}
				})
			})
		}
	}
}

// TestHiddenServices has two hundred services that access rules hide from us: they are not believed to be empty, and are not read
// again and again for that.
func TestHiddenServices(t *testing.T) {
	want := services(60)
	all := watch.Set{}
	all.AddAll(want)
	for i := range 200 {
		all.Add(watch.Service{Name: fmt.Sprintf("hidden%d", i)})
	}
	hides := func(_ *fake, w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/health/service/s") {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		}
		return false
	}
	beside(t, 60, Config{}, all, hides, func(f *fake, w *watch.Watcher, sync func(watch.Set)) {
		within(t, 10*time.Second, func() string { return values(w, want, 80) })
		if v, ok := w.Get(watch.Service{Name: "hidden7"}); ok {
			t.Errorf("hidden7 is %v", v)
		}
		time.Sleep(time.Minute)
		reads, loads := f.count("/health/service/"), f.count("health/state/any?consistent")
		more := watch.Set{}
		more.AddAll(all)
		more.Add(watch.Service{Name: "one more"})
		sync(more)
		within(t, time.Second, func() string { return values(w, want, 80) })
		if n, l := f.count("/health/service/")-reads, f.count("health/state/any?consistent")-loads; n > 3 || l > 0 {
			t.Errorf("one more query took %d reads of services and %d loads", n, l)
		}
	})
}

// TestMemberThatJoinsAfterASlowLoad asks for one more service while loads rest, since the first one took long: it is read by itself.
func TestMemberThatJoinsAfterASlowLoad(t *testing.T) {
	want := services(200)
	slow := func(_ *fake, _ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/health/state/any" && !r.Form.Has("filter") {
			time.Sleep(5 * time.Second)
		}
		return false
	}
	beside(t, 201, Config{}, want, slow, func(f *fake, w *watch.Watcher, sync func(watch.Set)) {
		within(t, 6*time.Second, func() string { return values(w, want, 80) })
		more := services(201)
		sync(more)
		within(t, time.Second, func() string { return values(w, more, 80) })
	})
}

// TestMassOfChanges has a check of a node with two thousand services flip, and then many times: that they all have changed takes
// no read for each of them, and what changes beside them is not late.
func TestMassOfChanges(t *testing.T) {
	for _, plan := range []string{PlanNodes, PlanSweep} {
		t.Run(plan, func(t *testing.T) {
			const many = 2000
			want := services(many)
			none := func(*fake, http.ResponseWriter, *http.Request) bool { return false }
			beside(t, many, Config{Plan: plan}, want, none, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
				within(t, time.Minute, func() string { return values(w, want, 80) })
				for flip := range 20 {
					before := f.count("/health/service/")
					f.set(func() { f.sick = flip%2 == 0; f.services["s1"] = 81 + flip })
					within(t, 2*time.Second, func() string {
						for q := range want {
							if n := len(checksOf(w, q)); n != 1+(1+flip)%2 {
								v, _ := w.Get(q)
								return fmt.Sprintf("flip %d: %s has %d checks, %s", flip, q, n, text(v))
							}
						}
						if port := portOf(w, watch.Service{Name: "s1"}); port != 81+flip {
							return fmt.Sprintf("flip %d: s1 has port %d", flip, port)
						}
						return ""
					})
					if n := f.count("/health/service/") - before; n > many {
						t.Errorf("flip %d took %d reads of services", flip, n)
					}
				}
			})
		})
	}
}

// checksOf lists the checks of the one instance of a service that w knows.
func checksOf(w *watch.Watcher, q watch.Query) watch.HealthChecks {
	v, _ := w.Get(q)
	if list, _ := v.([]*watch.ServiceInstance); len(list) == 1 {
		return list[0].Checks
	}
	return nil
}

// TestSlowPolledQueries has so many queries that are polled, and answered so slowly, that reading them takes longer than it is until
// they are polled again: what else is to be read still has its turn.
func TestSlowPolledQueries(t *testing.T) {
	want := services(60)
	all := watch.Set{}
	all.AddAll(want)
	for i := range 60 {
		all.Add(watch.Service{Name: fmt.Sprintf("s%d", i), Connect: true})
	}
	slow := func(_ *fake, w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/health/connect/") {
			return false
		}
		sleep(r.Context(), 100*time.Millisecond)
		w.Header().Set("X-Consul-Index", "9")
		fmt.Fprint(w, "[]")
		return true
	}
	beside(t, 60, Config{MaxConnections: 3}, all, slow, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
		within(t, 30*time.Second, func() string { return values(w, want, 80) })
		for port := 81; port < 84; port++ {
			f.next(port)
			within(t, 30*time.Second, func() string { return values(w, want, port) })
		}
	})
}
