package watch_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	client "github.com/hashicorp/consul/api"
	"gopkg.in/yaml.v2"

	"lictor/watch"
	"lictor/watch/watchtest"
)

// shapes are the fields of what consul-template answers with, in their order.
var shapes = []struct {
	answer any
	fields string
}{
	{&watch.ServiceInstance{}, "Node NodeID NodeAddress NodeTaggedAddresses NodeMeta ServiceMeta Address ServiceTaggedAddresses ID Name Tags Checks Status Port Weights"},
	{&watch.ServiceName{}, "Name Tags"},
	{&watch.KeyPair{}, "Path Key Value CreateIndex ModifyIndex LockIndex Flags Session"},
	{&watch.Node{}, "ID Node Address Datacenter TaggedAddresses Meta"},
	{&watch.CatalogNode{}, "Node Services"},
	{&watch.NodeService{}, "ID Service Tags Meta Port Address EnableTagOverride"},
	{&watch.Partition{}, "Name Description"},
	{&watch.Peering{}, "ID Name Partition Meta PeeringState PeerID PeerServerName PeerServerAddresses StreamStatus Remote"},
	{&watch.StreamStatus{}, "ImportedServices ExportedServices LastHeartbeat LastReceive LastSend"},
	{&watch.PeeringRemote{}, "Partition Datacenter"},
	{&watch.ExportedService{}, "Service Partition Namespace Consumers"},
	{&watch.ExportedServiceConsumers{}, "Peers Partitions"},
	{&watch.ImportedService{}, "Service Namespace SourcePartition"},
}

func TestTextsOfAnswersHaveThePeersFields(t *testing.T) {
	for _, s := range shapes {
		watchtest.Fill(s.answer)
		text, err := json.MarshalIndent(s.answer, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if got := namesIn(`(?m)^ "(\w+)":`, string(text)); got != s.fields {
			t.Errorf("%T in JSON has\n%s, want\n%s", s.answer, got, s.fields)
		}
		if text, err = yaml.Marshal(s.answer); err != nil {
			t.Fatal(err)
		}
		if got, want := namesIn(`(?m)^(\w+):`, string(text)), strings.ToLower(s.fields); got != want {
			t.Errorf("%T in YAML has\n%s, want\n%s", s.answer, got, want)
		}
		if text, err = toml.Marshal(s.answer); err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(namesIn(`(?m)^\[*(\w+)(?:\]| =)`, string(text))) {
			if !strings.Contains(" "+s.fields+" ", " "+name+" ") {
				t.Errorf("%T in TOML has %s", s.answer, name)
			}
		}
	}
}

// namesIn are what the pattern's group matches in text.
func namesIn(pattern, text string) string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return strings.Join(found, " ")
}

// Where consul-template answers with what Consul's client gives, the texts are those of the client's types.
func TestTextsOfAnswersAreThoseOfTheClient(t *testing.T) {
	check, root, leaf := &watch.HealthCheck{}, &watch.CARoot{}, &watch.LeafCert{}
	for _, answer := range []any{check, root, leaf} {
		watchtest.Fill(answer)
	}
	check.Definition.SetDurations(1e9, 2e9, 3e9)
	for _, pair := range [][2]any{
		{check, &client.HealthCheck{}}, {&check.Definition, &client.HealthCheckDefinition{}}, {check.Definition, client.HealthCheckDefinition{}},
		{root, &client.CARoot{}}, {leaf, &client.LeafCert{}},
		{&watch.HealthCheck{}, &client.HealthCheck{}}, {&watch.CARoot{}, &client.CARoot{}}, {&watch.LeafCert{}, &client.LeafCert{}},
	} {
		ours, theirs := reflect.New(reflect.TypeOf(pair[0])).Elem(), reflect.New(reflect.TypeOf(pair[1])).Elem()
		ours.Set(reflect.ValueOf(pair[0]))
		theirs.Set(reflect.ValueOf(pair[1]))
		copyFields(t, reflect.Indirect(ours), reflect.Indirect(theirs))
		for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal, "TOML": func(v any) ([]byte, error) { return toml.Marshal(v) }} {
			got, err := marshal(ours.Interface())
			if err != nil {
				t.Fatal(err)
			}
			want, err := marshal(theirs.Interface())
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s of %s:\n%s\nwant\n%s", name, ours.Type(), got, want)
			}
		}
	}
}

// copyFields sets the fields of to from those of the same names, all of which must be there.
func copyFields(t *testing.T, from, to reflect.Value) {
	t.Helper()
	if from.NumField() != to.NumField() {
		t.Errorf("%s has %d fields, %s %d", from.Type(), from.NumField(), to.Type(), to.NumField())
	}
	for i := range to.NumField() {
		f := from.FieldByName(to.Type().Field(i).Name)
		switch {
		case !f.IsValid():
			t.Errorf("%s has no %s", from.Type(), to.Type().Field(i).Name)
		case f.CanConvert(to.Field(i).Type()):
			to.Field(i).Set(f.Convert(to.Field(i).Type()))
		default:
			copyFields(t, f, to.Field(i))
		}
	}
}

func TestDefinitionsAreReadAsConsulWritesThem(t *testing.T) {
	var c watch.HealthCheck
	text := `{"CheckID":"c","Interval":"","Definition":{"HTTP":"http://x","Header":{"A":["b"]},"Interval":"10s","Timeout":"1m0s","DeregisterCriticalServiceAfter":""}}`
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	want := watch.HealthCheck{CheckID: "c", Definition: watch.CheckDefinition{HTTP: "http://x", Header: map[string][]string{"A": {"b"}}}}
	want.Definition.SetDurations(10e9, 60e9, 0)
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v", c)
	}
	for _, bad := range []string{`{"Definition":{"Interval":"soon"}}`, `{"Definition":[]}`} {
		if json.Unmarshal([]byte(bad), &c) == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
