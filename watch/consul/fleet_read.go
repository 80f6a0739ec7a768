package consul

import (
	"container/heap"
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"lictor/watch"
)

// mark says that a service may have changed. Services that are no members are ignored.
func (f *fleet) mark(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.markLocked(name)
}

func (f *fleet) markLocked(name string) {
	w := f.members[name]
	switch {
	case w == nil || w.queued:
	case w.reading:
		w.again = true
	default:
		w.queued = true
		if time.Until(w.due) > 0 {
			heap.Push(&f.later, attempt{name, w.due})
		} else {
			f.queue = append(f.queue, name)
			if f.crowded() && !f.loading {
				signal(f.joined)
			}
		}
		signal(f.woken) // one reader; those that have something to read look for more by themselves
	}
}

// markOwner marks the service that a changed element belongs to, or all services of its node.
func (f *fleet) markOwner(o owner) {
	if o.service != "" {
		f.mark(o.service)
		return
	}
	f.markNode(o.node, f.host(o.node))
}

// markNode marks all services of a node: those with an answer that has an instance there, and those of which a filter may have
// hidden one that the host had when it was last looked at.
func (f *fleet) markNode(node string, h *host) {
	there := h.names()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loading {
		f.late = append(f.late, node)
	}
	for name, w := range f.members {
		if w.reading || there[name] || w.on(node) { // what is read now may turn out to be on the node
			f.markLocked(name)
		}
	}
}

// names are the services that a node had when it was last looked at.
func (h *host) names() map[string]bool {
	names := map[string]bool{}
	if h == nil {
		return names
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.services {
		names[o.service] = true
	}
	return names
}

// serve reads services that were marked, until ctx ends.
func (f *fleet) serve(ctx context.Context) {
	for ctx.Err() == nil {
		if f.still.Acquire(ctx, 1) != nil {
			return
		}
		name, w, wait := f.next()
		if w == nil {
			f.still.Release(1)
			select {
			case <-f.woken:
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		f.mu.Lock()
		looks := f.looks
		f.mu.Unlock()
		changed, pause := f.readService(ctx, name, w)
		f.still.Release(1)
		f.mu.Lock()
		w.reading = false
		again := w.again || changed && looks != f.looks // which did not see this answer
		w.again = false
		if pause > 0 {
			w.due, again = time.Now().Add(pause), true
		} else {
			w.due = time.Time{}
		}
		if again && f.members[name] == w {
			f.markLocked(name)
		}
		f.mu.Unlock()
	}
}

// next takes a service out of the queue, or tells how long to wait for one.
func (f *fleet) next() (name string, w *wanted, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.later) > 0 && time.Until(f.later[0].due) <= 0 {
		f.queue = append(f.queue, heap.Pop(&f.later).(attempt).name)
	}
	for len(f.queue) > 0 {
		name, f.queue = f.queue[0], f.queue[1:]
		if w := f.members[name]; w != nil && w.queued { // else it has left meanwhile
			w.queued, w.reading = false, true
			return name, w, 0
		}
	}
	if len(f.later) > 0 {
		return "", nil, time.Until(f.later[0].due)
	}
	return "", nil, time.Minute
}

// An attempt is a service to be read that failed before, and when.
type attempt struct {
	name string
	due  time.Time
}

// Attempts are a heap, those first that are due first.
type attempts []attempt

func (a attempts) Len() int           { return len(a) }
func (a attempts) Less(i, j int) bool { return a[i].due.Before(a[j].due) }
func (a attempts) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *attempts) Push(x any)        { *a = append(*a, x.(attempt)) }
func (a *attempts) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// readService reads the answers to all queries on a service. It tells whether any is another than before, and when to try again
// what failed.
func (f *fleet) readService(ctx context.Context, name string, w *wanted) (changed bool, pause time.Duration) {
	f.mu.Lock()
	queries := w.queries // never changed in place
	f.mu.Unlock()
	for _, a := range queries {
		other, hot, err := f.readQuery(ctx, a)
		if ctx.Err() != nil {
			return changed, 0
		}
		changed = changed || other
		if err != nil {
			pause = max(pause, a.Failed(err), time.Millisecond)
		} else if hot {
			select {
			case f.heated <- name:
			default:
			}
		}
	}
	return changed, pause
}

// readQuery reads the answer to a query. It tells whether its text is another than before, and whether what it says is.
func (f *fleet) readQuery(ctx context.Context, a *asked) (changed, hot bool, err error) {
	e, err := f.p.endpoint(ctx, a.Query)
	if err != nil {
		return false, false, err
	}
	f.mu.Lock()
	before, known, content, text := a.answer, a.known, a.content, a.text
	f.mu.Unlock()
	answer, content, same, err := f.p.compare(ctx, e, consistent, f.digests, content, text && known)
	if err != nil {
		f.forget(a, false)
		return false, false, err
	}
	if same {
		return false, false, nil
	}
	if believed, err := f.tell(ctx, a, answer, content, true); !believed { // what stands is what the lists were compared with before
		return false, false, err
	}
	f.noteNew(a)
	return true, known && !reflect.DeepEqual(before, answer.Value), nil
}

// tell reports an answer, made of a text with the digest content where that is one text, and keeps what is believed.
func (f *fleet) tell(ctx context.Context, a *asked, r result, content digest, text bool) (believed bool, err error) {
	stands, believed, err := f.p.offer(ctx, a.Seat, r)
	if err != nil || !believed {
		f.forget(a, err == nil)
		return false, err
	}
	f.note(a, stands.Value, content, text && reflect.DeepEqual(stands.Value, r.Value))
	return true, nil
}

// forget has the next answer reported, even if it is the same as the last. An answer that was refused was read all the same.
func (f *fleet) forget(a *asked, refused bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.text, a.refused = false, a.refused || refused
}

// note keeps what is believed about a query.
func (f *fleet) note(a *asked, answer any, content digest, text bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.answer, a.known, a.refused, a.content, a.text = answer, true, false, content, text
	nodes := map[string]struct{}{}
	switch list := answer.(type) {
	case []*watch.ServiceInstance:
		for _, i := range list {
			nodes[fold(i.Node)] = struct{}{}
		}
	case []*watch.CatalogInstance:
		for _, i := range list {
			nodes[fold(i.Node)] = struct{}{}
		}
	}
	a.nodes = slices.Collect(maps.Keys(nodes))
}

// retell reports all answers again, after failures that all members were told of, and reads again what was refused.
func (f *fleet) retell(ctx context.Context) {
	if f.still.Acquire(ctx, fleetReaders) != nil {
		return
	}
	defer f.still.Release(fleetReaders)
	f.mu.Lock()
	var all []asked
	for _, a := range f.later {
		f.queue = append(f.queue, a.name)
	}
	f.later = nil
	for name, w := range f.members {
		w.due = time.Time{} // what failed may be tried again at once
		for _, a := range w.queries {
			switch {
			case a.refused:
				f.markLocked(name)
			case a.known:
				all = append(all, *a)
			}
		}
	}
	for range fleetReaders {
		signal(f.woken)
	}
	f.mu.Unlock()
	for _, a := range all {
		// It was believed, though a guard may hold it back.
		a.Report(watch.Answer{Value: a.answer, Evidence: watch.Evidence{Unmarked: true, Consistent: true}})
	}
}
