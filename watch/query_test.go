package watch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"testing"

	"lictor/watch"
)

func TestQueryStrings(t *testing.T) {
	for want, q := range map[string]watch.Query{
		"key(a/b@dc2)":                            watch.Key{Path: "a/b", Scope: watch.Scope{Datacenter: "dc2"}},
		"prefix()":                                watch.Prefix{},
		"service(web?ns=n&peer=p@dc2~_agent)":     watch.Service{Name: "web", Near: "_agent", Scope: watch.Scope{Datacenter: "dc2", Namespace: "n", Peer: "p"}},
		`connect(web filter Service.Port == "1")`: watch.Service{Name: "web", Connect: true, Filter: `Service.Port == "1"`},
		"datacenters(reachable)":                  watch.Datacenters{IgnoreFailing: true},
	} {
		if q.String() != want {
			t.Errorf("%#v prints as %s, want %s", q, q, want)
		}
	}
}

func TestAggregatedStatus(t *testing.T) {
	check := func(id, status string) *watch.HealthCheck { return &watch.HealthCheck{CheckID: id, Status: status} }
	for _, c := range []struct {
		want   string
		checks watch.HealthChecks
	}{
		{watch.StatusPassing, nil},
		{watch.StatusWarning, watch.HealthChecks{check("a", "passing"), check("b", "warning")}},
		{watch.StatusCritical, watch.HealthChecks{check("a", "critical"), check("b", "warning")}},
		{watch.StatusMaintenance, watch.HealthChecks{check("a", "critical"), check("_node_maintenance", "critical")}},
		{watch.StatusMaintenance, watch.HealthChecks{check("_service_maintenance:web-1", "critical")}},
		{watch.StatusCritical, watch.HealthChecks{check("_service_maintenance", "critical")}},
	} {
		if got := c.checks.AggregatedStatus(); got != c.want {
			t.Errorf("%v = %s, want %s", c.checks, got, c.want)
		}
	}
}

// Every kind of query in query.go is one of these: a new one has to decide whether what it answers may be logged.
func TestSensitive(t *testing.T) {
	decided := map[watch.Query]bool{
		watch.Key{}: true, watch.Prefix{}: true, watch.CALeaf{}: true, watch.File{}: true,
		watch.Service{}: false, watch.Services{}: false, watch.CatalogService{}: false, watch.Nodes{}: false, watch.NodeServices{}: false,
		watch.Datacenters{}: false, watch.CARoots{}: false, watch.Partitions{}: false, watch.Peerings{}: false,
		watch.ExportedServices{}: false, watch.ImportedServices{}: false,
	}
	names := map[string]bool{}
	for q, want := range decided {
		if watch.Sensitive(q) != want {
			t.Errorf("%T is sensitive: %v, want %v", q, !want, want)
		}
		names[reflect.TypeOf(q).Name()] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "query.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "String" {
			kinds[f.Recv.List[0].Type.(*ast.Ident).Name] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(names)); !slices.Equal(got, want) {
		t.Errorf("the kinds are %q, and decided are %q", got, want)
	}
	if !watch.Sensitive(unknown{}) {
		t.Error("a kind that nobody has thought about may be logged")
	}
}

type unknown struct{}

func (unknown) String() string { return "unknown" }

// Whatever a sensitive query is answered with, its texts can be kept out of a log.
func TestSecrets(t *testing.T) {
	for _, test := range []struct {
		answer any
		want   []string
	}{
		{&watch.KeyPair{Path: "a", Value: "1"}, []string{"1"}},
		{(*watch.KeyPair)(nil), nil},
		{[]*watch.KeyPair{{Value: "1"}, {Value: "2"}}, []string{"1", "2"}},
		{&watch.LeafCert{CertPEM: "public", PrivateKeyPEM: "private"}, []string{"private"}},
		{"the content of a file", []string{"the content of a file"}},
		{watch.Failure{}, nil},
	} {
		if got := watch.Secrets(test.answer); !slices.Equal(got, test.want) {
			t.Errorf("%#v: %q, want %q", test.answer, got, test.want)
		}
	}
}
