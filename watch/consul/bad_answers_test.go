package consul

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lictor/watch"
)

// everyKind holds a query of each kind that Consul answers.
var everyKind = []watch.Query{
	watch.Key{Path: "k"}, watch.Prefix{Path: "k"}, watch.Service{Name: "k"}, watch.CatalogService{Name: "k"}, watch.Services{}, watch.Nodes{},
	watch.NodeServices{Name: "n"}, watch.Datacenters{}, watch.CARoots{}, watch.CALeaf{Service: "k"}, watch.Partitions{}, watch.Peerings{},
	watch.ExportedServices{}, watch.ImportedServices{},
}

// A way is a plan, and queries that are answered in that way.
type way struct {
	plan string
	want watch.Set
}

// ways are single queries and those that are polled, of all kinds, sixty keys that share a prefix, and a mirror for sixty services.
func ways() map[string]way {
	all, keys, services := watch.Set{}, watch.Set{}, watch.Set{}
	for _, q := range everyKind {
		all.Add(q)
	}
	for i := range 60 {
		keys.Add(watch.Key{Path: fmt.Sprintf("app/%d", i)})
		services.Add(watch.Service{Name: fmt.Sprintf("s%d", i)})
	}
	return map[string]way{"single": {PlanSingle, all}, "polled": {PlanPoll, all}, "prefix": {"", keys}, "mirror": {"", services}}
}

// badBodies are what may come with a 200 although no Consul sent it, or not all of it arrived.
var badBodies = map[string]string{
	"a page":            `<html>welcome to the portal</html>`,
	"nothing":           ``,
	"space":             " \n",
	"a word":            `ok`,
	"a text":            `"welcome to the portal"`,
	"a number":          `5`,
	"half of null":      `nul`,
	"more than null":    `nullnull`,
	"begun":             `[`,
	"begun object":      `{`,
	"cut off":           `[{"Key":"k","Value":"dg==`,
	"cut off in a list": `[{"Key":"k","Value":"dg==","Node":"n"},`,
	"another type":      `{"Key":"k"}`,
	"a wrong field":     `[{"Key":5,"Node":5}]`,
	"bad base64":        `[{"Key":"k","Value":"!!!"}]`,
	"null inside":       `[null]`,
	"nothing inside":    `[{}]`,
	"two answers":       `[]{}`,
	"a page after it":   `[]<html>welcome to the portal</html>`,
	"deep":              strings.Repeat("[", 100000),
}

// objects are the bad bodies that may be answers of kinds that no one here has (they have other fields).
var objects = map[string]bool{"nothing inside": true, "a wrong field": true, "bad base64": true}

// A badCase is one Watcher that gets a bad body. All of them run at once, and are looked at one after the other.
type badCase struct {
	name, what, body string
	want             watch.Set
	w                *watch.Watcher
	requests         atomic.Int64
	fake             *fake
	before           map[watch.Query]string
}

// badCases begins each body in each way.
func badCases(begin func(c *badCase, plan string)) []*badCase {
	var all []*badCase
	for what, body := range badBodies {
		for name, way := range ways() {
			c := &badCase{name: what + ", " + name, what: what, body: body, want: way.want}
			begin(c, way.plan)
			all = append(all, c)
		}
	}
	return all
}

// failed waits until all queries have errors, which must not show what came.
func (c *badCase) failed(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		for q := range c.want {
			err := c.w.Err(q)
			if err == nil {
				return fmt.Sprintf("%s: %s has no error", c.name, q)
			}
			if s := err.Error(); strings.Contains(s, "portal") || strings.Contains(s, "dg==") {
				t.Errorf("%s: %s: the error shows what came: %s", c.name, q, s)
			}
		}
		return ""
	})
}

// TestBadAnswers has servers that answer badly. None makes us believe or crash, however the queries are answered.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	cases := badCases(func(c *badCase, plan string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Consul-Index", "9")
			fmt.Fprint(w, c.body)
		}))
		t.Cleanup(server.Close)
		for q := range c.want {
			switch q.(type) {
			case watch.Partitions, watch.Peerings, watch.ExportedServices, watch.ImportedServices:
				if objects[c.what] {
					delete(c.want, q)
				}
			}
		}
		c.w = follow(t, open(t, Config{Address: server.URL, Plan: plan}), c.want)
	})
	for _, c := range cases {
		c.failed(t)
		for q := range c.want {
			if v, ok := c.w.Get(q); ok {
				t.Errorf("%s: %s has the answer %#v", c.name, q, v)
			}
		}
	}
}

// TestBadAnswersAreNotAskedForAgainAtOnce has a Consul that answers badly for a quarter of an hour.
func TestBadAnswersAreNotAskedForAgainAtOnce(t *testing.T) {
	t.Parallel()
	for what, body := range badBodies {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			wired(t, func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, _ *lockedBuffer) {
				within(t, 5*time.Second, func() string { return current(w, want, 80) })
				cable.set(func() {
					cable.instead = func(w http.ResponseWriter, r *http.Request) bool { fmt.Fprint(w, body); return true }
				})
				time.Sleep(10 * time.Minute) // some wait as long as that before they get it
				before := cable.count("/v1/")
				time.Sleep(5 * time.Minute)
				// What fails comes back after 15 to 30 seconds, and is read twice where it was not believed; lists come besides.
				if n, most := cable.count("/v1/")-before, 20*2*(len(want)+5); n > most {
					t.Errorf("%d requests in five minutes, want at most %d", n, most)
				}
			})
		})
	}
}

// TestAnswersTurnBad has a Consul that answered well until something came between. What was known stands, with an error.
func TestAnswersTurnBad(t *testing.T) {
	t.Parallel()
	cases := badCases(func(c *badCase, plan string) {
		c.fake = newFake(t)
		for i := range 60 {
			c.fake.keys[fmt.Sprintf("app/%d", i)] = "dg=="
			c.fake.services[fmt.Sprintf("s%d", i)] = 80
		}
		if plan != "" { // of all kinds those that the fake knows
			c.want = watch.Set{watch.Key{Path: "app/1"}: {}, watch.Service{Name: "s1"}: {}, watch.Prefix{Path: "app"}: {}, watch.Services{}: {}, watch.Nodes{}: {}}
		}
		c.w = follow(t, open(t, Config{Address: c.fake.URL, Plan: plan}), c.want)
	})
	for _, c := range cases {
		answered(t, c.w, c.want)
		c.before = map[watch.Query]string{}
		for q := range c.want {
			v, _ := c.w.Get(q)
			c.before[q] = text(v)
		}
		c.fake.set(func() {
			c.fake.instead = func(w http.ResponseWriter, r *http.Request) bool { fmt.Fprint(w, c.body); return true }
		})
	}
	for _, c := range cases {
		c.failed(t)
		for q := range c.want {
			if v, _ := c.w.Get(q); text(v) != c.before[q] {
				t.Errorf("%s: %s is %s, was %s", c.name, q, text(v), c.before[q])
			}
		}
		c.fake.set(func() { c.fake.instead = nil; c.fake.keys["app/1"] = "bmV3"; c.fake.services["s1"] = 81 })
	}
	for _, c := range cases {
		eventually(t, func() string {
			for q := range c.want {
				if err := c.w.Err(q); err != nil {
					return fmt.Sprintf("%s: %s still has the error %v", c.name, q, err)
				}
			}
			if q := (watch.Service{Name: "s1"}); c.want.Has(q) && portOf(c.w, q) != 81 {
				return fmt.Sprintf("%s: the change of s1 was missed", c.name)
			}
			return ""
		})
		if c.want.Has(watch.Key{Path: "app/1"}) {
			valueIs(t, c.w, "app/1", "new")
		}
	}
}

// TestBadAnswerInALoad loses one of the lists that the first answers of a mirror are put together from, once.
func TestBadAnswerInALoad(t *testing.T) {
	t.Parallel()
	for what, body := range badBodies {
		var cases []*badCase
		for _, path := range []string{"/v1/health/state/any", "/v1/health/state/critical", "/v1/catalog/nodes", "/v1/catalog/node-services/n"} {
			for _, once := range []bool{false, true} {
				c := &badCase{name: fmt.Sprint(what, " of ", path, ", once ", once), want: ways()["mirror"].want, fake: newFake(t)}
				for q := range c.want {
					c.fake.services[q.(watch.Service).Name] = 80
				}
				c.fake.instead = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != path || r.Form.Has("filter") || c.requests.Add(1) > 1 {
						return false
					}
					fmt.Fprint(w, body)
					return true
				}
				c.w = follow(t, open(t, Config{Address: c.fake.URL, Once: once}), c.want)
				cases = append(cases, c)
			}
		}
		for _, c := range cases {
			answered(t, c.w, c.want)
			for q := range c.want {
				v, _ := c.w.Get(q)
				if l := v.([]*watch.ServiceInstance); len(l) != 1 || l[0].Status != watch.StatusCritical {
					t.Fatalf("%s: %s is %s, want one critical instance", c.name, q, text(v))
				}
			}
		}
	}
}

// TestNotConsul has something that answers in Consul's form, but without the index that Consul's answers have.
func TestNotConsul(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[]`) }))
	t.Cleanup(server.Close)
	for name, way := range ways() {
		if name == "single" || name == "polled" {
			way.want = watch.Set{watch.Key{Path: "k"}: {}, watch.Service{Name: "s"}: {}, watch.Nodes{}: {}}
		}
		w := follow(t, open(t, Config{Address: server.URL, Plan: way.plan}), way.want)
		eventually(t, func() string {
			for q := range way.want {
				if err := w.Err(q); err == nil || !strings.Contains(err.Error(), "is not consul") {
					return fmt.Sprintf("%s: %s has the error %v", name, q, err)
				}
			}
			return ""
		})
		for q := range way.want {
			if v, ok := w.Get(q); ok {
				t.Errorf("%s: %s has the answer %v", name, q, v)
			}
		}
	}
}

// TestNulls reads answers with a null in place of what Consul writes there: an error, and neither a crash nor believed.
func TestNulls(t *testing.T) {
	s := open(t, Config{})
	for _, c := range []struct {
		q    watch.Query
		body string
	}{
		{watch.Service{Name: "a"}, `[{"Node":{"Node":"n"},"Service":{"ID":"a","Service":"a"},"Checks":[null]}]`},
		{watch.Service{Name: "a"}, `[null]`},
		{watch.CatalogService{Name: "a"}, `[null]`},
		{watch.NodeServices{Name: "n"}, `{"Node":{"Node":"n"},"Services":{"a":null}}`},
		{watch.NodeServices{Name: "n"}, `{}`},
		{watch.CARoots{}, `{"Roots":[null]}`},
		{watch.CARoots{}, `null`},
		{watch.CALeaf{Service: "x"}, `null`},
		{watch.Peerings{}, `[null]`},
		{watch.Partitions{}, `[null]`},
		{watch.ExportedServices{}, `[null]`},
		{watch.ImportedServices{}, `[null]`},
		{watch.ImportedServices{}, `{"ImportedServices":[null]}`},
		{watch.Key{Path: "k"}, `[null]`},
		{watch.Prefix{Path: "k"}, `[null]`},
		{watch.Nodes{}, `[null]`},
		{watch.Services{}, `null`},
		{watch.Datacenters{}, `[null]`},
	} {
		e, err := s.endpoint(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := e.decode(strings.NewReader(c.body)); err == nil {
			t.Errorf("%s: %s is believed as %#v", c.q, c.body, answer)
		}
	}
	for _, text := range []string{`{"Node":{"Node":"n"},"Services":[null]}`, `{"Node":null,"Services":[{"ID":"a","Service":"a"}]}`, `{}`, `null`} {
		if services, err := newDigester().nodeServices([]byte(text), nil); err == nil {
			t.Errorf("a node's services: %s is believed as %v", text, services)
		}
	}
}
