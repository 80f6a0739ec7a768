package watch

import (
	"iter"
	"maps"
	"reflect"
)

// A Kind is what is to be known of one kind of query.
type Kind struct {
	Name          string       // in cache files; "" for what is not kept there
	Query, Answer reflect.Type // of queries of this kind, and of their answers
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
	one[Key, KeyPair](Kind{Name: "key"}),
	many[Prefix, *KeyPair](Kind{Name: "prefix", guarded: guardsList}),
	many[Service, *ServiceInstance](Kind{Name: "service", harmless: true, guarded: guardsInstances}),
	many[Services, *ServiceName](Kind{Name: "services", harmless: true, guarded: guardsList}),
	many[CatalogService, *CatalogInstance](Kind{Name: "catalog-service", harmless: true, guarded: guardsInstances}),
	many[Nodes, *Node](Kind{Name: "nodes", harmless: true, guarded: guardsList}),
	one[NodeServices, CatalogNode](Kind{Name: "node", harmless: true}),
	many[Datacenters, string](Kind{Name: "datacenters", harmless: true, guarded: guardsList}),
	many[CARoots, *CARoot](Kind{Name: "ca-roots", harmless: true}), // not guarded: who holds on to a root that was withdrawn trusts it
	one[CALeaf, LeafCert](Kind{}), // not kept: it is a key
	many[Partitions, *Partition](Kind{Name: "partitions", harmless: true, guarded: guardsList}),
	many[Peerings, *Peering](Kind{Name: "peerings", harmless: true, guarded: guardsList}),
	many[ExportedServices, *ExportedService](Kind{Name: "exported-services", harmless: true, guarded: guardsList}),
	many[ImportedServices, *ImportedService](Kind{Name: "imported-services", harmless: true, guarded: guardsList}),
	Kind{Query: reflect.TypeFor[File](), Answer: reflect.TypeFor[string]()}, // not kept: the file is as near as the cache
)

// KindOf is the kind of a query. The kind of one that is not in the table is zero: it is taken to hold secrets, and not guarded or kept.
func KindOf(q Query) Kind { return kinds[reflect.TypeOf(q)] }

// Kinds are all kinds of queries there are, in any order.
func Kinds() iter.Seq[Kind] { return maps.Values(kinds) }

func table(rows ...Kind) map[reflect.Type]Kind {
	all := make(map[reflect.Type]Kind, len(rows))
	for _, k := range rows {
		all[k.Query] = k
	}
	return all
}

// one is a kind whose answer is one thing, nil for none.
func one[Q Query, A any](k Kind) Kind {
	k.Query, k.Answer = reflect.TypeFor[Q](), reflect.TypeFor[*A]()
	return k
}

// many is a kind whose answer is a list.
func many[Q Query, E any](k Kind) Kind {
	k.Query, k.Answer = reflect.TypeFor[Q](), reflect.TypeFor[[]E]()
	return k
}

// Sensitive tells whether the answer to q may hold a secret, so that nothing made of it is to be logged. Whoever may look
// into the catalog knows what a service's address and tags are; what a key or a local file holds is anything.
func Sensitive(q Query) bool { return !KindOf(q).harmless }
