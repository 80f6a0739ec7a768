package consul

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"lictor/internal/consultest"
	"lictor/watch"
	"lictor/watch/watchtest"
)

var shared = &consultest.Shared{}

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "4") // unless the command line says otherwise: these tests wait for most of their time
	goleak.VerifyTestMain(shared.Main(m))
}

// registry lets the contract test change a real Consul.
type registry struct{ *consultest.Server }

func (r registry) PutKey(tb testing.TB, path, value string) { r.Put(tb, path, value) }
func (r registry) DeleteKey(tb testing.TB, path string)     { r.Delete(tb, path) }

func (r registry) Register(tb testing.TB, i watchtest.Instance) {
	r.Server.Register(tb, &api.CatalogRegistration{
		Node: i.Node, Address: i.NodeAddress,
		Service: &api.AgentService{ID: i.ID, Service: i.Service, Address: i.Address, Port: i.Port, Tags: i.Tags, Meta: i.Meta},
		Checks:  api.HealthChecks{{Node: i.Node, CheckID: "check:" + i.ID, Name: "alive", Status: i.Status, ServiceID: i.ID}},
	})
}

func (r registry) Deregister(tb testing.TB, i watchtest.Instance) {
	r.Server.Deregister(tb, &api.CatalogDeregistration{Node: i.Node, ServiceID: i.ID})
}

func (r registry) DeregisterNode(tb testing.TB, node string) {
	r.Server.Deregister(tb, &api.CatalogDeregistration{Node: node})
}

func open(tb testing.TB, c Config) *Source {
	tb.Helper()
	s, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	server := shared.Server(t)
	for name, stale := range map[string]bool{"leader": false, "stale": true} {
		t.Run(name, func(t *testing.T) {
			watchtest.Contract(t, registry{server}, func(tb testing.TB) watch.Source {
				return open(tb, Config{Address: server.Addr, Stale: stale, Wait: 5 * time.Minute})
			})
		})
	}
}

// instanceOf is an instance of a service of its own, on a node of its own.
func instanceOf(service string, n int) watchtest.Instance {
	return watchtest.Instance{
		Node: fmt.Sprintf("%s-node-%d", service, n), NodeAddress: fmt.Sprintf("10.8.0.%d", n),
		Service: service, ID: fmt.Sprintf("%s-%d", service, n), Port: 80, Status: watch.StatusPassing,
	}
}
