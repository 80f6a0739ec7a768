package consul

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lictor/internal/consultest"
	"lictor/watch"
)

// TestLeaderIsLost has a follower that loses its leader and all others: every plan says of every query that it has no
// answer now, keeps the answers, and is right again when there is a leader.
func TestLeaderIsLost(t *testing.T) {
	t.Parallel()
	cluster := consultest.StartCluster(t, 2) // patient enough to keep a leader on a busy machine
	leader := cluster.WaitLeader(t)
	near, far := cluster.Followers(leader)[0], cluster.Followers(leader)[1]
	c := &churn{tb: t, s: leader, rand: rand.New(rand.NewPCG(3, 3)), services: 12, nodes: 4, keys: 12, present: map[[2]int]bool{}}
	for range 40 {
		c.step()
	}
	want := c.queries()
	watchers, patient := map[string]*watch.Watcher{}, map[string]*watch.Watcher{} // those who wait long are not told that nothing can change now
	before := map[string]map[watch.Query]any{}
	for _, plan := range []string{PlanSingle, PlanNodes, PlanSweep, PlanPoll} {
		w := follow(t, open(t, Config{Address: near.Addr, Stale: true, Plan: plan, Wait: time.Second}), want)
		same(t, leader, w, want)
		watchers[plan], before[plan] = w, map[watch.Query]any{}
		for q := range want {
			before[plan][q], _ = w.Get(q)
		}
		patient[plan] = follow(t, open(t, Config{Address: near.Addr, Stale: true, Plan: plan, Wait: 5 * time.Minute}), want)
		same(t, leader, patient[plan], want)
	}
	far.Kill()
	leader.Kill()
	for plan, w := range watchers {
		eventually(t, func() string {
			for q := range want {
				if w.Err(q) == nil {
					return fmt.Sprintf("plan %s: %s has no error although there is no leader", plan, q)
				}
			}
			return ""
		})
		for q := range want {
			if q == (watch.Nodes{}) { // the servers have gone on to fill in their own
				continue
			}
			if got, _ := w.Get(q); text(got) != text(before[plan][q]) {
				t.Errorf("plan %s: %s\n  is %s\nwas %s", plan, q, text(got), text(before[plan][q]))
			}
		}
	}
	for _, s := range []*consultest.Server{leader, far} {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.s = cluster.WaitLeader(t)
	for range 20 {
		c.step()
	}
	for plan, w := range watchers {
		t.Log("plan", plan)
		same(t, c.s, w, want)
		same(t, c.s, patient[plan], want)
	}
}

// TestOtherDatacenter restores the servers of another datacenter to an older state: that is noticed like at home, and not after
// the wait of the blocking queries.
func TestOtherDatacenter(t *testing.T) {
	t.Parallel()
	home := consultest.Start(t, consultest.Options{})
	there := consultest.Start(t, consultest.Options{Node: "there", HCL: `datacenter = "dc2"`})
	there.JoinWAN(t, home)
	want := watch.Set{}
	r := registry{there}
	const n = 8
	register := func(port int) {
		for i := range n {
			in := instanceOf(fmt.Sprint("far-", i), 0)
			in.Port = port
			r.Register(t, in)
			want.Add(watch.Service{Name: in.Service, Scope: watch.Scope{Datacenter: "dc2"}})
		}
	}
	register(1)
	old := there.Save(t)
	register(2)
	watchers := map[string]*watch.Watcher{}
	for _, plan := range []string{PlanSingle, PlanNodes, PlanSweep} {
		watchers[plan] = follow(t, open(t, Config{Address: home.Addr, Stale: true, Plan: plan, Wait: 5 * time.Minute}), want)
	}
	all := func(port int) {
		t.Helper()
		for plan, w := range watchers {
			eventually(t, func() string {
				for q := range want {
					if got := portOf(w, q.(watch.Service)); got != port {
						return fmt.Sprintf("plan %s: %s has port %d, want %d: %v", plan, q, got, port, w.Err(q))
					}
				}
				return ""
			})
		}
	}
	all(2)
	there.Restore(t, old)
	all(1)
	register(3)
	all(3)
}
