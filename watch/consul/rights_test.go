package consul

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/consultest"
	"lictor/internal/secret"
	"lictor/watch"
)

// TestRightsGrow gives a token more rights, which changes no index: what it may read then is seen when the wait is over.
func TestRightsGrow(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{ACL: true})
	put(t, server, "acl/open/%02d", 3)
	put(t, server, "acl/shut/%02d", 3)
	shut := instanceOf("shut", 0)
	registry{server}.Register(t, shut)
	none := watch.Prefix{Path: "acl/none/"} // is nothing, though access rules hide what is beside it
	want := watch.Set{watch.Prefix{Path: "acl/"}: {}, none: {}, watch.Service{Name: "shut"}: {}, watch.Services{}: {}}
	watchers := map[string]*watch.Watcher{}
	tokens := map[string]string{}
	for _, plan := range Plans {
		token := server.NewToken(t, `key_prefix "acl/open/" { policy = "read" } node_prefix "" { policy = "read" }`)
		w := follow(t, open(t, Config{Address: server.Addr, Token: secret.Text(token), Wait: 2 * time.Second, Plan: plan}), want)
		answered(t, w, watch.Set{watch.Prefix{Path: "acl/"}: {}, none: {}})
		for _, hidden := range []watch.Query{watch.Service{Name: "shut"}, watch.Services{}} {
			eventually(t, func() string {
				if err := w.Err(hidden); err == nil || !strings.Contains(err.Error(), "access rules hide all") {
					return fmt.Sprintf("plan %s: the error of %s is %v", plan, hidden, err)
				}
				return ""
			})
		}
		watchers[plan], tokens[plan] = w, token
	}
	for began := time.Now(); time.Since(began) < 6*time.Second; time.Sleep(10 * time.Millisecond) { // three waits, that all end with nothing
		for plan, w := range watchers {
			for _, hidden := range []watch.Query{watch.Service{Name: "shut"}, watch.Services{}} {
				if v, ok := w.Get(hidden); ok {
					t.Fatalf("plan %s: %s is %v, though all of it is hidden", plan, hidden, v)
				}
			}
		}
	}
	for plan, w := range watchers {
		if v, _ := w.Get(watch.Prefix{Path: "acl/"}); len(v.([]*watch.KeyPair)) != 3 {
			t.Errorf("plan %s: %d keys before", plan, len(v.([]*watch.KeyPair)))
		}
		server.SetRules(t, tokens[plan], `key_prefix "acl/" { policy = "read" } node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }`)
	}
	for plan, w := range watchers {
		eventually(t, func() string {
			if v, _ := w.Get(watch.Prefix{Path: "acl/"}); len(v.([]*watch.KeyPair)) != 6 {
				return fmt.Sprintf("plan %s: %d keys, want 6", plan, len(v.([]*watch.KeyPair)))
			}
			v, _ := w.Get(watch.Services{})
			if list, _ := v.([]*watch.ServiceName); len(list) != 2 {
				return fmt.Sprintf("plan %s: %d services, want 2", plan, len(list))
			}
			if portOf(w, watch.Service{Name: "shut"}) != shut.Port {
				return fmt.Sprintf("plan %s: the service is not seen", plan)
			}
			return ""
		})
	}
}

// TestDeniedKeys has keys below one prefix of which the token may read some: a denied one is an error, and not missing.
func TestDeniedKeys(t *testing.T) {
	server := consultest.Start(t, consultest.Options{ACL: true})
	keys := put(t, server, "acl/open/%02d", 20)
	server.Put(t, "acl/shut/k", "secret")
	token := server.NewToken(t, `key_prefix "acl/open/" { policy = "read" }`)
	want := keySet(append(keys, "acl/open/missing"))
	w := follow(t, open(t, Config{Address: server.Addr, Token: secret.Text(token), Plan: PlanShared}), func() watch.Set {
		all := watch.Set{}
		all.AddAll(want)
		all.Add(watch.Key{Path: "acl/shut/k"})
		return all
	}())
	answered(t, w, want)
	eventually(t, func() string {
		if err := w.Err(watch.Key{Path: "acl/shut/k"}); err == nil || !strings.Contains(err.Error(), "permission denied") {
			return fmt.Sprintf("the denied key's error is %v", err)
		}
		return ""
	})
	if v, ok := w.Get(watch.Key{Path: "acl/shut/k"}); ok {
		t.Errorf("the denied key has the answer %v", v)
	}
	server.SetRules(t, token, `key_prefix "acl/" { policy = "read" }`)
	valueIs(t, w, "acl/shut/k", "secret")
}

// TestSharedPrefixShrinks has a key go while access rules hide another one below the common prefix, which nobody asks for.
func TestSharedPrefixShrinks(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{ACL: true})
	for _, plan := range []string{PlanSingle, PlanShared, PlanPoll} {
		put(t, server, plan+"/a/%02d", 3)
		put(t, server, plan+"/b/%02d", 3)
		token := server.NewToken(t, fmt.Sprintf(`key_prefix "%[1]s/a/" { policy = "read" } key_prefix "%[1]s/b/" { policy = "read" }`, plan))
		a, b := watch.Prefix{Path: plan + "/a/"}, watch.Prefix{Path: plan + "/b/"}
		w := follow(t, open(t, Config{Address: server.Addr, Token: secret.Text(token), Wait: time.Minute, Plan: plan}), watch.Set{a: {}, b: {}})
		answered(t, w, watch.Set{a: {}, b: {}})
		has := func(n int) {
			t.Helper()
			eventually(t, func() string {
				v, _ := w.Get(a)
				if list := v.([]*watch.KeyPair); len(list) != n || w.Err(a) != nil {
					return fmt.Sprintf("plan %s: %d keys, want %d: %v", plan, len(list), n, w.Err(a))
				}
				return ""
			})
		}
		server.Put(t, plan+"/secret", "x")
		for i := range 3 { // the next one before a minute is over
			server.Delete(t, fmt.Sprintf("%s/a/%02d", plan, i))
			has(2 - i)
		}
		server.Put(t, plan+"/a/again", "x")
		has(1)
	}
}

// A lawyer answers as Consul does when a token has lost its rights to services, but not to nodes, from the moment that it is told so.
type lawyer struct{ lost atomic.Bool }

func (l *lawyer) answer(f *fake, w http.ResponseWriter, r *http.Request) bool {
	if !l.lost.Load() {
		return false
	}
	f.wait(r)
	f.mu.Lock()
	w.Header().Set("X-Consul-Index", fmt.Sprint(f.index))
	f.mu.Unlock()
	filtered := func(text string) {
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		fmt.Fprint(w, text)
	}
	switch {
	case strings.Contains(r.URL.Path, "/health/service/"):
		time.Sleep(time.Millisecond)
		filtered(`[]`)
	case strings.Contains(r.URL.Path, "/health/state/"):
		filtered(`[]`)
	case strings.Contains(r.URL.Path, "/node-services/"):
		filtered(`{"Node":{"Node":"n"},"Services":[]}`)
	case strings.Contains(r.URL.Path, "/catalog/services"):
		filtered(`{}`)
	default:
		fmt.Fprint(w, `[{"Node":"n"}]`)
	}
	return true
}

// TestRightsAreLost has a token lose its rights to services that were known: nothing is blanked, and what goes on changing in the
// registry does not have them all read again and again.
func TestRightsAreLost(t *testing.T) {
	const many = 200
	want := services(many)
	for _, plan := range []string{PlanNodes, PlanSweep} {
		t.Run(plan, func(t *testing.T) {
			l := &lawyer{}
			beside(t, many, Config{Plan: plan}, want, l.answer, func(f *fake, w *watch.Watcher, _ func(watch.Set)) {
				within(t, 10*time.Second, func() string { return values(w, want, 80) })
				l.lost.Store(true)
				f.set(func() {})
				time.Sleep(30 * time.Second)
				reads := f.count("/health/service/")
				for range 60 {
					f.set(func() {})
					time.Sleep(time.Second)
				}
				if n := f.count("/health/service/") - reads; n > 2*many {
					t.Errorf("%d reads in a minute of %d services that are all refused", n, many)
				}
				for q := range want {
					if portOf(w, q.(watch.Service)) != 80 || w.Err(q) == nil {
						t.Fatalf("%s has port %d and the error %v", q, portOf(w, q.(watch.Service)), w.Err(q))
					}
				}
			})
		})
	}
}

// TestRefusedIsNotFailing has a service that is refused from the start, and one that is refused later, and then an outage of five
// seconds: nothing is said to fail after that, and what is refused goes on being so.
func TestRefusedIsNotFailing(t *testing.T) {
	for _, plan := range []string{PlanSingle, PlanShared} {
		t.Run(plan, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, s := newLine(t, Config{Plan: plan, Wait: 10 * time.Second}, plain)
				for i := range 30 {
					line.services[fmt.Sprintf("s%d", i)] = 80
				}
				line.refuse = func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.Contains(r.URL.Path, "/health/service/s") {
						w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
					}
					return false
				}
				want := services(30)
				hidden, later := watch.Service{Name: "hidden"}, watch.Service{Name: "s7"}
				want.Add(hidden)
				ctx, cancel := context.WithCancel(t.Context())
				w := watch.New(s, slog.New(slog.DiscardHandler))
				w.Sync(ctx, want)
				refused := func(queries ...watch.Query) func() string {
					return func() string {
						for _, q := range queries {
							if err := w.Err(q); err == nil || !strings.Contains(err.Error(), "access rules hide") {
								return fmt.Sprintf("the error of %s is %v", q, err)
							}
						}
						if w.Failing() {
							return "queries fail"
						}
						return ""
					}
				}
				within(t, 10*time.Second, refused(hidden))
				line.set(func() {
					delete(line.services, "s7")
					line.instead = func(w http.ResponseWriter, r *http.Request) bool {
						if !strings.HasSuffix(r.URL.Path, "/health/service/s7") {
							return false
						}
						w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
						fmt.Fprint(w, `[]`)
						return true
					}
				})
				within(t, time.Minute, refused(hidden, later))
				line.away(true)
				within(t, time.Minute, func() string { return map[bool]string{false: "nothing fails"}[w.Failing()] })
				line.away(false)
				within(t, time.Minute, refused(hidden, later))
				if portOf(w, later) != 80 {
					t.Error("it was blanked")
				}
				cancel()
				w.Wait()
			})
		})
	}
}

// Two prefixes that share a query on app/, of which access rules hide something else.
var appA, appB = watch.Prefix{Path: "app/a/"}, watch.Prefix{Path: "app/b/"}

// four has a fake hold four keys below each of them.
func four(f *fake) {
	f.set(func() {
		for i := range 4 {
			f.keys[fmt.Sprintf("app/a/%d", i)], f.keys[fmt.Sprintf("app/b/%d", i)] = "dg==", "dg=="
		}
	})
}

func keysBelow(w *watch.Watcher, q watch.Prefix) int {
	v, _ := w.Get(q)
	list, _ := v.([]*watch.KeyPair)
	return len(list)
}

// TestHalfOfAPrefixIsHidden has a token lose its rights to half of a prefix, beside keys that it never saw: that is not taken for
// their end, and does not have them asked for all the time.
func TestHalfOfAPrefixIsHidden(t *testing.T) {
	for _, plan := range []string{PlanSingle, PlanShared} {
		t.Run(plan, func(t *testing.T) {
			var lost atomic.Bool
			answer := func(f *fake, w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/v1/kv/app/") || !r.Form.Has("recurse") {
					return false
				}
				f.wait(r)
				r.Form.Del("index")
				if r.URL.Path == "/v1/kv/app/" || lost.Load() && r.URL.Path == "/v1/kv/app/a/" {
					w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
				}
				return false
			}
			beside(t, 0, Config{Plan: plan}, watch.Set{}, answer, func(f *fake, w *watch.Watcher, sync func(watch.Set)) {
				four(f)
				sync(watch.Set{appA: {}, appB: {}})
				within(t, 5*time.Minute, func() string { return map[bool]string{false: "not all keys are there"}[keysBelow(w, appA) == 4] })
				lost.Store(true)
				f.set(func() { delete(f.keys, "app/a/0"); delete(f.keys, "app/a/1") }) // as our token sees it
				refused := func() string {
					if n := keysBelow(w, appA); n != 4 || w.Err(appA) == nil {
						return fmt.Sprintf("%d keys are left, and the error is %v", n, w.Err(appA))
					}
					return ""
				}
				within(t, 10*time.Second, refused)
				before := f.count("/v1/kv/")
				for i := range 20 {
					f.set(func() { f.keys[fmt.Sprintf("app/b/x%d", i)] = "dg==" })
					within(t, 3*time.Second, func() string {
						return map[bool]string{false: "a change beside it is not seen"}[keysBelow(w, appB) == 5+i]
					})
				}
				if n := f.count("/v1/kv/") - before; n > 60 {
					t.Errorf("%d requests in a minute with 20 changes", n)
				}
				within(t, 10*time.Minute, refused)
				lost.Store(false)
				four(f)
				within(t, 3*time.Second, func() string {
					if n := keysBelow(w, appA); n != 4 || w.Err(appA) != nil {
						return fmt.Sprintf("at last there are %d keys, and the error is %v", n, w.Err(appA))
					}
					return ""
				})
			})
		})
	}
}

// TestAskedForAloneBeforeAnOutage has a prefix asked for by itself, and then Consul away for a moment: it recovers with the others.
func TestAskedForAloneBeforeAnOutage(t *testing.T) {
	var away atomic.Bool
	answer := func(f *fake, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/kv/app/" && r.Form.Has("recurse") {
			f.wait(r)
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		}
		if away.Load() {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return true
		}
		return false
	}
	beside(t, 0, Config{Plan: PlanShared}, watch.Set{}, answer, func(f *fake, w *watch.Watcher, sync func(watch.Set)) {
		four(f)
		sync(watch.Set{appA: {}, appB: {}})
		time.Sleep(time.Minute)
		f.set(func() { delete(f.keys, "app/a/0") })
		time.Sleep(5 * time.Second)
		away.Store(true)
		f.set(func() {})
		within(t, 3*time.Second, func() string { return map[bool]string{false: "nothing fails"}[w.Failing()] })
		away.Store(false)
		within(t, 10*time.Second, func() string {
			if w.Failing() {
				return fmt.Sprintf("queries fail: %v, %v", w.Err(appA), w.Err(appB))
			}
			return ""
		})
	})
}

// TestRefusedWhileOthersJoin has services join while there is no leader, but what is held open stays so: one that was refused before
// does not fail on account of that.
func TestRefusedWhileOthersJoin(t *testing.T) {
	var away atomic.Bool
	hidden := watch.Service{Name: "hidden"}
	answer := func(f *fake, w http.ResponseWriter, r *http.Request) bool {
		if away.Load() && !r.Form.Has("index") {
			if r.URL.Path == "/v1/status/leader" {
				fmt.Fprint(w, `""`)
			} else {
				http.Error(w, "No cluster leader", http.StatusInternalServerError)
			}
			return true
		}
		if !strings.Contains(r.URL.Path, "/health/service/s") {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		}
		return false
	}
	want, more := services(30), services(100)
	want.Add(hidden)
	more.Add(hidden)
	beside(t, 200, Config{Plan: PlanNodes, Wait: 10 * time.Minute}, want, answer, func(f *fake, w *watch.Watcher, sync func(watch.Set)) {
		within(t, 20*time.Second, func() string { return values(w, services(30), 80) })
		away.Store(true)
		sync(more)
		time.Sleep(5 * time.Second)
		away.Store(false)
		within(t, time.Minute, func() string { return values(w, services(100), 80) })
		if err := w.Err(hidden); w.Failing() || err == nil || !strings.Contains(err.Error(), "access rules hide") {
			t.Errorf("failing %v, and the error of what is refused is %v", w.Failing(), err)
		}
	})
}
