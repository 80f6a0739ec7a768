package watch

import (
	"context"
	"maps"
)

// A Planner is a source that serves many queries with few requests, when it is told of all of them at once. The
// [Watcher] then calls Follow once, and Watch not at all.
type Planner interface {
	Source

	// Follow keeps the queries answered that the changes it received add up to, and returns when ctx has ended and
	// everything that it started has too. What it finds out about a query goes to the query's [Seat].
	Follow(ctx context.Context, changes <-chan Change)
}

// A Change says what is wanted from now on. Drop comes first: a query that is in both was dropped and is wanted again,
// and must be reported again, to its new seat.
type Change struct {
	Drop Set
	Add  map[Query]*Seat
}

// A Seat is where answers to a wanted query go, from whoever is to find them. Its methods may be called from any goroutine
// and do not block. They have no effect once the query was dropped or has moved, so that what is late, and may be older
// than what is known by then, changes nothing.
type Seat struct {
	Query   Query
	watcher *Watcher
	entry   *entry
}

// Move makes a new seat for the query, which takes this one's place.
func (s *Seat) Move() *Seat {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	next := &Seat{s.Query, s.watcher, s.entry}
	if s.taken() {
		s.entry.seat = next
	}
	return next
}

// taken tells whether anybody still listens. It runs under the lock.
func (s *Seat) taken() bool { return s.watcher.entries[s.Query] == s.entry && s.entry.seat == s }

// then is c followed by next.
func (c Change) then(next Change) Change {
	both := Change{Drop: maps.Clone(c.Drop), Add: map[Query]*Seat{}}
	both.Drop.AddAll(next.Drop)
	for q, seat := range c.Add {
		if !next.Drop.Has(q) {
			both.Add[q] = seat
		}
	}
	maps.Copy(both.Add, next.Add)
	return both
}

// A Route is a source that leaves each query to the source that the function picks for it, always the same one. The
// Watcher looks through it, so that a source behind it may still be a [Planner].
type Route func(Query) Source

var _ Source = (Route)(nil)

// Watch is the [Source]'s.
func (r Route) Watch(ctx context.Context, q Query, report Report) error {
	return r(q).Watch(ctx, q, report)
}

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

// tell sends a change to a planner, and starts it where this is its first. It runs under the lock.
func (w *Watcher) tell(ctx context.Context, p Planner, c Change) {
	changes := w.planners[p]
	if changes == nil {
		changes = make(chan Change, 1)
		w.planners[p] = changes
		w.wg.Go(func() { p.Follow(ctx, changes) })
	}
	select {
	case waiting := <-changes: // the planner has not come to see this one yet
		c = waiting.then(c)
	default:
	}
	changes <- c // there is room: nobody else sends
}
