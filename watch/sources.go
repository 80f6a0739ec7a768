package watch

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// ScopeOf is the scope of q, the zero Scope of a query that has none.
func ScopeOf(q Query) Scope {
	if scoped, ok := q.(interface{ scope() Scope }); ok {
		return scoped.scope()
	}
	return Scope{}
}

// SourceOf is the name of the source that q asks, "" for the default one.
func SourceOf(q Query) string { return ScopeOf(q).Source }

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

// A Route is a source that leaves each query to the source that the function picks for it, always the same one. The
// [Watcher] and [Follow] look through it.
type Route func(Query) Source

var _ Source = (Route)(nil)

// Follow is the [Source]'s. It is never called.
func (r Route) Follow(ctx context.Context, _ <-chan Change) { <-ctx.Done() }

// pick finds the source that answers q.
func pick(s Source, q Query) Source {
	for {
		r, ok := s.(Route)
		if !ok {
			return s
		}
		s = r(q)
	}
}

// feeds are the sources that run below one, each in a goroutine of its own. The lock of the [Watcher] guards running.
type feeds struct {
	source  Source
	ended   sync.WaitGroup
	running map[Source]chan Change
}

// tell sends each source what concerns it of a change, and starts those for which it is the first.
func (f *feeds) tell(ctx context.Context, all Change) {
	changes := map[Source]Change{}
	for _, s := range all.Drop {
		source := pick(f.source, s.Query)
		changes[source] = Change{Drop: append(changes[source].Drop, s)}
	}
	for _, s := range all.Add {
		source := pick(f.source, s.Query)
		changes[source] = Change{changes[source].Drop, append(changes[source].Add, s)}
	}
	for source, c := range changes {
		to := f.running[source]
		if to == nil {
			to = make(chan Change, 1)
			f.running[source] = to
			f.ended.Go(func() { source.Follow(ctx, to) })
		}
		select {
		case waiting := <-to: // the source has not come to see this one yet
			c = waiting.then(c)
		default:
		}
		to <- c // there is room: nobody else sends
	}
}
