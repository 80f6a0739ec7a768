package consul

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"lictor/watch"
)

// TestUnknownDatacenter asks a real Consul for a datacenter that does not exist, as a template does that names a key with an @.
func TestUnknownDatacenter(t *testing.T) {
	server := shared.Server(t)
	away := watch.Scope{Datacenter: "example.com"}
	kinds := map[watch.Query]string{
		watch.Key{Path: "h/acc/test", Scope: away}:     "a key",
		watch.Prefix{Path: "h/acc", Scope: away}:       "a key",
		watch.Service{Name: "web", Scope: away}:        "a query",
		watch.CatalogService{Name: "web", Scope: away}: "a query",
		watch.Services{Scope: away}:                    "a query",
		watch.Nodes{Scope: away}:                       "a query",
		watch.NodeServices{Name: "n", Scope: away}:     "a query",
		watch.CALeaf{Service: "web", Scope: away}:      "a query",
	}
	for _, plan := range []string{PlanSingle, PlanShared, PlanPoll} {
		want := watch.Set{}
		for q := range kinds {
			want.Add(q)
		}
		w := follow(t, open(t, Config{Address: server.Addr, Plan: plan}), want)
		for q, kind := range kinds {
			says := fmt.Sprintf(`: there is no datacenter "example.com" (what follows @ in %s is one; known: dc1)`, kind)
			if _, ok := q.(watch.Key); ok && plan == PlanSingle {
				says += `; {{ range ls "h/acc" }} reads keys that have an @`
			}
			eventually(t, func() string {
				if err := w.Err(q); err == nil || !watch.IsPermanent(err) || !strings.Contains(err.Error(), says) {
					return fmt.Sprintf("%s, %s: %v, want %s", plan, q, err, says)
				}
				return ""
			})
		}
	}
}

// TestDatacenterIsAway has a datacenter that exists and can't be reached now: it is asked again, and so is one of which nobody can tell.
func TestDatacenterIsAway(t *testing.T) {
	for _, datacenters := range []string{`["dc1","dc2"]`, ``} {
		f := newFake(t)
		f.set(func() {
			f.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v1/catalog/datacenters" && datacenters != "" {
					fmt.Fprint(w, datacenters)
				} else {
					http.Error(w, "rpc error making call: No path to datacenter", http.StatusInternalServerError)
				}
				return true
			}
		})
		_, err := first(t, open(t, Config{Address: f.URL}), watch.Key{Path: "a", Scope: watch.Scope{Datacenter: "dc2"}})
		if err == nil || watch.IsPermanent(err) || !strings.Contains(err.Error(), `no path to datacenter "dc2"`) {
			t.Errorf("datacenters %s: %v", datacenters, err)
		}
	}
}
