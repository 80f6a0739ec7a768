package consul

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
	"lictor/watch"
)

// A churn changes a registry at random.
type churn struct {
	tb       testing.TB
	s        *consultest.Server
	rand     *rand.Rand
	services int
	nodes    int
	keys     int
	present  map[[2]int]bool // node and service: the instances that are registered
}

func (c *churn) service(i int) string { return fmt.Sprintf("eq-%03d", i) }

// node is the name of a node: of every third in upper case. It does not change, since Consul's event stream misses that.
func (c *churn) node(i int) string {
	name := fmt.Sprintf("eq-node-%03d", i)
	if i%3 == 2 {
		return strings.ToUpper(name)
	}
	return name
}

// spelled is the name of a service as an instance of it is registered: the same for Consul. For one instance it does not
// change, for the same reason.
func (c *churn) spelled(node, service int) string {
	if (node+service)%5 == 0 {
		return strings.ToUpper(c.service(service))
	}
	return c.service(service)
}

func (c *churn) key(i int) string { return fmt.Sprintf("eq/%d/dir/key-%03d", i%3, i) }

func (c *churn) status() string {
	return []string{"passing", "passing", "warning", "critical"}[c.rand.IntN(4)]
}

// register adds or replaces an instance.
func (c *churn) register(node, service int) {
	c.present[[2]int{node, service}] = true
	id := fmt.Sprintf("%s-%d", c.service(service), node)
	meta := map[string]string{"v": strconv.Itoa(c.rand.IntN(3))}
	var tags []string
	for range c.rand.IntN(3) {
		tags = append(tags, strconv.Itoa(c.rand.IntN(9)))
	}
	s := &api.AgentService{ID: id, Service: c.spelled(node, service), Port: 1000 + c.rand.IntN(9), Tags: tags, Meta: meta}
	if c.rand.IntN(2) == 0 {
		s.Address = fmt.Sprintf("10.2.0.%d", c.rand.IntN(9))
		s.TaggedAddresses = map[string]api.ServiceAddress{"lan": {Address: "10.3.0.1", Port: 5}}
		s.Weights = api.AgentWeights{Passing: 1 + c.rand.IntN(3), Warning: 1}
	}
	r := &api.CatalogRegistration{Node: c.node(node), Address: fmt.Sprintf("10.1.0.%d", node), Service: s, SkipNodeUpdate: false}
	if c.rand.IntN(4) > 0 {
		r.Checks = api.HealthChecks{c.check(node, service)}
	}
	c.s.Register(c.tb, r)
}

func (c *churn) check(node, service int) *api.HealthCheck {
	id := fmt.Sprintf("%s-%d", c.service(service), node)
	return &api.HealthCheck{Node: c.node(node), CheckID: fmt.Sprintf("check-%d:%s", c.rand.IntN(2), id), Name: "alive", Status: c.status(),
		Output: strconv.Itoa(c.rand.IntN(5)), ServiceID: id}
}

// any picks a registered instance.
func (c *churn) any() (node, service int, ok bool) {
	skip := 0
	if len(c.present) > 0 {
		skip = c.rand.IntN(len(c.present))
	}
	for n := range c.nodes {
		for s := range c.services {
			if c.present[[2]int{n, s}] {
				if skip == 0 {
					return n, s, true
				}
				skip--
			}
		}
	}
	return 0, 0, false
}

func (c *churn) step() string {
	node, service, ok := c.any()
	kind := c.rand.IntN(15)
	switch {
	case !ok || kind < 2:
		node, service = c.rand.IntN(c.nodes), c.rand.IntN(c.services)
		c.register(node, service)
		return fmt.Sprintf("register %d/%d", node, service)
	case kind < 4:
		c.register(node, service)
		return fmt.Sprintf("change %d/%d", node, service)
	case kind < 5:
		c.s.Deregister(c.tb, &api.CatalogDeregistration{Node: c.node(node), ServiceID: fmt.Sprintf("%s-%d", c.service(service), node)})
		delete(c.present, [2]int{node, service})
		return fmt.Sprintf("deregister %d/%d", node, service)
	case kind < 9:
		c.s.Register(c.tb, &api.CatalogRegistration{Node: c.node(node), Address: fmt.Sprintf("10.1.0.%d", node), SkipNodeUpdate: true,
			Checks: api.HealthChecks{c.check(node, service)}})
		return fmt.Sprintf("check %d/%d", node, service)
	case kind < 10:
		id := "_node_maintenance"
		if c.rand.IntN(2) == 0 {
			id = "disk"
		}
		if c.rand.IntN(2) == 0 {
			c.s.Register(c.tb, &api.CatalogRegistration{Node: c.node(node), Address: fmt.Sprintf("10.1.0.%d", node), SkipNodeUpdate: true,
				Checks: api.HealthChecks{{Node: c.node(node), CheckID: id, Name: id, Status: c.status()}}})
			return fmt.Sprintf("node check %s %d", id, node)
		}
		c.s.Deregister(c.tb, &api.CatalogDeregistration{Node: c.node(node), CheckID: id})
		return fmt.Sprintf("no node check %s %d", id, node)
	case kind < 11:
		c.s.Register(c.tb, &api.CatalogRegistration{Node: c.node(node), Address: fmt.Sprintf("10.1.%d.%d", c.rand.IntN(3), node),
			NodeMeta: map[string]string{"rack": strconv.Itoa(c.rand.IntN(4))}})
		return fmt.Sprintf("node %d", node)
	case kind == 11 && c.rand.IntN(6) == 0:
		c.s.Deregister(c.tb, &api.CatalogDeregistration{Node: c.node(node)})
		for s := range c.services {
			delete(c.present, [2]int{node, s})
		}
		return fmt.Sprintf("no node %d", node)
	case kind == 14:
		id := fmt.Sprintf("%s-%d", c.service(service), node)
		maintenance := "_service_maintenance:" + id
		if c.rand.IntN(2) == 0 {
			c.s.Deregister(c.tb, &api.CatalogDeregistration{Node: c.node(node), CheckID: maintenance})
			return fmt.Sprintf("no maintenance of %d/%d", node, service)
		}
		c.s.Register(c.tb, &api.CatalogRegistration{Node: c.node(node), Address: fmt.Sprintf("10.1.0.%d", node), SkipNodeUpdate: true,
			Checks: api.HealthChecks{{Node: c.node(node), CheckID: maintenance, Name: "Service Maintenance Mode", Status: watch.StatusCritical, ServiceID: id}}})
		return fmt.Sprintf("maintenance of %d/%d", node, service)
	case kind == 13 && c.rand.IntN(3) == 0:
		key := c.key(c.rand.IntN(c.keys))
		c.s.Delete(c.tb, key)
		return "delete " + key
	default:
		key := c.key(c.rand.IntN(c.keys))
		c.s.Put(c.tb, key, strconv.Itoa(c.rand.IntN(100)))
		return "put " + key
	}
}

// queries is what a program would ask of this registry.
func (c *churn) queries() watch.Set {
	want := watch.Set{}
	for i := range c.services {
		want.Add(watch.Service{Name: c.service(i)})
	}
	want.Add(watch.Service{Name: c.service(0), Filter: `Service.Meta.v == "1"`})
	want.Add(watch.Service{Name: c.service(1), Connect: true})
	want.Add(watch.CatalogService{Name: c.service(2)})
	want.Add(watch.Service{Name: strings.ToUpper(c.service(3))})
	want.Add(watch.CatalogService{Name: strings.ToUpper(c.service(4))})
	want.Add(watch.Service{Name: c.service(5), Near: "_agent"})
	for i := range 3 { // a scope of its own, though the same datacenter
		want.Add(watch.Service{Name: c.service(i), Scope: watch.Scope{Datacenter: "dc1"}})
	}
	for i := range c.keys {
		want.Add(watch.Key{Path: c.key(i)})
	}
	for _, p := range []string{"eq/0/", "eq/1", "eq/2/dir/key-00"} {
		want.Add(watch.Prefix{Path: p})
	}
	want.Add(watch.Services{})
	want.Add(watch.Nodes{})
	want.Add(watch.NodeServices{Name: c.node(0)})
	return want
}

// difference reads all queries directly and tells of one whose answer in w is another.
func difference(ctx context.Context, s *Source, w *watch.Watcher, want watch.Set) (string, error) {
	for _, q := range want.Sorted() {
		e, err := s.endpoint(ctx, q)
		if err != nil {
			return "", err
		}
		r, err := s.read(ctx, e, ask{mode: consistent})
		if err != nil {
			return "", err
		}
		got, ok := w.Get(q)
		if !ok {
			return fmt.Sprintf("%s has no answer: %v", q, w.Err(q)), nil
		}
		if !reflect.DeepEqual(got, r.Value) {
			return fmt.Sprintf("%s\n  is %s\nwant %s", q, text(got), text(r.Value)), nil
		}
	}
	return "", nil
}

func text(v any) string {
	if l, ok := v.([]*watch.ServiceInstance); ok {
		out := ""
		for _, i := range l {
			out += fmt.Sprintf("%+v", *i)
			for _, c := range i.Checks {
				out += fmt.Sprintf(" check %#v", *c)
			}
		}
		return out
	}
	return fmt.Sprintf("%#v", v)
}

// steps is how many changes the test makes under each plan.
func steps(tb testing.TB) int {
	if s := os.Getenv("EQUIVALENCE_STEPS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}
	return 1000
}

// An equivalence is one way to follow a registry that changes.
type equivalence struct {
	plan   string
	leader bool     // reads go through the leader, as with max_stale 0
	over   protocol // how Consul is spoken with
	gate   bool     // through something that buffers answers and gives up after a second what waits
	nodes  int
	share  int // of the steps one in so many; 0 is all
}

func (e equivalence) String() string {
	return fmt.Sprintf("plan %s, leader %v, %s, gateway %v, %d nodes", e.plan, e.leader, e.over, e.gate, e.nodes)
}

// equivalences are all plans, and variants of them with fewer steps each.
func equivalences() []equivalence {
	var all []equivalence
	for _, plan := range append([]string{""}, Plans...) {
		all = append(all, equivalence{plan: plan, nodes: 6})
	}
	return append(all,
		equivalence{plan: "", leader: true, nodes: 6, share: 2},
		equivalence{plan: PlanSingle, leader: true, nodes: 6, share: 2},
		equivalence{plan: PlanSweep, leader: true, nodes: 6, share: 2},
		equivalence{plan: PlanPoll, leader: true, nodes: 6, share: 3},
		equivalence{plan: "", over: http2, nodes: 6, share: 2},
		equivalence{plan: PlanNodes, over: http2, leader: true, nodes: 6, share: 2},
		equivalence{plan: "", over: http1, nodes: 6, share: 3},
		equivalence{plan: "", gate: true, nodes: 6, share: 3},
		equivalence{plan: PlanNodes, gate: true, nodes: 6, share: 3},
		equivalence{plan: PlanSweep, nodes: 83, share: 2}, // more than are read at once
	)
}

// TestEquivalence changes a real Consul at random and compares what we have with direct reads, once nothing changes any
// more. EQUIVALENCE_STEPS makes it longer.
func TestEquivalence(t *testing.T) {
	for _, e := range equivalences() {
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			e.test(t)
		})
	}
}

func (e equivalence) test(t *testing.T) {
	// Consul goes on counting the connections of blocking queries that were given up.
	server := consultest.Start(t, consultest.Options{TLS: e.over != plain, HCL: "limits { http_max_conns_per_client = 2000 }\n"})
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("EQUIVALENCE_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("EQUIVALENCE_SEED=%d", seed)
	c := &churn{tb: t, s: server, rand: rand.New(rand.NewPCG(seed, 1)), services: 30, nodes: e.nodes, keys: 40, present: map[[2]int]bool{}}
	// A wait that does not end while we look: what is missed is missed for good.
	conf := Config{Stale: !e.leader, Plan: e.plan, MaxConnections: 64, Wait: 10 * time.Minute}
	if e.plan == PlanSingle {
		conf.MaxConnections = 200
	}
	conf.Address, conf.TLS = e.over.reach(t, server)
	if e.gate {
		tap := newTap(t, server)
		g := gateway{patience: time.Second, refuse: refusals["504"]}
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.pass(w, r, tap.Config.Handler) }))
		t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
		conf.Address = front.URL
	}
	w := watch.New(open(t, conf), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	defer w.Wait()
	defer cancel()
	want := c.queries()
	direct := open(t, Config{Address: server.Addr})
	defer direct.client.http.CloseIdleConnections()
	for done := 0; done < steps(t)/max(1, e.share); {
		settle := func() {}
		if done > 0 && c.rand.IntN(2) == 0 {
			settle = restless(ctx, w, want, c.rand.Uint64())
		}
		var made []string
		most := 100
		if e.plan == PlanPoll || e.gate { // it takes two seconds to see them
			most = 600
		}
		for range 1 + c.rand.IntN(most) {
			made = append(made, c.step())
			done++
		}
		settle()
		w.Sync(ctx, want) // the first time when there is something already
		if diff := disagreement(t, ctx, direct, w, want); diff != "" {
			t.Fatalf("after %d steps, the last being %v:\n%s", done, made, diff)
		}
	}
}

// disagreement waits until w answers all queries as direct reads do, and tells what is wrong when nothing has moved for a minute.
func disagreement(t *testing.T, ctx context.Context, direct *Source, w *watch.Watcher, want watch.Set) string {
	var last string
	for moved := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		diff, err := difference(ctx, direct, w, want)
		if err != nil {
			t.Fatal(err)
		}
		if diff != last {
			last, moved = diff, time.Now()
		}
		if diff == "" || time.Since(moved) > time.Minute {
			return diff
		}
	}
}

// restless drops queries and wants them again, some or all of them, until settle is called: so that changes come while
// queries join, are loaded, and move.
func restless(ctx context.Context, w *watch.Watcher, want watch.Set, seed uint64) (settle func()) {
	inner, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		rand := rand.New(rand.NewPCG(seed, 2))
		for inner.Err() == nil {
			some := watch.Set{}
			share := rand.IntN(3) // none, about a third, about two thirds
			for q := range want {
				if rand.IntN(3) < share {
					some.Add(q)
				}
			}
			w.Sync(ctx, some)
			sleep(inner, time.Duration(rand.IntN(100))*time.Millisecond)
			w.Sync(ctx, want)
			sleep(inner, time.Duration(rand.IntN(300))*time.Millisecond)
		}
	})
	return func() { cancel(); wg.Wait() }
}
