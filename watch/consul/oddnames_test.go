package consul

import (
	"fmt"
	"testing"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
	"lictor/watch"
)

// oddNames are names that Consul accepts for services and nodes, and that a path has to be escaped for.
var oddNames = []string{
	"my-service-1.0", "parent/testservice", "sp ace", "a|b", "a:b", "a@b", "ü", "東京", "a?ns=b", "a#b", "a%2Eb", "a%b", "a+b", `a"b`, `a\b`, "..", ".", "a//b", "a/../b",
	"./a", "/a", "a/", "a&b=c", "a;b", "{{x}}", "~a",
}

// TestOddNames follows services and nodes of such names in each way, and a change of each.
func TestOddNames(t *testing.T) {
	server := consultest.Start(t, consultest.Options{})
	register := func(port int) {
		for _, name := range oddNames {
			server.Register(t, &api.CatalogRegistration{
				Node: name, Address: "10.0.0.1", Service: &api.AgentService{ID: "id of " + name, Service: name, Port: port},
			})
		}
	}
	register(1)
	want := watch.Set{}
	for _, name := range oddNames {
		want.AddAll(watch.Set{watch.Service{Name: name}: {}, watch.CatalogService{Name: name}: {}, watch.NodeServices{Name: name}: {}})
	}
	port := func(answer any) int {
		switch a := answer.(type) {
		case []*watch.ServiceInstance:
			if len(a) == 1 {
				return a[0].Port
			}
		case []*watch.CatalogInstance:
			if len(a) == 1 {
				return a[0].ServicePort
			}
		case *watch.CatalogNode:
			if a != nil && len(a.Services) == 1 {
				return a.Services[0].Port
			}
		}
		return 0
	}
	current := 1
	for _, plan := range append([]string{""}, Plans...) {
		t.Run("plan "+plan, func(t *testing.T) {
			w := follow(t, open(t, Config{Address: server.Addr, Stale: true, Plan: plan}), want)
			for range 2 {
				eventually(t, func() string {
					for q := range want {
						answer, ok := w.Get(q)
						if got := port(answer); !ok || got != current {
							return fmt.Sprintf("%s: port %d (%v), want %d", q, got, w.Err(q), current)
						}
					}
					return ""
				})
				current++
				register(current)
			}
		})
	}
}
