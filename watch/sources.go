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

// Resolve is q as it is to be asked: where it names the default source it is the same query as one that names none. A name that no source
// has is an error that tells the names there are.
func (n SourceNames) Resolve(q Query) (Query, error) {
	name := SourceOf(q)
	switch {
	case name == "" || len(n) == 0:
		return q, nil
	case name == n[0]:
		same := reflect.New(reflect.TypeOf(q)).Elem()
		same.Set(reflect.ValueOf(q))
		same.FieldByName("Source").SetString("")
		return same.Interface().(Query), nil
	}
	return q, n.Check(name)
}

// Check is an error where no source has a name.
func (n SourceNames) Check(name string) error {
	if slices.Contains(n, name) {
		return nil
	}
	return fmt.Errorf("there is no source %q, only %s", name, strings.Join(slices.Sorted(slices.Values(n)), ", "))
}
