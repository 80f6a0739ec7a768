// Package record turns what templates read from a registry into a data file from which they render the same. It is the
// inverse of watch/file, for the queries that were asked and no others.
package record

import (
	"fmt"
	"slices"

	"lictor/internal/glob"
	"lictor/watch"
	"lictor/watch/file"
)

// Detail is how much of each answer is recorded.
type Detail int

const (
	// Brief leaves out what few templates print and what changes by itself: checks (but not the status that they add up to),
	// node ids, tagged addresses, and the indexes and locks of keys.
	Brief Detail = iota
	// Full leaves out what only whole answers show, as with toJSON: the indexes of checks, and whether a mapping is empty or
	// not there.
	Full
	// Exact leaves out nothing.
	Exact
)

// Details are all of them, the least first.
var Details = []Detail{Brief, Full, Exact}

// Data makes data that answers the queries as answers does. Its error names a query that data can't answer.
// The answers to [watch.File] are left out: a file of the machine is no part of a registry.
func Data(answers map[watch.Query]any, detail Detail) (*file.Data, error) {
	r := &recorder{detail: detail, data: &file.Data{}, known: map[instanceKey]*file.Instance{}, order: map[place][][]string{}}
	queries := watch.Set{}
	for q := range answers {
		queries.Add(q)
	}
	sorted := queries.Sorted()
	slices.SortStableFunc(sorted, func(a, b watch.Query) int { return rank(a) - rank(b) })
	r.findHome(sorted, answers)
	for _, q := range sorted {
		if err := r.take(q, answers[q]); err != nil {
			return nil, err
		}
	}
	r.placeNames(sorted, answers)
	r.placeDistances()
	return r.data, nil
}

// rank puts the queries that know most about an instance first: what others add is only what those left open.
func rank(q watch.Query) int {
	switch q.(type) {
	case watch.NodeServices:
		return 2
	case watch.CatalogService:
		return 1
	}
	return 0
}

type recorder struct {
	detail Detail
	data   *file.Data
	known  map[instanceKey]*file.Instance
	order  map[place][][]string // by node that was asked to be near to: nodes, the nearest first
}

// place is a node of a datacenter.
type place struct{ datacenter, node string }

func (r *recorder) take(q watch.Query, answer any) error {
	if watch.SourceOf(q) != "" {
		return fmt.Errorf("%s: a data file holds the answers of one source, the default one, and this query names another", q)
	}
	switch q := q.(type) {
	case watch.File:
	case watch.Key:
		if pair := answer.(*watch.KeyPair); pair != nil {
			return r.scoped(q, q.Scope, func(to *file.Registry, _ string) { r.key(to, pair) })
		}
	case watch.Prefix:
		return r.scoped(q, q.Scope, func(to *file.Registry, _ string) {
			for _, pair := range answer.([]*watch.KeyPair) {
				r.key(to, pair)
			}
		})
	case watch.Service:
		return r.scoped(q, q.Scope, func(to *file.Registry, dc string) { r.service(to, dc, q, answer.([]*watch.ServiceInstance)) })
	case watch.CatalogService:
		return r.scoped(q, q.Scope, func(to *file.Registry, dc string) {
			r.catalogService(to, dc, q, answer.([]*watch.CatalogInstance))
		})
	case watch.Services:
		return r.scoped(q, q.Scope, func(*file.Registry, string) {}) // placeNames
	case watch.Nodes:
		return r.scoped(q, q.Scope, func(to *file.Registry, dc string) { r.nodes(to, dc, q.Near, answer.([]*watch.Node)) })
	case watch.NodeServices:
		return r.scoped(q, q.Scope, func(to *file.Registry, dc string) { r.nodeServices(to, dc, q.Name, answer.(*watch.CatalogNode)) })
	case watch.Datacenters:
		for _, name := range answer.([]string) {
			r.registry(name)
		}
	default:
		return r.mesh(q, answer)
	}
	return nil
}

func (r *recorder) mesh(q watch.Query, answer any) error {
	d := r.data
	switch q := q.(type) {
	case watch.CARoots:
		d.CARoots = answer.([]*watch.CARoot)
	case watch.CALeaf:
		return r.scoped(q, q.Scope, func(*file.Registry, string) {
			if d.CALeaves == nil {
				d.CALeaves = map[string]*watch.LeafCert{}
			}
			d.CALeaves[q.Service] = withoutPrivateKey(answer.(*watch.LeafCert))
		})
	case watch.Partitions:
		d.Partitions = answer.([]*watch.Partition)
	case watch.Peerings:
		d.Peerings = answer.([]*watch.Peering)
	case watch.ExportedServices:
		d.Exported = answer.([]*watch.ExportedService)
	case watch.ImportedServices:
		d.Imported = answer.([]*watch.ImportedService)
	default:
		return fmt.Errorf("%s: a data file has no place for answers of this kind", q)
	}
	return nil
}

// scoped calls record with the datacenter that a query is about.
func (r *recorder) scoped(q watch.Query, s watch.Scope, record func(to *file.Registry, dc string)) error {
	if s.Namespace != "" || s.Partition != "" || s.Peer != "" || s.SamenessGroup != "" {
		return fmt.Errorf("%s: a data file does not tell namespaces, partitions and peers apart, so this can't be recorded", q)
	}
	dc := s.Datacenter
	if dc == r.home() {
		dc = "" // is the same as none
	}
	record(r.registry(dc), dc)
	return nil
}

func (r *recorder) registry(dc string) *file.Registry {
	if dc == "" || dc == r.home() {
		return &r.data.Registry
	}
	if r.data.Datacenters == nil {
		r.data.Datacenters = map[string]*file.Registry{}
	}
	if r.data.Datacenters[dc] == nil {
		r.data.Datacenters[dc] = &file.Registry{}
	}
	return r.data.Datacenters[dc]
}

func (r *recorder) home() string {
	if r.data.Datacenter == "" {
		return file.DefaultDatacenter
	}
	return r.data.Datacenter
}

// findHome finds the name of the home datacenter, from what was asked for without one.
func (r *recorder) findHome(queries []watch.Query, answers map[watch.Query]any) {
	home := ""
	for _, q := range queries {
		switch a := answers[q].(type) {
		case []string:
			if home == "" && len(a) > 0 && !slices.Contains(a, file.DefaultDatacenter) {
				home = a[0]
			}
		case []*watch.ServiceInstance:
			if s := q.(watch.Service); s.Datacenter == "" && len(a) > 0 {
				home = a[0].NodeDatacenter
			}
		case []*watch.CatalogInstance:
			if s := q.(watch.CatalogService); s.Datacenter == "" && len(a) > 0 {
				home = a[0].Datacenter
			}
		case []*watch.Node:
			if s := q.(watch.Nodes); s.Datacenter == "" && len(a) > 0 {
				home = a[0].Datacenter
			}
		case *watch.CatalogNode:
			if s := q.(watch.NodeServices); s.Datacenter == "" && a != nil {
				home = a.Node.Datacenter
			}
		}
	}
	if home != file.DefaultDatacenter {
		r.data.Datacenter = home
	}
}

func (r *recorder) key(to *file.Registry, pair *watch.KeyPair) {
	kept := &watch.KeyPair{Value: pair.Value, Flags: pair.Flags}
	if r.detail >= Full {
		*kept = *pair
	}
	if to.KV == nil {
		to.KV = map[string]*watch.KeyPair{}
	}
	to.KV[pair.Path] = kept
}

// Redacted is what stands in the place of a value that is not to be recorded.
const Redacted = "REDACTED"

// withoutPrivateKey is a certificate as it is recorded: a data file ends in a repository, where no private key belongs.
func withoutPrivateKey(leaf *watch.LeafCert) *watch.LeafCert {
	public := *leaf
	public.PrivateKeyPEM = Redacted + "\n"
	return &public
}

// DropPrivateKeys makes answers what [Data] records of them. It tells whether there was a private key.
func DropPrivateKeys(answers map[watch.Query]any) bool {
	dropped := false
	for q, answer := range answers {
		if leaf, ok := answer.(*watch.LeafCert); ok && leaf != nil {
			answers[q], dropped = withoutPrivateKey(leaf), true
		}
	}
	return dropped
}

// Redact replaces the values of the keys whose paths match one of the patterns, which are those of [glob.Text]. It tells how
// many they are.
func Redact(d *file.Data, patterns []string) int {
	n := 0
	redact := func(r *file.Registry) {
		for path, pair := range r.KV {
			if glob.Text(patterns, path) {
				pair.Value = Redacted
				n++
			}
		}
	}
	redact(&d.Registry)
	for _, r := range d.Datacenters {
		redact(r)
	}
	return n
}
