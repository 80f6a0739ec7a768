package watch

import "reflect"

// A kind is what is to be known of one kind of query beside its query and answer types themselves.
type kind struct {
	name          string // in cache files; "" for what is not kept there
	query, answer reflect.Type
	kept          reflect.Type // what JSON is made of for an answer in a cache file; nil without a name
	harmless      bool         // the answer never holds a secret
	guarded       guarded
}

// guarded says which rules of a [Guard] are for the answers of a kind.
type guarded int

const (
	unguarded       guarded = iota
	guardsList              // MaxShrink
	guardsInstances         // MaxShrink and MinInstances
)

// kinds are all kinds of queries there are. To add one, add its query to query.go, its answer to answer.go and a row here, a query to
// everyKind of the contract test (package watchtest), and a case to each source that answers it.
var kinds = table(
	one[Key, KeyPair](kind{name: "key"}),
	many[Prefix, *KeyPair](kind{name: "prefix", guarded: guardsList}),
	many[Service, *ServiceInstance](kind{name: "service", harmless: true, guarded: guardsInstances}),
	many[Services, *ServiceName](kind{name: "services", harmless: true, guarded: guardsList}),
	many[CatalogService, *CatalogInstance](kind{name: "catalog-service", harmless: true, guarded: guardsInstances}),
	many[Nodes, *Node](kind{name: "nodes", harmless: true, guarded: guardsList}),
	one[NodeServices, CatalogNode](kind{name: "node", harmless: true}),
	many[Datacenters, string](kind{name: "datacenters", harmless: true, guarded: guardsList}),
	many[CARoots, *CARoot](kind{name: "ca-roots", harmless: true}), // not guarded: who holds on to a root that was withdrawn trusts it
	one[CALeaf, LeafCert](kind{}), // not kept: it is a key
	many[Partitions, *Partition](kind{name: "partitions", harmless: true, guarded: guardsList}),
	many[Peerings, *Peering](kind{name: "peerings", harmless: true, guarded: guardsList}),
	many[ExportedServices, *ExportedService](kind{name: "exported-services", harmless: true, guarded: guardsList}),
	many[ImportedServices, *ImportedService](kind{name: "imported-services", harmless: true, guarded: guardsList}),
	kind{query: reflect.TypeFor[File](), answer: reflect.TypeFor[string]()}, // not kept: the file is as near as the cache
)

// kindOf is the kind of a query. One that is not in the table is taken to hold secrets, is not guarded and not kept.
func kindOf(q Query) kind { return kinds[reflect.TypeOf(q)] }

func table(rows ...kind) map[reflect.Type]kind {
	all := make(map[reflect.Type]kind, len(rows))
	for _, k := range rows {
		if k.name != "" {
			k.kept = keptType(k.answer)
		}
		all[k.query] = k
	}
	return all
}

// one is a kind whose answer is one thing, nil for none.
func one[Q Query, A any](k kind) kind {
	k.query, k.answer = reflect.TypeFor[Q](), reflect.TypeFor[*A]()
	return k
}

// many is a kind whose answer is a list.
func many[Q Query, E any](k kind) kind {
	k.query, k.answer = reflect.TypeFor[Q](), reflect.TypeFor[[]E]()
	return k
}

// Sensitive tells whether the answer to q may hold a secret, so that nothing made of it is to be logged. Whoever may look
// into the catalog knows what a service's address and tags are; what a key or a local file holds is anything.
func Sensitive(q Query) bool { return !kindOf(q).harmless }
