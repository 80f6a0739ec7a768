package file

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"lictor/watch"
)

// everything has every field of every kind.
func everything() *Data {
	checks := Health{Status: "warning", Maintenance: "upgrade", Checks: []Check{
		{HealthCheck: watch.HealthCheck{CheckID: "c", Name: "n", Status: "critical", Notes: "a\nb", Output: " out ", Type: "http", ServiceName: "old", ServiceTags: []string{},
			Namespace: "ns", Partition: "p", ExposedPort: 21500, PeerName: "east", CreateIndex: 3, ModifyIndex: 4}}, {Nameless: true}, {}}}
	definition := &checks.Checks[0].Definition
	*definition = watch.CheckDefinition{HTTP: "http://x", Header: map[string][]string{"A": {"b"}, "C": {}}, Method: "PUT", Body: "b", TLSServerName: "s", TLSSkipVerify: true,
		TCP: "t:1", TCPUseTLS: true, UDP: "u:1", GRPC: "g:1", OSService: "sshd", GRPCUseTLS: true, SessionName: "n"}
	definition.SetDurations(10*time.Second, time.Minute, time.Hour)
	now, days := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), -3
	return &Data{
		Datacenter: "eu", Agent: "a",
		Registry: Registry{
			KV: map[string]*watch.KeyPair{
				"a": {Value: "1"}, "$b": {Value: "true"}, "c/": {}, "d": {Value: "\xff\x00"}, "e": {Value: "x", Flags: 3, Session: "s", LockIndex: 1, CreateIndex: 2, ModifyIndex: 1 << 60},
				"f": {Value: "\n leading\ttab \r\n\n trailing \n\n"}, "g": {Value: "null"}, "h/i": {Value: "- list"}, "<<": {Value: "<<"}, "~": {Value: "~"}, "n": {Value: "a: b # c"},
			},
			Nodes: map[string]*Node{
				"a": {ID: "i", Address: "10.0.0.1", Meta: map[string]string{"k": "1"}, TaggedAddresses: map[string]string{"lan": "::1"}, Health: checks,
					Coordinate: &Coordinate{Vec: []float64{0.1, -2e-9}, Height: 1e-5, Adjustment: -0.25}},
				"b": {Address: "10.0.0.2", RTT: map[string]time.Duration{"a": 1500 * time.Microsecond}, Health: Health{Maintenance: defaultReason}},
			},
			Services: map[string][]*Instance{
				"web": {{ID: "w", Node: "a", Address: "::1", Port: 80, Tags: []string{"x, y", "1", "z\nz"}, Meta: map[string]string{"": "e", "m": "\""},
					TaggedAddresses: map[string]watch.ServiceAddress{"wan": {Address: "1.2.3.4", Port: 8}, "lan": {Address: "h"}},
					Weights:         watch.Weights{Passing: 5}, Kind: "mesh-gateway", EnableTagOverride: true, Namespace: "ns", Partition: "p", Health: checks},
					{Node: "b", Weights: watch.Weights{Passing: 1, Warning: 1}, ConnectNative: true}},
				"proxy": {{Node: "b", ProxyFor: "web"}},
				"none":  {},
			},
		},
		Datacenters: map[string]*Registry{"us": {KV: map[string]*watch.KeyPair{"a": {Value: "us"}}}, "asia": {}},
		CARoots:     []*watch.CARoot{{ID: "i", Name: "n", RootCertPEM: "-----BEGIN\nX\n", Active: true, NotBefore: &now, NotAfter: &now, DaysRemaining: &days, CreateIndex: 1, ModifyIndex: 2}},
		CALeaves: map[string]*watch.LeafCert{"web": {SerialNumber: "01:02", CertPEM: "c\n", PrivateKeyPEM: "k\n", Service: "web", ServiceURI: "spiffe://x",
			ValidAfter: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), ValidBefore: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), CreateIndex: 1, ModifyIndex: 2}},
		Partitions: []*watch.Partition{{Name: "p", Description: "d"}},
		Peerings: []*watch.Peering{{ID: "i", Name: "n", Partition: "p", Meta: map[string]string{"a": "b"}, PeerID: "q", PeerCAPems: []string{"x\ny"}, PeerServerName: "s",
			PeerServerAddresses: []string{"1.2.3.4:5"}, PeeringState: "ACTIVE", StreamStatus: watch.StreamStatus{ImportedServices: []string{"a"}, ExportedServices: []string{"b", "c"},
				LastHeartbeat: &now, LastReceive: &now, LastSend: &now}, Remote: watch.PeeringRemote{Partition: "p", Datacenter: "dc"}}},
		Exported: []*watch.ExportedService{{Service: "web", Partition: "p", Namespace: "ns", Consumers: watch.ExportedServiceConsumers{Partitions: []string{"p"}, Peers: []string{"q"}, SamenessGroups: []string{"s"}}}},
		Imported: []*watch.ImportedService{{Service: "web", Namespace: "ns", SourcePartition: "p", SourcePeer: "q"}, {}},
	}
}

// same compares what two data answer.
func same(t *testing.T, a, b *Data) {
	t.Helper()
	x, errX := newSnapshot(a)
	y, errY := newSnapshot(b)
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	for dc, c := range x.catalogs {
		d := y.catalogs[dc]
		if d == nil {
			t.Fatalf("datacenter %s is lost", dc)
		}
		if !reflect.DeepEqual(c.keys, d.keys) {
			t.Errorf("keys of %s differ:\n%s\n%s", dc, text(t, a), text(t, b))
		}
		if g, w := len(c.nodes), len(d.nodes); g != w {
			t.Fatalf("%d and %d nodes", g, w)
		}
	}
	// The written form holds all the rest, and is canonical.
	if g, w := text(t, a), text(t, b); g != w {
		t.Errorf("it is written in two ways:\n%s\n\n%s", g, w)
	}
}

func text(t *testing.T, d *Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteIsReadBack(t *testing.T) {
	d := everything()
	var again Data
	if err := again.Merge("again", []byte(text(t, d))); err != nil {
		t.Fatalf("%v\n%s", err, text(t, d))
	}
	same(t, d, &again)
	again.where = nil
	for _, in := range d.Services { // what is left out is read as its default
		for _, i := range in {
			if i.Weights == (watch.Weights{}) {
				i.Weights = watch.Weights{Passing: 1, Warning: 1}
			}
		}
	}
	if !reflect.DeepEqual(d, &again) {
		t.Errorf("read back, it is not equal:\n%s", text(t, d))
	}
}

func TestWriteIsStable(t *testing.T) {
	want := text(t, everything())
	for range 20 {
		if got := text(t, everything()); got != want {
			t.Fatalf("%s\n\n%s", got, want)
		}
	}
}

// Any text and any bytes come back as they were.
func TestAnyValueIsReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", " ", "\n", "\t", "\r", ":", "#", "-", "'", "\"", "\\", "{", "}", "%", "@", "&", "*", "!", "|", ">", "~", "1", "\u0085", "\u2028", "\ufeff", "ä", "🚀", "\x00", "\x7f", "\xff", "$", "/"}
	for range 20000 {
		var b strings.Builder
		for range random.IntN(8) {
			b.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		v := b.String()
		d := &Data{}
		d.KV = map[string]*watch.KeyPair{"k": {Value: v}}
		var again Data
		if err := again.Merge("again", []byte(text(t, d))); err != nil {
			t.Fatalf("%q: %v\n%s", v, err, text(t, d))
		}
		if got := again.KV["k"].Value; got != v {
			t.Fatalf("%q came back as %q:\n%s", v, got, text(t, d))
		}
	}
}
