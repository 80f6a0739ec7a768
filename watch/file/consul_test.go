package file_test

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"lictor/internal/consultest"
	"lictor/watch"
	"lictor/watch/consul"
	"lictor/watch/file"
	"lictor/watch/file/filetest"
)

const seedFile = "../../../shared/conformance/seed.json"

// seed reads the conformance corpus's seed.
func seed(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(seedFile)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("there is no conformance corpus here: ", err)
	}
	return text
}

// first returns the first answer of a source, or the error that it ends with instead.
func first(t *testing.T, s watch.Source, q watch.Query) (answer any, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answered := false
	err = watch.Follow(ctx, s, q, func(a watch.Answer) bool {
		answer, answered = a.Value, true
		cancel()
		return true
	})
	if answered {
		err = nil
	}
	if f, failed := answer.(watch.Failure); failed {
		return nil, f.Err
	}
	return answer, err
}

var filters = []string{
	`Service.Meta.version == "1.2.0"`,
	`Service.Meta.version != "1.2.0"`,
	`Service.Meta["scrape-path"] == "/metrics"`,
	`Service.Meta.team is empty`,
	`Service.Meta.team is not empty`,
	`Service.Meta is empty`,
	`"team" in Service.Meta`,
	`v1 in Service.Tags`,
	`Service.Tags contains "v2"`,
	`"canary" not in Service.Tags`,
	`Service.Tags is empty`,
	`Checks.Status == "critical"`,
	`Checks.Status != "passing"`,
	`not Checks.Status == "critical"`,
	`Checks is empty`,
	`Checks.CheckID matches "^svc:web-[1-3]$"`,
	`Checks.ServiceTags contains "primary"`,
	`Checks.Output contains "passing"`,
	`Node.Node == "app-03"`,
	`Node.Node != app-01 and Node.Meta.zone == a`,
	`Node.Meta.rack == "r1" or Node.Datacenter == "dc2"`,
	`Node.Address matches "^10\\.10\\.1\\."`,
	`Node.TaggedAddresses.wan == "198.51.100.21"`,
	`Service.Port == 8081`,
	`Service.Port != 8080 and not (Service.ID == "web-4")`,
	`Service.Address == ""`,
	`Service.Address is not empty`,
	`"192" in Service.Address`,
	`Service.TaggedAddresses.wan.Port == 80`,
	`Service.TaggedAddresses.lan.Address != "1.2.3.4"`,
	`Service.TaggedAddresses is empty`,
	`Service.Weights.Passing == 10`,
	`Service.Weights.Passing != 1`,
	`Service.EnableTagOverride == false`,
	`Service.Kind == ""`,
	`Service.Service == web and Service.ID not matches "[12]$"`,
	`Service.Connect.Native == true`,
	`Service.Proxy.DestinationServiceName == web`,
	// These are errors.
	`Service.Nonsense == "x"`,
	`Service.Port == "many"`,
	`Service.Port matches "8"`,
	`Service.Tags == "v1"`,
	`Service.Meta.version ==`,
	`Checks.Status matches "("`,
	`Node == "x"`,
	`Service.Address is empty`,
	`"/Service/Port" == 80`,
	`any Service.Tags as t { t == "v1" }`,
}

// queries asks for everything in the seed, in every way.
func queries() []watch.Query {
	qs := []watch.Query{
		watch.Services{}, watch.Services{Scope: watch.Scope{Datacenter: "dc1"}}, watch.Datacenters{}, watch.Datacenters{IgnoreFailing: true},
		watch.Prefix{}, watch.Prefix{Path: "app"}, watch.Prefix{Path: "app/"}, watch.Prefix{Path: "prefix"}, watch.Prefix{Path: "mixed/"}, watch.Prefix{Path: "none/"},
		watch.Prefix{Path: "odd/"}, watch.Prefix{Path: "i18n"}, watch.Prefix{Path: "x", Scope: watch.Scope{Datacenter: "dc9"}},
		watch.Service{Name: "web", Scope: watch.Scope{Datacenter: "dc9"}}, watch.Nodes{Scope: watch.Scope{Datacenter: "dc9"}},
		watch.Service{Name: ""}, watch.NodeServices{Name: "no-such-node"}, watch.NodeServices{},
	}
	for _, key := range []string{"app/name", "app/folder/", "app/folder", "app/flagged", "binary/blob", "i18n/größe", "odd/percent%sign", "odd/key with space", "none", "conflict/x", "conflict/x/y"} {
		qs = append(qs, watch.Key{Path: key})
	}
	for _, node := range []string{"app-01", "app-02", "app-03", "conf-agent", "edge-01", "gw.corp.example", "maint-01", "v6-01", "db-01"} {
		qs = append(qs, watch.NodeServices{Name: node})
	}
	for _, near := range []string{"", "_agent", "app-01", "app-02", "edge-01", "no-such-node"} {
		qs = append(qs, watch.Nodes{Near: near})
		for _, name := range []string{"web", "api", "site", "metrics", "web-sidecar-proxy", "ghost"} {
			qs = append(qs, watch.Service{Name: name, Near: near}, watch.CatalogService{Name: name, Near: near}, watch.Service{Name: name, Near: near, Connect: true})
		}
	}
	for _, f := range filters {
		for _, name := range []string{"web", "metrics", "ghost"} {
			qs = append(qs, watch.Service{Name: name, Filter: f})
		}
		if f != `Service.TaggedAddresses is empty` { // Consul makes up one for each proxy
			qs = append(qs, watch.Service{Name: "web", Filter: f, Connect: true})
		}
	}
	return qs
}

func TestAnswersEqualConsuls(t *testing.T) {
	text := seed(t)
	server := consultest.Start(t, consultest.Options{Node: "conf-agent", NodeID: "c0de0000-0000-4000-8000-000000000001"})
	server.LoadSeed(t, seedFile)
	real, err := consul.New(consul.Config{Address: server.Addr})
	if err != nil {
		t.Fatal(err)
	}
	// The agent tells the catalog all about itself only a moment after it has started.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		answer, err := first(t, real, watch.NodeServices{})
		if n, _ := answer.(*watch.CatalogNode); err == nil && n != nil && len(n.Node.TaggedAddresses) > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the agent did not complete its node: %v", err)
		}
	}
	yaml, err := filetest.FromSeed(text)
	if err != nil {
		t.Fatal(err)
	}
	var d file.Data
	if err := d.Merge("seed.yaml", yaml); err != nil {
		t.Fatal(err)
	}
	ours, err := file.NewFixed(&d)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queries() {
		want, wantErr := first(t, real, q)
		got, gotErr := first(t, ours, q)
		if (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s: error %v, Consul has %v", q, gotErr, wantErr)
			continue
		}
		if wantErr != nil {
			if strings.Contains(gotErr.Error(), "\n") {
				t.Errorf("%s: not one line: %v", q, gotErr)
			}
			continue
		}
		if reflect.TypeOf(got) != reflect.TypeOf(want) {
			t.Errorf("%s: a %T, Consul has a %T", q, got, want)
		}
		if g, w := comparable(t, got), comparable(t, want); g != w {
			n := 0
			for n < min(len(g), len(w)) && g[n] == w[n] {
				n++
			}
			from := max(0, n-100)
			t.Errorf("%s:\n got ...%.200s\nwant ...%.200s", q, g[from:], w[from:])
		}
	}
}

// comparable renders an answer without what differs from one Consul to the next.
func comparable(t *testing.T, answer any) string {
	t.Helper()
	b, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	scrub(v)
	b, _ = json.Marshal(v)
	return string(b)
}

func scrub(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "CreateIndex")
		delete(v, "ModifyIndex")
		if a, ok := v["ServiceTaggedAddresses"].(map[string]any); ok { // an address that Consul makes up for the mesh
			if delete(a, "consul-virtual"); len(a) == 0 {
				v["ServiceTaggedAddresses"] = nil
			}
		}
		if v["ServiceName"] == "consul" { // an agent tells its version and ports there
			delete(v, "ServiceMeta")
			delete(v, "ServicePort")
		}
		if v["Service"] == "consul" {
			delete(v, "Meta")
			delete(v, "Port")
		}
		for _, e := range v {
			scrub(e)
		}
	case []any:
		for _, e := range v {
			scrub(e)
		}
	}
}
