package consul

import (
	"fmt"
	"testing"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
	"lictor/watch"
)

// TestThousands follows three thousand services of sixty nodes on an agent with its default limits, from the first answers over a
// hundred changes, half of them after the agent was killed and started again: all of them are seen, and there are never more sockets than
// the budget has, by the kernel's table.
func TestThousands(t *testing.T) {
	t.Parallel()
	const services, nodes, burst, most = 3000, 60, 10, defaultConnections
	server := consultest.Start(t, consultest.Options{Persist: true})
	port := make([]int, services)
	register := func(from, to, value int) {
		t.Helper()
		var ops api.TxnOps
		for i := from; i < to; i++ {
			port[i] = value
			name := fmt.Sprintf("many-%04d", i)
			ops = append(ops, &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: fmt.Sprint("many-node-", i%nodes),
				Service: api.AgentService{ID: name, Service: name, Port: value}}})
		}
		if ok, said, _, err := server.Client.Txn().Txn(ops, nil); err != nil || !ok {
			t.Fatal(said, err)
		}
	}
	for n := range nodes {
		server.Register(t, &api.CatalogRegistration{Node: fmt.Sprint("many-node-", n), Address: "10.0.0.1"})
	}
	want := watch.Set{}
	for from := 0; from < services; from += 50 {
		register(from, from+50, 1)
	}
	for i := range services {
		want.Add(watch.Service{Name: fmt.Sprintf("many-%04d", i)})
	}
	front := newFront(t, server.Addr)
	sockets := sampled(t, func() int { return connectionsTo(t, front.addr) })
	w := follow(t, open(t, Config{Address: front.addr, Stale: true}), want)
	all := func() string {
		for i, value := range port {
			if q := (watch.Service{Name: fmt.Sprintf("many-%04d", i)}); portOf(w, q) != value || w.Err(q) != nil {
				return fmt.Sprintf("%s has port %d, want %d: %v", q, portOf(w, q), value, w.Err(q))
			}
		}
		return ""
	}
	eventually(t, all)
	for i := range 10 {
		if i == 5 {
			server.Kill()
			eventually(t, func() string {
				for q := range want {
					if w.Err(q) == nil {
						return fmt.Sprintf("%s has no error", q)
					}
				}
				return ""
			})
			if err := server.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for k := range burst { // each is a change of its own, on a node of its own
			at := (i*burst + k) * 29 % services
			register(at, at+1, 2+i)
		}
		eventually(t, all)
	}
	if n := sockets(); n < most/2 || n > most {
		t.Errorf("%d sockets, want at most %d", n, most)
	}
}
