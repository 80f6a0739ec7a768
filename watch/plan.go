package watch

import (
	"context"
	"maps"
	"time"
)

// A Planner is a source that serves many queries with few requests, when it is told of all of them at once. The
// [Watcher] then calls Follow once, and Watch not at all.
type Planner interface {
	Source

	// Follow keeps the queries answered that the changes it received add up to, and returns when ctx has ended and
	// everything that it started has too. It calls report as [Source.Watch] does, and failed when an attempt to answer
	// a query fails: that query is tried again after the pause that failed returns. Both may be called from any
	// goroutine, do not block, and have no effect for a query that is not wanted any more.
	Follow(ctx context.Context, changes <-chan Change, report func(Query, Answer) (believed bool), failed func(Query, error) (pause time.Duration))
}

// A Change says what is wanted from now on. Drop comes first: a query that is in both was dropped and is wanted again,
// and must be reported again.
type Change struct{ Drop, Add Set }

// then is c followed by next.
func (c Change) then(next Change) Change {
	both := Change{Drop: maps.Clone(c.Drop), Add: Set{}}
	both.Drop.AddAll(next.Drop)
	for q := range c.Add {
		if !next.Drop.Has(q) {
			both.Add.Add(q)
		}
	}
	both.Add.AddAll(next.Add)
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
		w.wg.Go(func() { p.Follow(ctx, changes, w.planned, w.planFailed) })
	}
	select {
	case waiting := <-changes: // the planner has not come to see this one yet
		c = waiting.then(c)
	default:
	}
	changes <- c // there is room: nobody else sends
}

// planned takes in a planner's answer.
func (w *Watcher) planned(q Query, a Answer) bool {
	if e := w.entry(q); e != nil {
		return w.report(q, e, a)
	}
	return true
}

// planFailed takes in a planner's failure to answer q.
func (w *Watcher) planFailed(q Query, err error) time.Duration {
	e := w.entry(q)
	if e == nil {
		return w.Retry.pause(1)
	}
	return w.fail(q, e, err)
}

func (w *Watcher) entry(q Query) *entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries[q]
}
