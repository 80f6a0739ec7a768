package record_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lictor/internal/record"
	"lictor/watch"
	"lictor/watch/file"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is data of every kind, from which recordings are made.
const world = `
agent: n2
kv:
  app: {name: shop, port: 80}
  app/folder/: ""
  bin: {$base64: /wA=, $flags: 7, $session: s, $lock_index: 3, $modify_index: 12, $create_index: 4}
nodes:
  n1: {address: 10.0.0.1, id: id-1, meta: {zone: a}, tagged_addresses: {wan: 1.1.1.1}, rtt: {n2: 3ms, n3: 1ms}}
  n2: {address: 10.0.0.2, status: warning, rtt: {n3: 2ms}}
  n3: {address: 10.0.0.3, maintenance: disks}
services:
  web:
    - {id: w1, node: n1, port: 80, tags: [b, a], meta: {v: "1"}, weights: {passing: 3}, tagged_addresses: {wan: "1.2.3.4:5"}}
    - {id: w2, node: n2, port: 80, address: 192.168.0.1, enable_tag_override: true, checks: [{id: c, name: disk, status: critical, output: full, notes: n, type: http}]}
    - {id: w3, node: n3, port: 81, maintenance: true}
  web-proxy: [{id: w1-p, node: n1, port: 21000, proxy_for: web}]
  native: [{id: nat, node: n2, port: 1, connect_native: true}]
  api: ["10.9.0.1:8080"]
  tagged: [{node: n1, tags: [x, y]}]
datacenters:
  dc2: {kv: {far: away}, services: {db: [{node: f1, address: 10.2.0.1, port: 5432}]}}
ca_roots: [{id: r, name: root, root_cert: PEM, active: true}]
partitions: [{name: default, description: d}]
peerings: [{id: p, name: peer, state: ACTIVE}]
exported_services: [{service: web, peers: [other]}]
imported_services: [{service: far, source_peer: other}]
`

func load(t *testing.T, text string) *file.Data {
	t.Helper()
	d := &file.Data{}
	if err := d.Merge("data.yaml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	return d
}

// rerecord records the answers of world to queries, writes that as a data file, and reads it again.
func rerecord(t *testing.T, detail record.Detail, queries ...watch.Query) (recorded *file.Data, text string, answers map[watch.Query]any) {
	t.Helper()
	from := load(t, world)
	answers = map[watch.Query]any{}
	for _, q := range queries {
		answer, err := from.Answer(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		answers[q] = answer
	}
	data, err := record.Data(answers, detail)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := file.Write(&b, data); err != nil {
		t.Fatal(err)
	}
	return load(t, b.String()), b.String(), answers
}

var dc2 = watch.Scope{Datacenter: "dc2"}

// groups are queries that a template might make together.
var groups = map[string][]watch.Query{
	"keys":            {watch.Key{Path: "app/name"}, watch.Key{Path: "none"}, watch.Prefix{Path: "app"}, watch.Key{Path: "bin"}},
	"service":         {watch.Service{Name: "web"}, watch.Service{Name: "none"}, watch.Service{Name: "api"}},
	"filtered":        {watch.Service{Name: "web", Filter: `Service.Meta.v == "1"`}, watch.Service{Name: "web", Filter: `Checks.Output == "full"`}},
	"connect":         {watch.Service{Name: "web", Connect: true}, watch.Service{Name: "native", Connect: true}, watch.Service{Name: "web"}},
	"names":           {watch.Services{}, watch.Service{Name: "web"}},
	"names alone":     {watch.Services{}},
	"names and nodes": {watch.Services{}, watch.Nodes{}, watch.NodeServices{Name: "n1"}, watch.NodeServices{Name: "10.9.0.1"}},
	"catalog":         {watch.CatalogService{Name: "web"}, watch.CatalogService{Name: "none"}},
	"both":            {watch.CatalogService{Name: "web"}, watch.Service{Name: "web"}, watch.NodeServices{Name: "n2"}},
	"nodes":           {watch.Nodes{}, watch.NodeServices{}, watch.NodeServices{Name: "n1"}, watch.NodeServices{Name: "none"}},
	"near":            {watch.Nodes{Near: "n1"}, watch.Service{Name: "web", Near: "n1"}, watch.Service{Name: "web", Near: "n3"}, watch.CatalogService{Name: "web", Near: "n2"}},
	"near by parts":   {watch.Service{Name: "native", Near: "n1"}, watch.Service{Name: "web", Near: "n1"}},
	"agent":           {watch.Service{Name: "web", Near: "_agent"}},
	"centres":         {watch.Datacenters{}, watch.Key{Path: "far", Scope: dc2}, watch.Service{Name: "db", Scope: dc2}, watch.Key{Path: "app/name", Scope: watch.Scope{Datacenter: "dc1"}}},
	"same twice":      {watch.Service{Name: "web"}, watch.Service{Name: "web", Scope: watch.Scope{Datacenter: "dc1"}}},
	"mesh":            {watch.CARoots{}, watch.Partitions{}, watch.Peerings{}, watch.ExportedServices{}, watch.ImportedServices{}},
}

func TestAFullRecordingAnswersTheSame(t *testing.T) {
	for name, queries := range groups {
		t.Run(name, func(t *testing.T) {
			recorded, text, answers := rerecord(t, record.Full, queries...)
			for q, want := range answers {
				got, err := recorded.Answer(q)
				if err != nil {
					t.Errorf("%s: %v\n%s", q, err, text)
				} else if !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\n got %s\nwant %s\n%s", q, show(got), show(want), text)
				}
			}
			if _, again, _ := rerecord(t, record.Full, queries...); again != text {
				t.Errorf("recorded again it differs:\n%s\n%s", text, again)
			}
		})
	}
}

func TestABriefRecordingHasWhatTemplatesPrint(t *testing.T) {
	recorded, text, answers := rerecord(t, record.Brief, groups["service"]...)
	for q := range answers {
		got, err := recorded.Answer(q)
		if err != nil {
			t.Fatal(err)
		}
		want := answers[q].([]*watch.ServiceInstance)
		for i, s := range got.([]*watch.ServiceInstance) {
			w := want[i]
			have, need := *s, *w
			have.Checks, need.Checks, need.NodeID, need.NodeTaggedAddresses, need.ServiceTaggedAddresses = nil, nil, "", nil, nil
			if !reflect.DeepEqual(have, need) {
				t.Errorf("got %+v\nwant %+v", have, need)
			}
		}
	}
	for _, word := range []string{"full", "wan", "id-1", "checks"} {
		if strings.Contains(text, word) {
			t.Errorf("it has %q:\n%s", word, text)
		}
	}
}

func TestRedact(t *testing.T) {
	d := load(t, "kv: {app/db/password: s1, app/password: s2, app/name: shop, a.c: x, abc: y}\ndatacenters: {dc2: {kv: {app/password: s3}}}\n")
	if n := record.Redact(d, []string{"app/*password", "a.c"}); n != 4 {
		t.Errorf("%d keys are redacted, not 4", n)
	}
	for path, want := range map[string]string{"app/db/password": "REDACTED", "app/password": "REDACTED", "app/name": "shop", "a.c": "REDACTED", "abc": "y"} {
		if got := d.KV[path].Value; got != want {
			t.Errorf("%s is %q", path, got)
		}
	}
	if got := d.Datacenters["dc2"].KV["app/password"].Value; got != "REDACTED" {
		t.Errorf("in dc2 it is %q", got)
	}
}

func TestPrivateKeysAreNeverRecorded(t *testing.T) {
	leaf := &watch.LeafCert{Service: "web", CertPEM: "CERT", PrivateKeyPEM: "SECRET KEY"}
	d, err := record.Data(map[watch.Query]any{watch.CALeaf{Service: "web"}: leaf}, record.Full)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.CALeaves["web"]; strings.Contains(got.PrivateKeyPEM, "SECRET") || got.CertPEM != "CERT" || leaf.PrivateKeyPEM != "SECRET KEY" {
		t.Errorf("recorded %+v, of %+v", got, leaf)
	}
}

func TestWhatADataFileCanNotAnswerIsAnError(t *testing.T) {
	for _, q := range []watch.Query{
		watch.Service{Name: "web", Scope: watch.Scope{Namespace: "ns"}}, watch.Key{Path: "a", Scope: watch.Scope{Partition: "p"}}, watch.Nodes{Scope: watch.Scope{Peer: "x"}},
	} {
		answers := map[watch.Query]any{q: map[string]any{
			"service": []*watch.ServiceInstance{}, "key": &watch.KeyPair{}, "nodes": []*watch.Node{},
		}[strings.SplitN(q.String(), "(", 2)[0]]}
		if _, err := record.Data(answers, record.Brief); err == nil || !strings.HasPrefix(err.Error(), q.String()+": ") {
			t.Errorf("%s: error %v", q, err)
		}
	}
	d, err := record.Data(map[watch.Query]any{watch.File{Path: os.DevNull}: "text"}, record.Full)
	if err != nil || !reflect.DeepEqual(d, &file.Data{}) {
		t.Errorf("a local file gives %v and %+v", err, d)
	}
}

// show shows an answer with what it points to.
func show(answer any) string {
	b, _ := json.Marshal(answer)
	return string(b)
}
