package watch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// A Watcher keeps the answers of a set of queries fresh. It owns one goroutine for each source.
//
// One goroutine, the runner's, calls Sync, Take and Wait; the other methods may be called from anywhere. The zero
// Watcher is not usable: see [New].
type Watcher struct {
	// Retry says how a query that failed is tried again. Set it before the first Sync.
	Retry Retry
	// MaxAge is how old a stale read may be before it is read again through the leader; 0 means any age.
	MaxAge time.Duration
	// Guards hold back answers that shrink too much; of several that are for a query each counts.
	Guards []Guard
	// Closest finds the name that a pattern of a guard which fits nothing is most likely meant as, or "". It may be nil.
	Closest func(word string, names []string) string
	// Fallback answers while the registry never has, since this Watcher was made: what [ReadAnswers] read, or the [Watcher.Known]
	// of an earlier one. What the registry says first is doubted and guarded by it, and takes its place: the map is the Watcher's
	// from the first Sync on. It may be nil.
	Fallback map[Query]Known

	source Source
	log    *slog.Logger

	changed chan struct{}
	wg      sync.WaitGroup

	mu       sync.Mutex
	entries  map[Query]*entry
	sources  map[Source]chan Change // those that run
	dirty    Set
	failing  map[*entry]struct{} // entries whose last attempt failed
	warned   map[string]struct{} // error texts already logged at warn since everything last worked
	timer    *time.Timer         // until the fallback answers for a registry that says nothing
	fellBack bool                // it was logged that the fallback answers
}

// An entry is what is known of one watched query. A running query holds its own entry, so an answer that arrives after
// its query was dropped (or dropped and wanted again) lands in an orphan that nobody reads.
type entry struct {
	sub      *Subscription
	answer   any
	known    bool
	seen     view      // at the last Take that told of a change
	whole    bool      // access rules are known to have hidden nothing of answer, or of the last one that said so
	err      error     // why the last attempt failed, or why the last answer was not believed; nil when all is well
	failures int       // in a row
	shaken   int       // failures in a row that each came soon after an answer
	begun    time.Time // when the last pause was over
	spent    bool      // all attempts are used up
	stale    bool      // answer is from the fallback
	held     *held     // what a guard holds back, nil for nothing
	past     Past      // what guards remember
}

// New makes a Watcher that asks source, and logs to log.
func New(source Source, log *slog.Logger) *Watcher {
	return &Watcher{
		Retry: DefaultRetry, source: source, log: log,
		changed: make(chan struct{}, 1),
		entries: map[Query]*entry{}, sources: map[Source]chan Change{}, dirty: Set{},
		failing: map[*entry]struct{}{}, warned: map[string]struct{}{},
	}
}

// Sync starts and stops watching so that exactly the queries in want are watched. What it starts ends with ctx, or when
// a later Sync no longer wants it; answers of what is dropped are forgotten. Every call gets the same context.
func (w *Watcher) Sync(ctx context.Context, want Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changes := map[Source]*Change{}
	of := func(q Query) *Change {
		source := pick(w.source, q)
		if changes[source] == nil {
			changes[source] = &Change{}
		}
		return changes[source]
	}
	for q, e := range w.entries {
		if want.Has(q) {
			continue
		}
		delete(w.entries, q)
		delete(w.dirty, q)
		delete(w.failing, e)
		e.drop()
		c := of(q)
		c.Drop = append(c.Drop, e.sub)
	}
	for q := range want {
		if _, ok := w.entries[q]; ok {
			continue
		}
		last := w.Fallback[q]
		e := &entry{whole: last.Whole, past: last.asOf(time.Now())}
		e.sub = &Subscription{q, w}
		w.entries[q] = e
		c := of(q)
		c.Add = append(c.Add, e.sub)
	}
	w.reviewLists() // a service may stay in one on account of what was dropped
	if len(w.failing) == 0 {
		clear(w.warned)
	}
	if w.Fallback != nil {
		w.expectAnswers()
	}
	for source, c := range changes {
		w.tell(ctx, source, *c)
	}
}

// Wait returns when every goroutine of the Watcher has ended, which they do once the contexts given to Sync have.
func (w *Watcher) Wait() {
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	for _, e := range w.entries {
		e.drop()
	}
}

// A view is what there is to read of a query.
type view struct {
	answer       any
	known, stale bool
}

func (e *entry) view() view { return view{e.answer, e.known, e.stale || e.held != nil} }

// Get answers from what is known now. It is a [Lookup].
func (w *Watcher) Get(q Query) (answer any, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, found := w.entries[q]; found && e.known {
		return e.answer, true
	}
	return nil, false
}

// Read answers from what was known at the last Take, so that all that is read until the next one is of one moment, and a query that
// Take returns has an answer then that nobody has read. It also tells whether the answer is stale: not what the registry says
// now, but from the fallback, or what stands while a guard holds something back.
func (w *Watcher) Read(q Query) (answer any, ok, stale bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, found := w.entries[q]
	if !found {
		return nil, false, false
	}
	v := e.seen
	if !w.dirty.Has(q) {
		v = e.view()
	}
	if !v.known {
		return nil, false, false
	}
	return v.answer, true, v.stale
}

// Err tells why q's answer is missing or not the newest: the last attempt's error, or that a newer answer was not
// believed. It is nil when all is well, and while the first attempt is under way.
func (w *Watcher) Err(q Query) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.entries[q]; ok {
		return e.err
	}
	return nil
}

// GaveUp reports a watched query whose attempts are used up, with its last error, or nil where there is none.
func (w *Watcher) GaveUp() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	spent := Set{}
	for q, e := range w.entries {
		if e.spent {
			spent.Add(q)
		}
	}
	if len(spent) == 0 {
		return nil
	}
	q := spent.Sorted()[0]
	return fmt.Errorf("%s: %w", q, w.entries[q].err)
}

// Failing tells whether the last attempt of any watched query failed.
func (w *Watcher) Failing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.failing) > 0
}

// Changed delivers a wake-up when an answer changed, or queries fail or no longer do, since the last Take. A burst of changes
// is one wake-up.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Take returns the queries whose answers changed since the last Take. From then on Read gives these.
func (w *Watcher) Take() Set {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.dirty
	w.dirty = Set{}
	for q := range taken {
		e := w.entries[q]
		e.seen = e.view()
	}
	return taken
}

func (w *Watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// mark tells the reader that something about q has changed. It runs under the lock.
func (w *Watcher) mark(q Query) {
	w.dirty.Add(q)
	w.wake()
}
