package watch_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
	"lictor/watch/watchtest"
)

// list is the answer to services() with these names.
func list(names ...string) []*watch.ServiceName {
	all := []*watch.ServiceName{}
	for _, name := range names {
		all = append(all, &watch.ServiceName{Name: name, Tags: watch.ServiceTags{}})
	}
	return all
}

// listed are the names that w knows of q.
func listed(w *watch.Watcher, q watch.Services) string {
	answer, _ := w.Get(q)
	var all []string
	for _, s := range answer.([]*watch.ServiceName) {
		all = append(all, s.Name)
	}
	return strings.Join(all, " ")
}

func wantListed(t *testing.T, w *watch.Watcher, when, want string) {
	t.Helper()
	synctest.Wait()
	if got := listed(w, watch.Services{}); got != want {
		t.Errorf("%s: the list has %q, want %q", when, got, want)
	}
}

var (
	services = watch.Services{}
	api, web = watch.Service{Name: "api"}, watch.Service{Name: "web"}
)

// What a guard holds back of a service is of no use when the service leaves the list from which a template has it.
func TestServiceStaysInTheListOfNames(t *testing.T) {
	two := watch.Guard{MinInstances: 2, Hold: 5 * time.Minute}
	onlyWeb, half, byQuery := two, watch.Guard{MaxShrink: 0.5, Hold: 5 * time.Minute}, two
	onlyWeb.Services, byQuery.Queries = []string{"w*"}, []string{"service(web)"}
	there := watch.Scope{Datacenter: "there"}
	for _, c := range []struct {
		name   string
		guard  watch.Guard
		web    watch.Query // how its instances are asked for
		before any
		first  watch.Query // whose fall comes first; nil when the instances do not fall
		stays  bool
	}{
		{"names first", two, web, instances(4, 0), services, true},
		{"instances first", two, web, instances(4, 0), web, true},
		{"the instances are still there", two, web, instances(4, 0), nil, true},
		{"a guard of this service", onlyWeb, web, instances(4, 0), services, true},
		{"a guard of this query", byQuery, web, instances(4, 0), services, true},
		{"a guard of every list", half, web, instances(4, 0), services, true},
		{"a filter", two, watch.Service{Name: "web", Filter: "x"}, instances(4, 0), services, true},
		{"the mesh", two, watch.Service{Name: "web", Connect: true}, instances(4, 0), services, true},
		{"the catalog", two, watch.CatalogService{Name: "web"}, []*watch.CatalogInstance{{ID: "1"}}, services, true},
		{"no instance passed before", two, web, instances(0, 4), services, false},
		{"a guard of another service", watch.Guard{Services: []string{"db"}, MinInstances: 2}, web, instances(4, 0), services, false},
		{"a service of another place", two, watch.Service{Name: "web", Scope: there}, instances(4, 0), services, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = []watch.Guard{c.guard}
				s.Set(services, list("api", "old", "web"))
				s.Set(api, instances(4, 0))
				s.Set(c.web, c.before)
				w.Sync(ctx, set(services, api, c.web))
				synctest.Wait()
				fall := map[watch.Query]any{services: list("api", "new"), c.web: instances(0, 0)}
				if _, catalog := c.web.(watch.CatalogService); catalog {
					fall[c.web] = []*watch.CatalogInstance{}
				}
				order := []watch.Query{services}
				switch c.first {
				case services:
					order = append(order, c.web)
				case c.web:
					order = []watch.Query{c.web, services}
				}
				for _, q := range order {
					s.Set(q, fall[q])
					synctest.Wait()
				}
				if !c.stays {
					wantListed(t, w, "at once", "api new")
					return
				}
				wantListed(t, w, "at once", "api new web")
				if w.Stale() == 0 {
					t.Error("the list counts as what the registry says")
				}
				if n := strings.Count(log.String(), "GUARD: services that have left a list"); n != 1 || !strings.Contains(log.String(), "services=web ") {
					t.Errorf("it was said %d times", n)
				}
				time.Sleep(4*time.Minute + 59*time.Second)
				s.Set(services, list("api", "new", "newer"))
				wantListed(t, w, "just before the hold is over", "api new newer web")
				time.Sleep(2 * time.Second)
				wantListed(t, w, "when the hold is over", "api new newer")
				if n := w.Stale(); n != 0 {
					t.Errorf("%d are still held back after the hold", n)
				}
			})
		})
	}
}

// Each service stays in the list for as long as what is held back of it, and comes back by itself.
func TestServicesLeaveTheListOneByOne(t *testing.T) {
	db := watch.Service{Name: "db"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{Services: []string{"web", "db"}, MaxShrink: 0.5, Hold: time.Minute}, {Services: []string{"api"}, MaxShrink: 0.5}}
		s.Set(services, list("api", "db", "web"))
		for _, q := range []watch.Query{api, db, web} {
			s.Set(q, instances(4, 0))
		}
		w.Sync(ctx, set(services, api, db, web))
		synctest.Wait()
		w.Take()
		s.Set(web, instances(0, 0))
		s.Set(services, list("api", "db"))
		wantListed(t, w, "web has gone", "api db web")
		if !w.Take().Has(services) {
			t.Error("nobody was told that a service stays, and so it would not be kept")
		}
		time.Sleep(30 * time.Second)
		s.Set(services, list())
		s.Set(api, instances(0, 0))
		s.Set(db, instances(0, 0))
		wantListed(t, w, "all have gone", "api db web")
		time.Sleep(31 * time.Second)
		wantListed(t, w, "a minute after web", "api db")
		s.Set(db, instances(4, 0))
		s.Set(services, list("db"))
		wantListed(t, w, "db is back", "api db")
		s.Set(services, list())
		s.Set(db, instances(0, 0))
		time.Sleep(59 * time.Second)
		wantListed(t, w, "db has gone once more, and is held anew", "api db")
		time.Sleep(2 * time.Second)
		wantListed(t, w, "a minute after db", "api")
		time.Sleep(100 * time.Hour)
		wantListed(t, w, "without an end", "api")
		if n := w.Release(); n != 2 {
			t.Errorf("%d were released, want the list and api", n)
		}
		wantListed(t, w, "released", "")
		s.Set(services, list("web"))
		wantListed(t, w, "web is back", "web")
		if n := w.Stale(); n != 0 {
			t.Errorf("%d are still held back", n)
		}
	})
}

// That a service stays in the list without an end makes no hold of anything else begin before its time.
func TestListThatHasShrunkWhileAServiceStaysInIt(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{Services: []string{"web"}, MaxShrink: 0.5}, {Queries: []string{"services()"}, MaxShrink: 0.5, Hold: time.Minute}}
		s.Set(services, list("a", "b", "c", "d", "web"))
		s.Set(web, instances(4, 0))
		w.Sync(ctx, set(services, web))
		synctest.Wait()
		s.Set(services, list("a", "b", "c", "d"))
		wantListed(t, w, "web has gone", "a b c d web")
		time.Sleep(time.Hour)
		s.Set(services, list("a"))
		time.Sleep(59 * time.Second)
		wantListed(t, w, "nearly all have gone", "a b c d web")
		time.Sleep(2 * time.Second)
		wantListed(t, w, "for a minute", "a web")
		s.Set(services, list("b"))
		wantListed(t, w, "and is believed", "b web")
		s.Set(services, list("a", "b", "c", "d"))
		wantListed(t, w, "they are back", "a b c d web")
		s.Set(services, list("a", "b"))
		wantListed(t, w, "two have gone", "a b web")
		s.Set(services, list("a"))
		wantListed(t, w, "and one more", "a b web")
		w.Release()
		wantListed(t, w, "released", "a")
	})
}

// A service that was back for a moment begins anew to stay, and each for as long as the last of the guards that are for what
// is asked of it.
func TestServiceStaysAnew(t *testing.T) {
	connect := watch.Service{Name: "web", Connect: true}
	for range 10 { // for the order of what is watched
		bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
			w.Guards = []watch.Guard{{Queries: []string{"service(web)"}, MinInstances: 2, Hold: time.Minute}, {Queries: []string{"connect(web)"}, MinInstances: 2, Hold: time.Hour}}
			s.Set(services, list("web"))
			s.Set(web, instances(4, 0))
			s.Set(connect, instances(4, 0))
			w.Sync(ctx, set(services, web, connect))
			synctest.Wait()
			s.Set(services, list())
			time.Sleep(59 * time.Minute)
			wantListed(t, w, "an hour is not over", "web")
			s.Set(services, list("web"))
			wantListed(t, w, "it is back", "web")
			s.Set(services, list())
			time.Sleep(59 * time.Minute)
			wantListed(t, w, "another hour is not over", "web")
			time.Sleep(2 * time.Minute)
			wantListed(t, w, "it is", "")
		})
	}
}

// A service stays no longer than somebody asks for it, or than it is held back itself.
func TestServiceStaysNoLongerThanItIsOfUse(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{Services: []string{"web"}, MaxShrink: 0.5, Hold: time.Minute}, {Services: []string{"api"}, MaxShrink: 0.5}}
		s.Set(services, list("api", "web"))
		s.Set(api, instances(4, 0))
		s.Set(web, instances(4, 0))
		w.Sync(ctx, set(services, api, web))
		synctest.Wait()
		s.Set(web, instances(0, 4)) // all critical
		time.Sleep(50 * time.Second)
		s.Set(services, list("api"))
		s.Set(web, instances(0, 0))
		wantListed(t, w, "web has gone", "api web")
		time.Sleep(11 * time.Second)
		wantListed(t, w, "a minute after its instances went critical", "api")

		s.Set(services, list())
		wantListed(t, w, "api has gone", "api")
		w.Sync(ctx, set(services, web))
		wantListed(t, w, "nobody asks for api", "")
		if n := w.Stale(); n != 0 {
			t.Errorf("%d are held back", n)
		}
	})
}

// A run that starts with what an earlier one knew asks for the list before it asks for the services.
func TestServiceStaysInTheListOfTheNextRun(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{Services: []string{"web"}, MinInstances: 2, Hold: time.Minute}}
		s.Set(services, list("api", "web"))
		s.Set(api, instances(4, 0))
		s.Set(web, instances(4, 0))
		w.Sync(ctx, set(services, api, web))
		synctest.Wait()
		known := throughCache(t, w)
		s.Set(services, list("api"))
		s.Set(web, instances(0, 0))
		for i, want := range []string{"api web", "api web", "api"} { // three more runs, of 25 s each, and the first begins the hold
			if i > 0 {
				time.Sleep(31 * time.Second)
			}
			runCtx, stop := context.WithCancel(ctx)
			next := watch.New(s, slog.New(slog.DiscardHandler))
			next.Guards, next.Fallback = w.Guards, known
			next.Sync(runCtx, set(services))
			wantListed(t, next, "at first", want)
			if i == 0 { // one that is not even asked for is kept for the run after this one
				if known := next.Known(); len(known[web].Answer.([]*watch.ServiceInstance)) != 4 || len(known) != 3 {
					t.Errorf("known: %v", known)
				}
			}
			wanted := set(services, api)
			if want == "api web" {
				wanted.Add(web)
			}
			next.Sync(runCtx, wanted)
			wantListed(t, next, "then", want)
			if stale := next.Stale(); stale != map[string]int{"api web": 2, "api": 0}[want] {
				t.Errorf("run %d: %d stale", i, stale)
			}
			next.Prune()
			wantListed(t, next, "in the end", want)
			stop()
			next.Wait()
			known = throughCache(t, next)
			if _, keeps := known[web]; keeps != (want == "api web") {
				t.Errorf("run %d: web is known to the next: %v", i, keeps)
			}
		}
	})
}

// What the run before asked for, and this one does not, holds nothing back.
func TestServiceThatNobodyAsksForLeavesTheList(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{Services: []string{"web"}, MinInstances: 2}}
		w.Fallback = map[watch.Query]watch.Known{services: {Answer: list("api", "web")}, web: {Answer: instances(4, 0)}}
		s.Set(services, list("api"))
		w.Sync(ctx, set(services))
		wantListed(t, w, "at first", "api web")
		if !w.Prune() || w.Prune() {
			t.Error("Settle does not tell what it changes, or tells more")
		}
		wantListed(t, w, "when it is settled", "api")
	})
}
