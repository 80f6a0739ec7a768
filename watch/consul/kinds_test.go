package consul

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lictor/internal/consultest"
	"lictor/watch"
)

// first watches q until its first report, and returns that or the error of Watch.
func first(t *testing.T, s *Source, q watch.Query) (watch.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got *watch.Answer
	err := watch.Follow(ctx, s, q, func(a watch.Answer) bool {
		got = &a
		cancel()
		return true
	})
	if got == nil {
		return watch.Answer{}, err
	}
	return *got, nil
}

func answer[T any](t *testing.T, s *Source, q watch.Query) T {
	t.Helper()
	a, err := first(t, s, q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	v, ok := a.Value.(T)
	if !ok {
		t.Fatalf("%s: the answer is a %T, want a %T", q, a.Value, v)
	}
	return v
}

// TestCorpus reads the data of the conformance corpus and compares with what its cases show.
func TestCorpus(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "conformance", "seed.json")
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no conformance corpus: %v", err)
	}
	server := consultest.Start(t, consultest.Options{Node: "conf-agent", NodeID: "c0de0000-0000-4000-8000-000000000001"})
	server.LoadSeed(t, path)
	s := open(t, Config{Address: server.Addr, Stale: true})

	line := func(list []*watch.ServiceInstance) string {
		var out []string
		for _, i := range list {
			out = append(out, i.Node+"/"+i.ID+"/"+i.Address+"/"+i.Status)
		}
		return strings.Join(out, " ")
	}
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s:\n is %s\nwant %s", what, got, want)
		}
	}
	expect("service web", line(answer[[]*watch.ServiceInstance](t, s, watch.Service{Name: "web"})),
		"app-01/web-1/10.10.1.21/passing app-02/web-2/192.0.2.22/passing app-03/web-3/10.10.1.23/warning app-03/web-4/10.10.1.23/critical "+
			"edge-01/web-7/10.10.3.41/maintenance maint-01/web-6/10.10.5.61/maintenance sick-01/web-5/10.10.6.71/critical")
	expect("near keeps the server's order", line(answer[[]*watch.ServiceInstance](t, s, watch.Service{Name: "web", Near: "app-02"})),
		"app-02/web-2/192.0.2.22/passing app-01/web-1/10.10.1.21/passing edge-01/web-7/10.10.3.41/maintenance app-03/web-3/10.10.1.23/warning "+
			"app-03/web-4/10.10.1.23/critical sick-01/web-5/10.10.6.71/critical maint-01/web-6/10.10.5.61/maintenance")
	expect("filter", line(answer[[]*watch.ServiceInstance](t, s, watch.Service{Name: "web", Filter: `Service.Meta.version == "1.4.0-rc1"`})),
		"app-03/web-3/10.10.1.23/warning")
	expect("connect", line(answer[[]*watch.ServiceInstance](t, s, watch.Service{Name: "web", Connect: true})),
		"app-01/web-sidecar-proxy/10.10.1.21/passing app-02/web-sidecar-proxy/10.10.1.22/warning")
	expect("an empty name", line(answer[[]*watch.ServiceInstance](t, s, watch.Service{})), "")

	var names []string
	for _, n := range answer[[]*watch.ServiceName](t, s, watch.Services{}) {
		names = append(names, n.Name+"="+strings.Join(n.Tags, ","))
	}
	if len(names) != 12 || names[0] != "api=edge,grpc,http,v1,v2" || names[11] != "web-sidecar-proxy=beta" {
		t.Errorf("services = %v", names)
	}
	if n := answer[*watch.CatalogNode](t, s, watch.NodeServices{}); n == nil || n.Node.Node != "conf-agent" {
		t.Errorf("the agent's own node = %+v", n)
	}
	if n := answer[*watch.CatalogNode](t, s, watch.NodeServices{Name: "db-01", Scope: watch.Scope{Datacenter: "dc1"}}); n == nil || n.Node.Meta["rack"] != "r1" {
		t.Errorf("db-01 = %+v", n)
	}
	if n := answer[*watch.CatalogNode](t, s, watch.NodeServices{Name: "no-such-node"}); n != nil {
		t.Errorf("a node that does not exist = %+v", n)
	}
	for _, ignore := range []bool{false, true} {
		if dc := answer[[]string](t, s, watch.Datacenters{IgnoreFailing: ignore}); !slices.Equal(dc, []string{"dc1"}) {
			t.Errorf("datacenters = %v", dc)
		}
	}
	if c := answer[[]*watch.CatalogInstance](t, s, watch.CatalogService{Name: "web", Near: "app-02"}); len(c) != 7 || c[0].ServiceID != "web-2" {
		t.Errorf("catalog service = %+v", c)
	}
	if r := answer[[]*watch.CARoot](t, s, watch.CARoots{}); len(r) != 1 || !strings.Contains(r[0].RootCertPEM, "BEGIN CERTIFICATE") || !r[0].Active {
		t.Errorf("caRoots = %+v", r)
	}
	leaf := answer[*watch.LeafCert](t, s, watch.CALeaf{Service: "web"})
	if leaf.Service != "web" || !strings.Contains(leaf.CertPEM, "BEGIN CERTIFICATE") || !strings.Contains(leaf.PrivateKeyPEM, "PRIVATE KEY") || leaf.ValidBefore.IsZero() {
		t.Error("caLeaf lacks something")
	}
	list := answer[[]*watch.KeyPair](t, s, watch.Prefix{Path: "app/db"})
	var keys []string
	for _, p := range list {
		keys = append(keys, p.Key)
	}
	if !slices.Equal(keys, []string{"host", "pool/max", "pool/min", "port"}) {
		t.Errorf("keys below app/db = %v", keys)
	}
	if p := answer[*watch.KeyPair](t, s, watch.Key{Path: "app/flagged"}); p.Flags != 42 || p.Value != "with flags" {
		t.Errorf("app/flagged = %+v", p)
	}
}

// TestErrors looks at what an operator reads when Consul says no.
func TestErrors(t *testing.T) {
	server := shared.Server(t)
	s := open(t, Config{Address: server.Addr, Stale: true})
	for _, c := range []struct {
		q         watch.Query
		permanent bool
		says      string
	}{
		{watch.Key{Path: "x", Scope: watch.Scope{Datacenter: "dc9"}}, false, `there is no datacenter "dc9" (what follows @ in a key is one; known: dc1); {{ range ls "/" }} reads keys that have an @`},
		{watch.Service{Name: "x", Scope: watch.Scope{Datacenter: "dc9"}}, false, `there is no datacenter "dc9" (what follows @ in a query is one; known: dc1)`},
		{watch.Service{Name: "x", Filter: "not a filter ("}, true, "refuses the filter"},
		{watch.Service{Name: "x", Scope: watch.Scope{Namespace: "n"}}, true, "Enterprise"},
		{watch.Partitions{}, true, "does not know /v1/partitions"},
		{watch.ExportedServices{}, true, "does not know /v1/exported-services"},
		{watch.ImportedServices{}, true, "does not know /v1/imported-services"},
		{watch.Peerings{}, true, "peering must be enabled"},
		{watch.File{Path: "/etc/hosts"}, true, "can not answer file(/etc/hosts)"},
	} {
		_, err := first(t, s, c.q)
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: err = %v, want one that says %q", c.q, err, c.says)
			continue
		}
		if watch.IsPermanent(err) != c.permanent {
			t.Errorf("%s: permanent = %v, want %v: %v", c.q, watch.IsPermanent(err), c.permanent, err)
		}
		if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, want one line that says %q", c.q, err, c.says)
		}
	}
	nobody := open(t, Config{Address: "127.0.0.1:1"})
	if _, err := first(t, nobody, watch.Services{}); err == nil || err.Error() != "consul at 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused" {
		t.Errorf("no agent: %v", err)
	}
}

// TestServicesAreBelieved looks at the evidence of answers that were waited for, which Consul serves from its event
// stream: they must not be doubted, or each change would be read twice.
func TestServicesAreBelieved(t *testing.T) {
	r := registry{shared.Server(t)}
	s := open(t, Config{Address: r.Addr, Stale: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	i := instanceOf("believed", 1)
	r.Register(t, i)
	t.Cleanup(func() { r.DeregisterNode(t, i.Node) })
	reports := 0
	_ = watch.Follow(ctx, s, watch.Service{Name: i.Service}, func(a watch.Answer) bool {
		if a.NoLeader {
			t.Errorf("report %d says that there is no leader", reports)
		}
		if reports++; reports == 3 {
			cancel()
		}
		i.Port++
		r.Register(t, i)
		return true
	})
	if reports < 3 {
		t.Errorf("%d reports", reports)
	}
}
