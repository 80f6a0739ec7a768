package consul

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"lictor/watch"
)

// What Consul says of the mesh is read whole, also the fields that the texts of templates leave out.
func TestMeshAnswersAreReadWhole(t *testing.T) {
	at, days := time.Date(2036, 1, 2, 3, 4, 5, 0, time.UTC), -3
	for name, c := range map[string]struct {
		decode func(io.Reader) (any, error)
		text   string
		want   any
	}{
		"roots": {decodeCARoots, `{"Roots":[{"ID":"i","Name":"n","RootCert":"PEM","Active":true,"NotBefore":"2036-01-02T03:04:05Z","NotAfter":"2036-01-02T03:04:05Z","DaysRemaining":-3,"CreateIndex":1,"ModifyIndex":2},{}]}`,
			[]*watch.CARoot{{ID: "i", Name: "n", RootCertPEM: "PEM", Active: true, NotBefore: &at, NotAfter: &at, DaysRemaining: &days, CreateIndex: 1, ModifyIndex: 2}, {}}},
		"peerings": {decodePeerings, `[{"ID":"i","Name":"n","State":"ACTIVE","PeerCAPems":["x"],"PeerServerName":"s","PeerServerAddresses":["a"],"StreamStatus":{"ImportedServices":["b","a"],"LastSend":"2036-01-02T03:04:05Z"},"Remote":{"Partition":"p","Datacenter":"d"}}]`,
			[]*watch.Peering{{ID: "i", Name: "n", PeeringState: "ACTIVE", PeerCAPems: []string{"x"}, PeerServerName: "s", PeerServerAddresses: []string{"a"},
				StreamStatus: watch.StreamStatus{ImportedServices: []string{"a", "b"}, LastSend: &at}, Remote: watch.PeeringRemote{Partition: "p", Datacenter: "d"}}}},
		"exported": {decodeExported, `[{"Service":"s","Partition":"p","Namespace":"n","Consumers":{"SamenessGroups":["g"]}}]`,
			[]*watch.ExportedService{{Service: "s", Partition: "p", Namespace: "n", Consumers: watch.ExportedServiceConsumers{Peers: []string{}, Partitions: []string{}, SamenessGroups: []string{"g"}}}}},
		"imported": {decodeImported, `{"ImportedServices":[{"Service":"s","Namespace":"n","SourcePartition":"p","SourcePeer":"q"}]}`,
			[]*watch.ImportedService{{Service: "s", Namespace: "n", SourcePartition: "p", SourcePeer: "q"}}},
	} {
		if got, err := c.decode(strings.NewReader(c.text)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v: got %+v, want %+v", name, err, got, c.want)
		}
	}
}
