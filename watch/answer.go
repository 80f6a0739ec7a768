package watch

import "time"

// The field and method names of the answers are those that templates written for consul-template use. So are their order
// and their tags: what a template makes of an answer with toJSON, toYAML or toTOML is what consul-template makes of it. A
// field that consul-template does not have is there for templates that name it, and is left out of those texts.

// A KeyPair is one key of the key-value store.
type KeyPair struct {
	Path string // the whole path of the key
	Key  string // the path relative to what was asked for: in a template, below the prefix

	Value                               string
	CreateIndex, ModifyIndex, LockIndex uint64
	Flags                               uint64
	Session                             string // the session that holds the key as a lock, or ""
}

// ServiceTags are the tags of a service, sorted. It has no methods, since templates for consul-template find none:
// `contains` is a function.
type ServiceTags []string

// The statuses of a health check, and of an instance or node, whose status is the worst of its checks'.
const (
	StatusPassing     = "passing"
	StatusWarning     = "warning"
	StatusCritical    = "critical"
	StatusMaintenance = "maintenance"
	StatusAny         = "any"
)

// A ServiceInstance is one instance of a service, on one node, with its health.
type ServiceInstance struct {
	Node                string
	NodeID              string
	NodeAddress         string
	NodeDatacenter      string `json:"-" yaml:"-" toml:"-"`
	NodeTaggedAddresses map[string]string
	NodeMeta            map[string]string

	ServiceMeta            map[string]string
	Address                string // the instance's own address, or its node's where it has none
	ServiceTaggedAddresses map[string]ServiceAddress
	ID                     string
	Name                   string
	Kind                   string `json:"-" yaml:"-" toml:"-"` // "" for an ordinary service, "connect-proxy" and so on for mesh parts
	Tags                   ServiceTags
	Checks                 HealthChecks // the node's and the instance's own
	Status                 string       // the worst of the checks' statuses; passing without any check
	Port                   int
	Weights                Weights
	Namespace, Partition   string `json:"-" yaml:"-" toml:"-"`
}

// ServiceAddress is a tagged address of a service instance.
type ServiceAddress struct {
	Address string
	Port    int
}

// Weights are an instance's weights for load balancing, by its status.
type Weights struct{ Passing, Warning int }

// A ServiceName is a service in the list of all services.
type ServiceName struct {
	Name string
	Tags ServiceTags // of all its instances together
}

// A CatalogInstance is one instance of a service as the catalog has it.
type CatalogInstance struct {
	ID              string // the node's
	Node            string
	Address         string // the node's
	Datacenter      string
	TaggedAddresses map[string]string
	NodeMeta        map[string]string
	ServiceID       string
	ServiceName     string
	ServiceAddress  string // "" where the instance has none of its own
	ServiceTags     ServiceTags
	ServiceMeta     map[string]string
	ServicePort     int
	Namespace       string
}

// A Node is a machine that services are registered on.
type Node struct {
	ID, Node, Address, Datacenter string
	TaggedAddresses               map[string]string
	Meta                          map[string]string
}

// A CatalogNode is a node with the services that are registered on it.
type CatalogNode struct {
	Node     *Node
	Services []*NodeService
}

// A NodeService is a service instance as its node has it.
type NodeService struct {
	ID, Service       string
	Tags              ServiceTags
	Meta              map[string]string
	Port              int
	Address           string // "" where the instance has none of its own
	EnableTagOverride bool
}

// A CARoot is a certificate authority of the mesh.
type CARoot struct {
	ID, Name            string
	RootCertPEM         string `json:"RootCert"`
	Active              bool
	NotBefore, NotAfter *time.Time `json:",omitempty"` // nil where Consul does not say
	DaysRemaining       *int       `json:",omitempty"` // until NotAfter, when Consul answered; nil where it does not say

	CreateIndex, ModifyIndex uint64
}

// A LeafCert is a mesh certificate of a service, with its private key.
type LeafCert struct {
	SerialNumber            string
	CertPEM, PrivateKeyPEM  string `json:",omitempty"`
	Service, ServiceURI     string
	ValidAfter, ValidBefore time.Time

	CreateIndex, ModifyIndex uint64
}

// A Partition is an admin partition.
type Partition struct{ Name, Description string }

// A Peering is a connection to another cluster.
type Peering struct {
	ID, Name            string
	Partition           string
	Meta                map[string]string
	PeeringState        string // such as ACTIVE or PENDING
	PeerID              string
	PeerCAPems          []string `json:"-" yaml:"-" toml:"-"`
	PeerServerName      string
	PeerServerAddresses []string
	StreamStatus        StreamStatus
	Remote              PeeringRemote
}

// StreamStatus is what goes over a peering.
type StreamStatus struct {
	ImportedServices, ExportedServices   []string
	LastHeartbeat, LastReceive, LastSend *time.Time // nil where there was none
}

// PeeringRemote is where the other cluster is, as it says itself.
type PeeringRemote struct{ Partition, Datacenter string }

// An ExportedService is a service that a partition exports, and to whom.
type ExportedService struct {
	Service, Partition, Namespace string
	Consumers                     ExportedServiceConsumers
}

// ExportedServiceConsumers are those that an exported service is exported to.
type ExportedServiceConsumers struct {
	Peers, Partitions []string
	SamenessGroups    []string `json:"-" yaml:"-" toml:"-"`
}

// An ImportedService is a service that a partition imports, and from where.
type ImportedService struct {
	Service, Namespace, SourcePartition string
	SourcePeer                          string `json:"-" yaml:"-" toml:"-"`
}
