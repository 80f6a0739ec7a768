package file

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/serf/coordinate"

	"lictor/watch"
)

// Data is what data files say. Its fields are those of the file format, which docs/data-file.md describes; a zero field
// was left out, and has the default that is told there.
type Data struct {
	Datacenter string // the home datacenter: what queries without a datacenter ask; "" is "dc1"
	Agent      string // the agent's own node; "" is the only node, where there is one
	Registry          // the home datacenter's data

	Datacenters map[string]*Registry // the other datacenters, by name

	CARoots    []*watch.CARoot
	CALeaves   map[string]*watch.LeafCert // by service
	Partitions []*watch.Partition
	Peerings   []*watch.Peering
	Exported   []*watch.ExportedService
	Imported   []*watch.ImportedService

	where map[any]string // "file:line" of nodes and instances, for errors that only show in the whole
}

// DefaultDatacenter is the home datacenter of data that names none.
const DefaultDatacenter = "dc1"

// A Registry is the data of one datacenter.
type Registry struct {
	KV       map[string]*watch.KeyPair // by path; the Path and Key fields are not looked at
	Nodes    map[string]*Node          // by name
	Services map[string][]*Instance    // by name
}

// A Node is a machine.
type Node struct {
	ID              string
	Address         string // "" is that of the first instance on it
	Meta            map[string]string
	TaggedAddresses map[string]string
	Health
	Coordinate *Coordinate              // for near
	RTT        map[string]time.Duration // round-trip times to other nodes, for near where there are no coordinates
}

// A Coordinate is a node's network coordinate, in seconds. A data file has its Vec, Height and Adjustment.
type Coordinate = coordinate.Coordinate

// An Instance is one instance of a service.
type Instance struct {
	ID                string // "" is the service's name, numbered where the node has it already
	Node              string // "" is a node of its own, named by the address
	Address           string // "" is the node's
	Port              int
	Tags              []string
	Meta              map[string]string
	TaggedAddresses   map[string]watch.ServiceAddress
	Weights           watch.Weights // zero is 1 and 1
	Kind              string
	ProxyFor          string // the service that a connect-proxy stands before
	ConnectNative     bool
	EnableTagOverride bool
	Namespace         string
	Partition         string
	Health
}

// Health is what a node and an instance say of their health, in the shortest form that will do.
type Health struct {
	Status      string  // of a check that is made up for it; "" makes up none
	Maintenance string  // the reason why it is in maintenance; "" is not in maintenance
	Checks      []Check // further checks
}

// A Check is a health check. Its node and the id of its service are those that it is of. Of what is zero, CheckID and Name are
// made up, Status is passing, and ServiceName and ServiceTags are those of the service.
type Check struct {
	watch.HealthCheck
	Nameless bool // the name is empty, and none is made up
}

// instances lists the instances of all services with the names of these, sorted by name.
func (r *Registry) instances() iter.Seq2[string, *Instance] {
	return func(yield func(string, *Instance) bool) {
		for _, name := range slices.Sorted(maps.Keys(r.Services)) {
			for _, in := range r.Services[name] {
				if !yield(name, in) {
					return
				}
			}
		}
	}
}
