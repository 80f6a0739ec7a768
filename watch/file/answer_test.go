package file

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"lictor/watch"
)

// line shows an instance in short.
func line(i *watch.ServiceInstance) string {
	return fmt.Sprintf("%s/%s %s:%d %s", i.Node, i.ID, i.Address, i.Port, i.Status)
}

func lines(list []*watch.ServiceInstance) string {
	var out []string
	for _, i := range list {
		out = append(out, line(i))
	}
	return strings.Join(out, ", ")
}

func TestShortestFile(t *testing.T) {
	d := parsed(t, "services: {web: [{address: 10.0.0.1, port: 80}]}")
	i := ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web"})[0]
	if got, want := line(i), "10.0.0.1/web 10.0.0.1:80 passing"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if i.NodeDatacenter != "dc1" || i.NodeAddress != "10.0.0.1" || i.Weights != (watch.Weights{Passing: 1, Warning: 1}) || len(i.Checks) != 0 || i.Tags == nil {
		t.Errorf("defaults: %+v", i)
	}
	if n := ask[*watch.CatalogNode](t, d, watch.NodeServices{}); n == nil || n.Node.Node != "10.0.0.1" {
		t.Errorf("the only node is not the agent's: %+v", n)
	}
	if dcs := ask[[]string](t, d, watch.Datacenters{}); !slices.Equal(dcs, []string{"dc1"}) {
		t.Errorf("datacenters %v", dcs)
	}
}

func TestHealthInShort(t *testing.T) {
	d := parsed(t, `
nodes:
  n1: 10.0.0.1
  n2: {address: 10.0.0.2, maintenance: true}
  n3: {address: 10.0.0.3, status: critical}
services:
  web:
    - {node: n1, id: a}
    - {node: n1, id: b, status: warning}
    - {node: n1, id: c, maintenance: changing the disk}
    - {node: n1, id: d, checks: [{status: passing}, {status: critical, output: refused}]}
    - {node: n1, id: e, maintenance: false}
    - {node: n2, id: f}
    - {node: n3, id: g, status: passing}
`)
	list := ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web"})
	var got []string
	for _, i := range list {
		s := i.ID + " " + i.Status
		for _, c := range i.Checks {
			s += " " + c.CheckID + "=" + c.Status
		}
		got = append(got, s)
	}
	want := []string{
		"a passing", "b warning service:b=warning", "c maintenance _service_maintenance:c=critical",
		"d critical service:d:1=passing service:d:2=critical", "e passing", "f maintenance _node_maintenance=critical", "g critical serfHealth=critical service:g=passing",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c := list[2].Checks[0]; c.Notes != "changing the disk" || c.ServiceName != "web" {
		t.Errorf("%+v", c)
	}
}

func TestIDs(t *testing.T) {
	d := parsed(t, "services: {web: ['h:1', 'h:2', 'h:3', 'i:1'], api: [{id: web-2, address: h}, {id: web, address: i}]}")
	got := lines(ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web"}))
	if want := "h/web h:1 passing, h/web-3 h:2 passing, h/web-4 h:3 passing, i/web-2 i:1 passing"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNearWithRTT(t *testing.T) {
	d := parsed(t, `
agent: me
nodes:
  me: {address: 10.0.0.1, rtt: {a: 30ms, b: 10ms, c: 20ms}}
  a: 10.0.0.2
  b: {address: 10.0.0.3, rtt: {c: 1ms, me: 90ms}}
  c: 10.0.0.4
  d: 10.0.0.5
services: {web: [{node: d}, {node: c}, {node: b}, {node: a}, {node: me}]}
`)
	for near, want := range map[string]string{"_agent": "me b c a d", "me": "me b c a d", "b": "b c me a d", "c": "c b me a d", "d": "a b c d me", "": "a b c d me", "nobody": "a b c d me"} {
		var got []string
		for _, i := range ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web", Near: near}) {
			got = append(got, i.Node)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("near %q: %v, want %s", near, got, want)
		}
	}
}

func TestDatacenters(t *testing.T) {
	d := parsed(t, `
datacenter: eu
kv: {a: home}
datacenters:
  us: {kv: {a: there}, nodes: {n: 10.1.0.1}, services: {web: [{node: n, port: 80}]}}
  asia: {}
`)
	if dcs := ask[[]string](t, d, watch.Datacenters{}); !slices.Equal(dcs, []string{"asia", "eu", "us"}) {
		t.Errorf("datacenters %v", dcs)
	}
	for dc, want := range map[string]string{"": "home", "eu": "home", "us": "there"} {
		if p := ask[*watch.KeyPair](t, d, watch.Key{Path: "a", Scope: watch.Scope{Datacenter: dc}}); p.Value != want {
			t.Errorf("%s: %s", dc, p.Value)
		}
	}
	us := watch.Scope{Datacenter: "us"}
	if got := lines(ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web", Scope: us})); got != "n/web 10.1.0.1:80 passing" {
		t.Errorf("web: %s", got)
	}
	if nodes := ask[[]*watch.Node](t, d, watch.Nodes{Scope: us}); len(nodes) != 1 || nodes[0].Datacenter != "us" {
		t.Errorf("nodes of us: %+v", nodes)
	}
	if n := len(ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web"})); n != 0 {
		t.Errorf("%d instances at home", n)
	}
}

func TestConnect(t *testing.T) {
	d := parsed(t, `
nodes: {n: 10.0.0.1}
services:
  web: [{node: n, port: 80}]
  web-sidecar-proxy: [{node: n, port: 21000, proxy_for: web}]
  native: [{node: n, port: 81, connect_native: true}]
`)
	for name, want := range map[string]string{"web": "n/web-sidecar-proxy 10.0.0.1:21000 passing", "native": "n/native 10.0.0.1:81 passing", "none": ""} {
		list := ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: name, Connect: true})
		if got := lines(list); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if name == "web" && list[0].Kind != "connect-proxy" {
			t.Errorf("kind %q", list[0].Kind)
		}
	}
}

// layered is the data of several documents, each over those before it.
func layered(t *testing.T, texts ...string) *Data {
	t.Helper()
	d := &Data{}
	for i, text := range texts {
		if err := d.Merge(fmt.Sprintf("%d.yaml", i+1), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestLayersOfKeys(t *testing.T) {
	d := layered(t, "kv: {a: 1, b: {c: 2, d: 3, e/f: 4}, b2: 5, x: {$value: v, $flags: 1}}", "kv: {a: one, b: null, x: {$flags: 2}}", "kv: {b: {c: two}}")
	for path, want := range map[string]string{"a": "one", "b/c": "two", "b/d": "(no such key)", "b/e/f": "(no such key)", "b2": "5", "x": "v"} {
		if got := value(t, d, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if f := ask[*watch.KeyPair](t, d, watch.Key{Path: "x"}).Flags; f != 2 {
		t.Errorf("flags %d", f)
	}
}

func TestLayersOfServices(t *testing.T) {
	base := `
nodes: {n1: {address: 10.0.0.1, meta: {rack: r1, zone: a}}, n2: 10.0.0.2}
services:
  web: {web-1: {node: n1, port: 80, tags: [a, b], meta: {v: "1", w: "2"}}, web-2: {node: n2, port: 80}}
  api: ["10.0.0.9:90"]
  db: ["10.0.0.9:91"]
`
	for name, c := range map[string]struct{ over, want string }{
		"one field":      {"services: {web: {web-1: {status: critical}}}", "n1/web-1 10.0.0.1:80 critical, n2/web-2 10.0.0.2:80 passing"},
		"one more":       {"services: {web: {web-3: 10.0.0.3:80}}", "10.0.0.3/web-3 10.0.0.3:80 passing, n1/web-1 10.0.0.1:80 passing, n2/web-2 10.0.0.2:80 passing"},
		"one less":       {"services: {web: {web-1: null}}", "n2/web-2 10.0.0.2:80 passing"},
		"a list":         {"services: {web: [10.0.0.3:80]}", "10.0.0.3/web 10.0.0.3:80 passing"},
		"an empty list":  {"services: {web: []}", ""},
		"null":           {"services: {web: null}", ""},
		"another":        {"services: {api: []}", "n1/web-1 10.0.0.1:80 passing, n2/web-2 10.0.0.2:80 passing"},
		"node's address": {"nodes: {n1: {address: 10.9.9.9}}", "n1/web-1 10.9.9.9:80 passing, n2/web-2 10.0.0.2:80 passing"},
	} {
		if got := lines(ask[[]*watch.ServiceInstance](t, layered(t, base, c.over), watch.Service{Name: "web"})); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
	d := layered(t, base, "services: {web: {web-1: {tags: [c], meta: {v: null, x: '3'}}}, api: null}\nnodes: {n1: {meta: {rack: r2}}}")
	i := ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web"})[0]
	if got := fmt.Sprint(i.Tags, i.ServiceMeta, i.NodeMeta); got != "[c] map[w:2 x:3] map[rack:r2 zone:a]" {
		t.Errorf("merged: %s", got)
	}
	var names []string
	for _, n := range ask[[]*watch.ServiceName](t, d, watch.Services{}) {
		names = append(names, n.Name)
	}
	if !slices.Equal(names, []string{"db", "web"}) {
		t.Errorf("services %v: null takes a service away", names)
	}
	if err := layered(t, "services: {w: [{id: a, address: h}, {id: a, address: i}]}").Merge("2", []byte("services: {w: {a: {port: 1}}}")); err == nil ||
		!strings.Contains(err.Error(), "is on several nodes") {
		t.Errorf("error %v", err)
	}
}

func TestLayersOfCertificates(t *testing.T) {
	base := "ca_leaves: {web: {cert: c, private_key: k}, api: {cert: a}}\nca_roots: [{name: r, not_after: 2036-01-01T00:00:00Z, days_remaining: 3}]\n"
	d := layered(t, base, "ca_leaves: {web: {cert: d}, api: null}\nca_roots: [{name: s, not_after: null, days_remaining: }]\n")
	leaf := ask[*watch.LeafCert](t, d, watch.CALeaf{Service: "web"})
	if leaf.CertPEM != "d" || leaf.PrivateKeyPEM != "k" {
		t.Errorf("merged: %+v", leaf)
	}
	if _, err := d.Answer(watch.CALeaf{Service: "api"}); err == nil {
		t.Error("null takes no certificate away")
	}
	if roots := ask[[]*watch.CARoot](t, d, watch.CARoots{}); len(roots) != 1 || roots[0].Name != "s" || roots[0].NotAfter != nil || roots[0].DaysRemaining != nil {
		t.Errorf("roots: %+v", roots[0])
	}
}

func TestSet(t *testing.T) {
	d := layered(t, "kv: {a: 1}")
	for _, a := range []string{"kv/a=2", "kv/b/c==x=y", "kv/e="} {
		if err := d.Set(a); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{"a": "2", "b/c": "=x=y", "e": ""} {
		if got := value(t, d, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, a := range []string{"a=1", "kv/a", "kv/=1", "", "services/web=1", "kv//a=1"} {
		if d.Set(a) == nil {
			t.Errorf("%q: no error", a)
		}
	}
}

func TestMesh(t *testing.T) {
	d := everything()
	if r := ask[[]*watch.CARoot](t, d, watch.CARoots{}); len(r) != 1 || !r[0].Active {
		t.Errorf("%+v", r)
	}
	if l := ask[*watch.LeafCert](t, d, watch.CALeaf{Service: "web"}); l.CertPEM != "c\n" {
		t.Errorf("%+v", l)
	}
	if p := ask[[]*watch.Partition](t, d, watch.Partitions{}); p[0].Name != "p" {
		t.Errorf("%+v", p)
	}
	if p := ask[[]*watch.Peering](t, d, watch.Peerings{}); p[0].StreamStatus.ImportedServices[0] != "a" {
		t.Errorf("%+v", p)
	}
	if e := ask[[]*watch.ExportedService](t, d, watch.ExportedServices{}); e[0].Consumers.Peers[0] != "q" {
		t.Errorf("%+v", e)
	}
	if i := ask[[]*watch.ImportedService](t, d, watch.ImportedServices{}); i[0].SourcePeer != "q" {
		t.Errorf("%+v", i)
	}
}
