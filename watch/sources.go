package watch

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// SourceOf is the name of the source that q asks, "" for the default one.
func SourceOf(q Query) string {
	if scoped, ok := q.(interface{ scope() Scope }); ok {
		return scoped.scope().Source
	}
	return ""
}

// SourceNames are the names that a query may give as its source, the default one first. Without any, all names are taken.
type SourceNames []string

// Name is the name by which a query asks a source: "" where that is the default one. A name that no source has is an error that tells
// the names there are.
func (n SourceNames) Name(name string) (string, error) {
	switch {
	case name == "" || len(n) == 0:
		return name, nil
	case name == n[0]:
		return "", nil
	case slices.Contains(n, name):
		return name, nil
	}
	return name, fmt.Errorf("there is no source %q, only %s", name, strings.Join(slices.Sorted(slices.Values(n)), ", "))
}

// Resolve is q as it is to be asked: where it names the default source it is the same query as one that names none. It fails as Name does.
func (n SourceNames) Resolve(q Query) (Query, error) {
	given := SourceOf(q)
	name, err := n.Name(given)
	if err != nil || name == given {
		return q, err
	}
	same := reflect.New(reflect.TypeOf(q)).Elem()
	same.Set(reflect.ValueOf(q))
	same.FieldByName("Source").SetString(name)
	return same.Interface().(Query), nil
}
