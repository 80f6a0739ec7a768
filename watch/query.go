// Package watch keeps the answers to queries fresh.
//
// A [Query] names a piece of data that may change: a key, the healthy instances of a service, a file. A [Source] answers
// queries from one system, such as Consul or a data file. The [Watcher] asks its source about exactly the queries that
// were last declared wanted with [Watcher.Sync], retries what fails, decides which answers may be believed, and tells its
// one reader that something changed.
//
// All query kinds and their answers live here, so that every source speaks of the same things, and templates can not
// tell which source answered them. The package imports nothing of ours but leaves (see internal/deptest).
package watch

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A Query names a piece of data that may change. Queries are comparable values: equal queries are one query, so a query
// must not hold a slice, map or function. String is for people (logs, errors) and never holds a secret.
type Query interface{ String() string }

// A Set is a set of queries.
type Set map[Query]struct{}

// Add puts q into the set.
func (s Set) Add(q Query) { s[q] = struct{}{} }

// Has tells whether q is in the set.
func (s Set) Has(q Query) bool { _, ok := s[q]; return ok }

// AddAll puts every query of other into the set.
func (s Set) AddAll(other Set) { maps.Copy(s, other) }

// Sorted lists the set's queries by their strings, for messages that must not change from run to run.
func (s Set) Sorted() []Query {
	return slices.SortedFunc(maps.Keys(s), func(a, b Query) int { return strings.Compare(a.String(), b.String()) })
}

// A Lookup answers from what is known now; ok is false while the query has no answer yet. It never blocks.
type Lookup func(Query) (answer any, ok bool)

// Scope says which registry a query is about, and which part of it. The zero Scope is the default source, and the registry's own
// default: the agent's datacenter, and the token's namespace and partition. Namespace, Partition, Peer and SamenessGroup need
// a Consul server that knows them (Enterprise for all but Peer).
type Scope struct {
	// Source is the name of the source that is asked, "" for the default one. A source is only given queries that are its own.
	Source string `json:",omitempty"`

	Datacenter, Namespace, Partition, Peer, SamenessGroup string
}

// scope is what [SourceOf] finds in every query that embeds a Scope.
func (s Scope) scope() Scope { return s }

// options are the parts of a scope that are written as options, by their names in templates.
func (s *Scope) options() []scopeOption {
	return []scopeOption{{"source", &s.Source}, {"ns", &s.Namespace}, {"partition", &s.Partition}, {"peer", &s.Peer}, {"sameness-group", &s.SamenessGroup}}
}

type scopeOption struct {
	name  string
	value *string
}

// suffix renders the scope as it is written in templates: "?ns=x&partition=y@dc1".
func (s Scope) suffix() string {
	var out string
	mark := "?"
	for _, o := range s.options() {
		if *o.value != "" {
			out += mark + o.name + "=" + *o.value
			mark = "&"
		}
	}
	return out + after("@", s.Datacenter)
}

// after is a text behind a mark, or "" for none.
func after(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}

// SetOptions takes over what text says, NAME=VALUE pairs joined by "&" as they follow "?" in a template's query. The names are
// source, ns, partition, peer and sameness-group; another one is an error.
func (s *Scope) SetOptions(text string) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return err
	}
	options := s.options()
	for name := range values {
		i := slices.IndexFunc(options, func(o scopeOption) bool { return o.name == name })
		if i < 0 {
			return fmt.Errorf("unknown option %.120q: there are source, ns, partition, peer and sameness-group", name)
		}
		*options[i].value = values.Get(name)
	}
	return nil
}

// Key asks for one key of the key-value store. Its answer is a *[KeyPair], nil when there is no such key.
type Key struct {
	Path string // without a leading slash
	Scope
}

func (q Key) String() string { return fmt.Sprintf("key(%s%s)", q.Path, q.suffix()) }

// Prefix asks for every key that begins with Path, a plain text prefix: "app" also covers "apple". Its answer is a
// []*[KeyPair] in the byte order of the paths, folder keys included.
type Prefix struct {
	Path string // without a leading slash; "" is the whole store
	Scope
}

func (q Prefix) String() string { return fmt.Sprintf("prefix(%s%s)", q.Path, q.suffix()) }

// Service asks for all instances of a service, whatever their health, with their checks. Its answer is a
// []*[ServiceInstance], by node and then id, or by distance where Near is set.
type Service struct {
	Name string
	// Near orders the instances by their round-trip time from this node; "_agent" is the agent's own. "" leaves the
	// order by node and id.
	Near string
	// Filter is a Consul filter expression over the health endpoint's fields, such as
	// `Service.Meta.version == "2"`. "" filters nothing.
	Filter string
	// Connect asks for the instances that can serve the service through the mesh: its sidecar proxies and native ones.
	Connect bool
	Scope
}

func (q Service) String() string {
	kind := "service("
	if q.Connect {
		kind = "connect("
	}
	return kind + q.Name + q.suffix() + after("~", q.Near) + after(" filter ", q.Filter) + ")"
}

// Services asks for the names of all services and the tags of their instances. Its answer is a []*[ServiceName] by name.
type Services struct{ Scope }

func (q Services) String() string { return "services(" + q.suffix() + ")" }

// CatalogService asks for all instances of a service as the catalog has them, without health. Its answer is a
// []*[CatalogInstance], by node and then id, or by distance where Near is set.
type CatalogService struct {
	Name, Near string
	Scope
}

func (q CatalogService) String() string {
	return "catalog-service(" + q.Name + q.suffix() + after("~", q.Near) + ")"
}

// Nodes asks for all nodes. Its answer is a []*[Node] by name and id, or by distance where Near is set.
type Nodes struct {
	Near string
	Scope
}

func (q Nodes) String() string {
	return "nodes(" + q.suffix() + after("~", q.Near) + ")"
}

// NodeServices asks for one node and the services registered on it. Its answer is a *[CatalogNode], nil when there is no
// such node; the services are by name and id.
type NodeServices struct {
	Name string // "" is the agent's own node
	Scope
}

func (q NodeServices) String() string { return "node(" + q.Name + q.suffix() + ")" }

// Datacenters asks for the names of all known datacenters. Its answer is a []string by name.
type Datacenters struct {
	// IgnoreFailing leaves out the datacenters that can't be reached now.
	IgnoreFailing bool
}

func (q Datacenters) String() string {
	if q.IgnoreFailing {
		return "datacenters(reachable)"
	}
	return "datacenters()"
}

// CARoots asks for the certificate authorities that the mesh trusts. Its answer is a []*[CARoot].
type CARoots struct{}

func (CARoots) String() string { return "caRoots()" }

// CALeaf asks for a mesh certificate of a service. Its answer is a *[LeafCert]; the registry renews it in time.
type CALeaf struct {
	Service string
	Scope
}

func (q CALeaf) String() string { return "caLeaf(" + q.Service + q.suffix() + ")" }

// Partitions asks for the admin partitions (Consul Enterprise). Its answer is a []*[Partition] by name.
type Partitions struct{}

func (Partitions) String() string { return "partitions()" }

// Peerings asks for the cluster peerings (Consul 1.14 and later). Its answer is a []*[Peering] by name.
type Peerings struct{ Scope }

func (q Peerings) String() string { return "peerings(" + q.suffix() + ")" }

// ExportedServices asks for the services that a partition exports (Consul 1.17 and later). Its answer is a
// []*[ExportedService] by name.
type ExportedServices struct{ Scope }

func (q ExportedServices) String() string { return "exportedServices(" + q.suffix() + ")" }

// ImportedServices asks for the services that a partition imports. Its answer is a []*[ImportedService] by name.
type ImportedServices struct{ Scope }

func (q ImportedServices) String() string { return "importedServices(" + q.suffix() + ")" }

// File asks for the contents of a local file. Its answer is a string, or a [Failure] when the file can't be read.
type File struct{ Path string }

func (q File) String() string { return "file(" + q.Path + ")" }

// Secrets are the texts of an answer to a sensitive query that may be secrets, for whoever has to keep them out of a log.
func Secrets(answer any) []string {
	switch a := answer.(type) {
	case *KeyPair:
		if a != nil {
			return []string{a.Value}
		}
	case []*KeyPair:
		values := make([]string, len(a))
		for i, pair := range a {
			values[i] = pair.Value
		}
		return values
	case *LeafCert:
		if a != nil {
			return []string{a.PrivateKeyPEM}
		}
	case string:
		return []string{a}
	}
	return nil
}
