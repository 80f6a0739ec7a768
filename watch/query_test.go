package watch_test

import (
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
