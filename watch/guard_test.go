package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
	"lictor/watch/watchtest"
)

// instances makes so many passing instances and so many critical ones.
func instances(passing, critical int) []*watch.ServiceInstance {
	var all []*watch.ServiceInstance
	for i := range passing + critical {
		status := watch.StatusPassing
		if i >= passing {
			status = watch.StatusCritical
		}
		all = append(all, &watch.ServiceInstance{ID: fmt.Sprint("i", i), Status: status})
	}
	return all
}

func passing(w *watch.Watcher, q watch.Query) int {
	n := 0
	answer, _ := w.Get(q)
	for _, i := range answer.([]*watch.ServiceInstance) {
		if i.Status == watch.StatusPassing {
			n++
		}
	}
	return n
}

func TestGuard(t *testing.T) {
	web, db := watch.Service{Name: "web"}, watch.Service{Name: "db"}
	half := watch.Guard{MaxShrink: 0.5, Hold: 5 * time.Minute}
	for _, c := range []struct {
		name          string
		guard         watch.Guard
		query         watch.Service
		before, after []*watch.ServiceInstance
		held          bool
	}{
		{"a small fall", half, web, instances(10, 0), instances(5, 0), false},
		{"a great fall", half, web, instances(10, 0), instances(4, 0), true},
		{"to nothing", half, web, instances(1, 0), nil, true},
		{"gone critical", half, web, instances(10, 0), instances(1, 9), true},
		{"growth", half, web, instances(1, 0), instances(10, 0), false},
		{"too few are left", watch.Guard{MinInstances: 2}, web, instances(3, 0), instances(1, 0), true},
		{"enough are left", watch.Guard{MinInstances: 2}, web, instances(3, 0), instances(2, 0), false},
		{"there were never more", watch.Guard{MinInstances: 2}, web, instances(1, 0), instances(1, 1), false},
		{"exactly what may go", watch.Guard{MaxShrink: 29. / 100}, web, instances(100, 0), instances(71, 0), false},
		{"one more", watch.Guard{MaxShrink: 29. / 100}, web, instances(100, 0), instances(70, 0), true},
		{"another service", watch.Guard{Services: []string{"w*"}, MaxShrink: 0.5}, db, instances(10, 0), nil, false},
		{"this service", watch.Guard{Services: []string{"w*"}, MaxShrink: 0.5}, web, instances(10, 0), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = []watch.Guard{c.guard}
				s.Set(c.query, c.before)
				w.Sync(ctx, set(c.query))
				synctest.Wait()
				s.Set(c.query, c.after)
				synctest.Wait()
				want := 0
				for _, i := range c.after {
					if i.Status == watch.StatusPassing {
						want++
					}
				}
				stands := passing(w, c.query) != want
				if released := w.Release() > 0; stands != c.held || released != c.held {
					t.Errorf("the old answer stands: %v, one was held back: %v; want %v", stands, released, c.held)
				}
				if c.held && !strings.Contains(log.String(), "GUARD") {
					t.Error("it was not said")
				}
				synctest.Wait()
				if got := passing(w, c.query); got != want {
					t.Errorf("after the release there are %d, want %d", got, want)
				}
			})
		})
	}
}

// A guard without services and queries is for every list, and one with some for nothing else.
func TestWhatAGuardIsFor(t *testing.T) {
	lists := map[watch.Query][2]any{
		watch.Prefix{Path: "p/q"}:        {[]*watch.KeyPair{{Key: "a"}, {Key: "b"}, {Key: "c"}}, []*watch.KeyPair{{Key: "a"}}},
		watch.Services{}:                 {list("a", "b", "c"), list("a")},
		watch.Nodes{}:                    {[]*watch.Node{{ID: "a"}, {ID: "b"}, {ID: "c"}}, []*watch.Node{{ID: "a"}}},
		watch.CatalogService{Name: "db"}: {[]*watch.CatalogInstance{{ID: "a"}, {ID: "b"}, {ID: "c"}}, []*watch.CatalogInstance{{ID: "a"}}},
		watch.Service{Name: "db", Scope: watch.Scope{Namespace: "n"}}: {instances(3, 0), instances(1, 0)},
		watch.Service{Name: "db", Connect: true, Filter: `a * "[x"`}:  {instances(3, 0), instances(1, 0)},
		watch.Datacenters{}:      {[]string{"a", "b", "c"}, []string{"a"}},
		watch.ImportedServices{}: {[]*watch.ImportedService{{Service: "a"}, {Service: "b"}, {Service: "c"}}, []*watch.ImportedService{{Service: "a"}}},
		watch.CARoots{}:          {[]*watch.CARoot{{ID: "a"}, {ID: "b"}, {ID: "c"}}, []*watch.CARoot{{ID: "a"}}}, // never guarded
		watch.Key{Path: "k"}:     {pair("v"), (*watch.KeyPair)(nil)},                                             // no list
	}
	db := []string{"catalog-service(db)", "connect(db filter a * \"[x\")", "service(db?ns=n)"}
	for _, c := range []struct {
		guard watch.Guard
		held  []string
	}{
		{watch.Guard{MaxShrink: 0.5}, append([]string{"datacenters()", "importedServices()", "nodes()", "prefix(p/q)", "services()"}, db...)},
		{watch.Guard{MinInstances: 2}, db},
		{watch.Guard{Services: []string{"web"}, MaxShrink: 0.5}, nil},
		{watch.Guard{Services: []string{"d?"}, MaxShrink: 0.5}, db},
		{watch.Guard{Queries: []string{"nodes()", "prefix(p)"}, MaxShrink: 0.5}, []string{"nodes()"}},
		{watch.Guard{Queries: []string{"nodes(*"}, Services: []string{"db"}, MaxShrink: 0.5}, append([]string{"nodes()"}, db...)},
		{watch.Guard{Queries: []string{"nodes()", "service(*)"}, MinInstances: 2}, []string{"service(db?ns=n)"}},
		{watch.Guard{Queries: []string{`connect(db filter a * "[x")`}, MaxShrink: 0.5}, db[1:2]},
		{watch.Guard{Queries: []string{"pre*(*/*)", "ca*(*)", "key(*)"}, MaxShrink: 0.5}, []string{"catalog-service(db)", "prefix(p/q)"}},
		{watch.Guard{Queries: []string{"s*v*s(*)"}, MaxShrink: 0.5}, []string{"services()"}},
		{watch.Guard{Queries: []string{"nodes()*)", "n*nodes()", "nod*des()"}, MaxShrink: 0.5}, nil},
	} {
		t.Run(fmt.Sprintf("%+v", c.guard), func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = []watch.Guard{c.guard}
				all := watch.Set{}
				for q, list := range lists {
					all.Add(q)
					s.Set(q, list[0])
				}
				w.Sync(ctx, all)
				synctest.Wait()
				var held []string
				for q, list := range lists {
					s.Set(q, list[1])
					synctest.Wait()
					if got, _ := w.Get(q); reflect.DeepEqual(got, list[0]) {
						held = append(held, q.String())
					}
				}
				slices.Sort(held)
				slices.Sort(c.held)
				if !slices.Equal(held, c.held) {
					t.Errorf("held back are %q, want %q", held, c.held)
				}
			})
		})
	}
}

// Where several guards object, an answer is held back until the last of them lets go, whatever their order, also when the one
// that objected first does so no more.
func TestSeveralGuards(t *testing.T) {
	web := watch.Service{Name: "web"}
	minute, hour, ever := watch.Guard{MaxShrink: 0.5, Hold: time.Minute}, watch.Guard{MinInstances: 3, Hold: time.Hour}, watch.Guard{MinInstances: 3}
	for _, c := range []struct {
		guards []watch.Guard
		falls  []int // one after the other
		after  time.Duration
		held   bool
	}{
		{[]watch.Guard{minute, hour}, []int{2}, 59 * time.Minute, true},
		{[]watch.Guard{hour, minute}, []int{2}, 59 * time.Minute, true},
		{[]watch.Guard{hour, minute}, []int{2}, 61 * time.Minute, false},
		{[]watch.Guard{minute, ever}, []int{2}, 100 * time.Hour, true},
		{[]watch.Guard{minute, ever}, []int{2, 4}, 59 * time.Second, true}, // of ever there is no need any more
		{[]watch.Guard{minute, ever}, []int{2, 4}, 61 * time.Second, false},
		{[]watch.Guard{minute, ever}, []int{4, 2}, 100 * time.Hour, true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = c.guards
				s.Set(web, instances(10, 0))
				w.Sync(ctx, set(web))
				synctest.Wait()
				for _, n := range c.falls {
					s.Set(web, instances(n, 0))
					synctest.Wait()
				}
				time.Sleep(c.after)
				synctest.Wait()
				if held := passing(w, web) == 10; held != c.held || held != (w.Stale() == 1) {
					t.Errorf("after %s it is held back: %v\n%s", c.after, held, log)
				}
			})
		})
	}
}

// What is said about guards that are for nothing is said once everything is known, and not of those whose service is there.
func TestGuardsThatAreForNothing(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{
			{Services: []string{"web", "wbe"}, Queries: []string{"nodes()", "service(w*)"}, MinInstances: 2, Where: "a.hcl:7"},
			{Services: []string{"*"}, MinInstances: 2, Where: "a.hcl:9"},
			{MinInstances: 2, Where: "a.hcl:11"},
		}
		s.Set(web, instances(4, 0))
		s.Set(watch.Nodes{}, []*watch.Node{})
		w.Sync(ctx, set(web, watch.Nodes{}))
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("it was said too early: %s", log)
		}
		w.Closest = func(word string, names []string) string {
			return map[string]string{"wbe": names[0]}[word]
		}
		w.Prune()
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, `guard=a.hcl:7 patterns="services \"wbe\" (did you mean \"web\"?), queries \"nodes()\""`) {
			t.Errorf("said: %s", said) // no guard counts nodes by min_instances
		}
	})
}

// Instances that go one after the other are one fall, unless that takes longer than the window.
func TestGuardSeesManyStepsAsOneFall(t *testing.T) {
	web := watch.Service{Name: "web"}
	for _, c := range []struct {
		name  string
		guard watch.Guard
		every time.Duration
		want  int
	}{
		{"fast", watch.Guard{MaxShrink: 0.5}, 10 * time.Millisecond, 5},
		{"within a minute, without hold", watch.Guard{MaxShrink: 0.5}, 11 * time.Second, 5},
		{"slowly, without hold", watch.Guard{MaxShrink: 0.5}, 62 * time.Second, 1},
		{"within a long hold", watch.Guard{MaxShrink: 0.5, Hold: 10 * time.Minute}, 110 * time.Second, 5},
		{"slower than a long hold", watch.Guard{MaxShrink: 0.5, Hold: 10 * time.Minute}, 11 * time.Minute, 1},
		{"the least number", watch.Guard{MinInstances: 3}, 10 * time.Millisecond, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
				w.Guards = []watch.Guard{c.guard}
				s.Set(web, instances(10, 0))
				w.Sync(ctx, set(web))
				for n := 9; n > 0 && w.Stale() == 0; n-- {
					time.Sleep(c.every)
					s.Set(web, instances(n, 0))
					synctest.Wait()
				}
				if got := passing(w, web); got != c.want {
					t.Errorf("%d stand, want %d", got, c.want)
				}
			})
		})
	}
}

// What is held back for ever is so also when the peak that it is compared with is older than the window, and what was
// released is the truth from then on.
func TestGuardComparesWithThePeakUntilReleased(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5}}
		w.Sync(ctx, set(web))
		set := func(n, critical, want int) {
			t.Helper()
			s.Set(web, instances(n, critical))
			synctest.Wait()
			if got := passing(w, web); got != want {
				t.Errorf("%d of %d stand, want %d", got, n, want)
			}
		}
		set(4, 0, 4)
		set(2, 0, 2)
		set(1, 0, 2)
		time.Sleep(time.Hour)
		set(1, 1, 2)
		set(1, 2, 2)
		set(3, 0, 3) // three of four are a recovery
		set(2, 0, 2)
		set(1, 0, 2)
		w.Release()
		synctest.Wait()
		set(1, 1, 1)
		set(2, 0, 2)
		set(1, 2, 1) // the three are forgotten
	})
}

// A failure renders nothing, so it is not held back; and what was before it is what comes after it is compared with.
func TestGuardAndAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MinInstances: 2, MaxShrink: 0.5}}
		w.Sync(ctx, set(web))
		failed := func(after any) bool {
			s.Set(web, after)
			synctest.Wait()
			answer, _ := w.Get(web)
			_, failed := answer.(watch.Failure)
			return failed
		}
		if failed(instances(4, 0)) || !failed(watch.Failure{Err: errors.New("no such datacenter")}) || w.Stale() > 0 {
			t.Error("a failure is held back")
		}
		if !failed(instances(1, 0)) || w.Stale() == 0 {
			t.Error("one of four is believed after a failure")
		}
		if failed(instances(3, 0)) {
			t.Error("three of four are held back")
		}
		s.Set(services, watch.Failure{Err: errors.New("no such datacenter")})
		w.Sync(ctx, set(services))
		synctest.Wait()
		s.Set(services, list())
		synctest.Wait()
		if answer, _ := w.Get(services); !reflect.DeepEqual(answer, list()) {
			t.Errorf("after a failure there is %v", answer)
		}
	})
}

// However many steps a fall has, what is remembered of it is small; and nothing is of a query that no guard covers.
func TestGuardRemembersLittle(t *testing.T) {
	web, db := watch.Service{Name: "web"}, watch.Service{Name: "db"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{Services: []string{"web"}, MaxShrink: 0.9, Hold: time.Hour}}
		w.Sync(ctx, set(web, db))
		for n := 400; n > 100; n-- {
			time.Sleep(20 * time.Second)
			s.Set(web, instances(n, 0))
			s.Set(db, instances(n, 0))
			synctest.Wait()
		}
		known := w.Known()
		if n := len(known[web].Peaks); n < 30 || n > 61 {
			t.Errorf("%d peaks are remembered", n)
		}
		if n := len(known[db].Peaks); n > 0 {
			t.Errorf("%d peaks are remembered of what is not guarded", n)
		}
	})
}

// What was known when an earlier run ended is what the first answer of this one is compared with: a restart of ours in the
// middle of a hold does not let the small answer through.
func TestGuardRemembersByTheCache(t *testing.T) {
	web := watch.Service{Name: "web"}
	bubble(t, func(t *testing.T, ctx context.Context, s *watchtest.Source, w *watch.Watcher, log *bytes.Buffer) {
		w.Guards = []watch.Guard{{MaxShrink: 0.5, Hold: time.Minute}}
		w.Fallback = map[watch.Query]watch.Known{web: {Answer: instances(10, 0)}}
		s.Set(web, instances(1, 0))
		w.Sync(ctx, set(web))
		synctest.Wait()
		if got := passing(w, web); got != 10 || w.Stale() != 1 {
			t.Errorf("%d, %d stale, within the hold; want the 10 of the cache", got, w.Stale())
		}
		time.Sleep(2 * time.Minute)
		if got := passing(w, web); got != 1 || w.Stale() != 0 {
			t.Errorf("%d, %d stale, after the hold", got, w.Stale())
		}
	})
}

const heldBack = "GUARD: an answer is held back"
