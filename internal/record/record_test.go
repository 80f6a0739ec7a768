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
	"lictor/watch/watchtest"
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

func TestAnExactRecordingAnswersTheSame(t *testing.T) {
	for name, queries := range groups {
		t.Run(name, func(t *testing.T) {
			recorded, text, answers := rerecord(t, record.Exact, queries...)
			for q, want := range answers {
				got, err := recorded.Answer(q)
				if err != nil {
					t.Errorf("%s: %v\n%s", q, err, text)
				} else if !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\n got %s\nwant %s\n%s", q, show(got), show(want), text)
				}
			}
			if _, again, _ := rerecord(t, record.Exact, queries...); again != text {
				t.Errorf("recorded again it differs:\n%s\n%s", text, again)
			}
		})
	}
}

// Whatever field an answer has, a data file can say it.
func TestEveryFieldSurvivesARecording(t *testing.T) {
	for q, answer := range watchtest.Answers() {
		fit(q, answer)
		data, err := record.Data(map[watch.Query]any{q: answer}, record.Exact)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := file.Write(&text, data); err != nil {
			t.Fatal(err)
		}
		got, err := load(t, text.String()).Answer(q)
		if err != nil {
			t.Errorf("%s: %v\n%s", q, err, &text)
		} else if !reflect.DeepEqual(got, answer) {
			t.Errorf("%s: %s differs:\n got %s\nwant %s\n%s", q, record.Difference(got, answer), show(got), show(answer), &text)
		}
	}
}

// fit makes of an answer to q, in which all fields are distinct, one that is possible: what is the same thing has one value.
func fit(q watch.Query, answer any) {
	switch a := answer.(type) {
	case *watch.KeyPair:
		a.Path, a.Key = q.(watch.Key).Path, q.(watch.Key).Path
	case []*watch.KeyPair:
		for _, p := range a {
			p.Path = q.(watch.Prefix).Path + "/" + p.Key
		}
	case []*watch.ServiceInstance:
		for i, s := range a {
			s.Name, s.NodeDatacenter, s.Kind = q.(watch.Service).Name, "home", "mesh-gateway"
			ofNode, own := s.Checks[0], s.Checks[1]
			ofNode.ServiceID, own.ServiceID = "", s.ID
			ofNode.Status, own.Status = watch.StatusPassing, []string{watch.StatusWarning, watch.StatusCritical}[i]
			for _, c := range s.Checks {
				c.Node = s.Node
				c.Definition.SetDurations(c.Definition.IntervalDuration, c.Definition.TimeoutDuration, c.Definition.DeregisterCriticalServiceAfterDuration)
			}
			s.Status = s.Checks.AggregatedStatus()
		}
	case []*watch.CatalogInstance:
		for _, s := range a {
			s.ServiceName, s.Datacenter = q.(watch.CatalogService).Name, "home"
		}
	case []*watch.Node:
		for _, n := range a {
			n.Datacenter = "home"
		}
	case *watch.CatalogNode:
		a.Node.Node = q.(watch.NodeServices).Name
	case *watch.LeafCert:
		a.Service, a.PrivateKeyPEM = q.(watch.CALeaf).Service, record.Redacted+"\n"
	}
}

// What a mapping or a list says by being empty rather than not there is kept, and so is a name that is empty.
func TestEmptyIsNotNone(t *testing.T) {
	for _, m := range []map[string]string{nil, {}} {
		for _, tagged := range []map[string]watch.ServiceAddress{nil, {}} {
			for _, list := range [][]string{nil, {}} {
				answers := map[watch.Query]any{
					watch.Service{Name: "s"}: []*watch.ServiceInstance{{
						Node: "n", NodeAddress: "h", NodeDatacenter: "dc1", NodeMeta: m, NodeTaggedAddresses: m, ID: "i", Name: "s", Address: "h", Tags: []string{}, ServiceMeta: m,
						ServiceTaggedAddresses: tagged, Weights: watch.Weights{Passing: 1, Warning: 1}, Status: watch.StatusPassing, Checks: watch.HealthChecks{{Node: "n", CheckID: "c", Status: watch.StatusPassing, ServiceTags: []string{}}},
					}},
					watch.Peerings{}:         []*watch.Peering{{Meta: m, PeerCAPems: list, PeerServerAddresses: list, StreamStatus: watch.StreamStatus{ImportedServices: list, ExportedServices: list}}},
					watch.ExportedServices{}: []*watch.ExportedService{{Consumers: watch.ExportedServiceConsumers{Peers: []string{}, Partitions: []string{}, SamenessGroups: list}}},
				}
				data, err := record.Data(answers, record.Exact)
				if err != nil {
					t.Fatal(err)
				}
				var text bytes.Buffer
				if err := file.Write(&text, data); err != nil {
					t.Fatal(err)
				}
				for q, want := range answers {
					if got, err := load(t, text.String()).Answer(q); err != nil || !reflect.DeepEqual(got, want) {
						t.Errorf("%s: %v %s\n%s", q, err, record.Difference(got, want), &text)
					}
				}
			}
		}
	}
}

func TestDifferenceNamesTheFieldAlone(t *testing.T) {
	one := func(c watch.HealthCheck) []*watch.ServiceInstance {
		return []*watch.ServiceInstance{{}, {Checks: watch.HealthChecks{&c}}}
	}
	for _, c := range []struct {
		a, b any
		want string
	}{
		{one(watch.HealthCheck{Type: "secret"}), one(watch.HealthCheck{}), "[1].Checks[0].Type"},
		{one(watch.HealthCheck{Definition: watch.CheckDefinition{Header: map[string][]string{"a": nil}}}), one(watch.HealthCheck{}), "[1].Checks[0].Definition.Header"},
		{one(watch.HealthCheck{}), []*watch.ServiceInstance{{}}, ""},
		{one(watch.HealthCheck{}), one(watch.HealthCheck{}), ""},
		{&watch.KeyPair{}, (*watch.KeyPair)(nil), ""},
		{nil, &watch.KeyPair{}, ""},
	} {
		if got := record.Difference(c.a, c.b); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
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
