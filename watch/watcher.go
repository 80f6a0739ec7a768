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
	// Guards withhold answers that shrink too much; of several that are for a query each counts.
	Guards []Guard
	// Closest finds the name that a pattern of a guard which fits nothing is most likely meant as, or "". It may be nil.
	Closest func(word string, names []string) string
	// Fallback answers while the registry never has. It is the Watcher's from the first Sync on. It may be nil.
	Fallback Fallback

	source Source
	log    *slog.Logger

	changed chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex // guards Fallback and all below
	entries map[Query]*entry
	sources map[Source]chan Change // those that run
	dirty   Set
	failing failing
	silence silence
}

// An entry is what is known of one watched query. A running query holds its own entry, so an answer that arrives after
// its query was dropped (or dropped and wanted again) lands in an orphan that nobody reads.
type entry struct {
	sub    *Subscription
	answer any
	known  bool
	stale  bool // answer is from the fallback
	seen   view // at the last Take that told of a change
	trust
	attempts
	guardState
	timer *time.Timer // until what guards withhold is reviewed; nil for never
}

func (e *entry) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// New makes a Watcher that asks source, and logs to log.
func New(source Source, log *slog.Logger) *Watcher {
	return &Watcher{
		Retry: DefaultRetry, source: source, log: log,
		changed: make(chan struct{}, 1),
		entries: map[Query]*entry{}, sources: map[Source]chan Change{}, dirty: Set{},
		failing: failing{map[*entry]bool{}, map[string]bool{}},
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
		w.failing.remove(e)
		e.stopTimer()
		c := of(q)
		c.Drop = append(c.Drop, e.sub)
	}
	for q := range want {
		if _, ok := w.entries[q]; ok {
			continue
		}
		last := w.Fallback[q]
		e := &entry{trust: trust{last.Whole}, guardState: guardState{History: last.asOf(time.Now())}}
		e.sub = &Subscription{q, w}
		w.entries[q] = e
		c := of(q)
		c.Add = append(c.Add, e.sub)
	}
	w.reviewLists() // a service may stay in one on account of what was dropped
	w.expectAnswers()
	for source, c := range changes {
		w.tell(ctx, source, *c)
	}
}

// Wait returns when every goroutine of the Watcher has ended, which they do once the contexts given to Sync have.
func (w *Watcher) Wait() {
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silence.end()
	for _, e := range w.entries {
		e.stopTimer()
	}
}

// A view is what there is to read of a query.
type view struct {
	answer       any
	known, stale bool
}

func (e *entry) view() view { return view{e.answer, e.known, e.stale || e.withheld != nil} }

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
// now, but from the fallback, or what stands while a guard withholds something.
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
	gaveUp := Set{}
	for q, e := range w.entries {
		if e.gaveUp {
			gaveUp.Add(q)
		}
	}
	if len(gaveUp) == 0 {
		return nil
	}
	q := gaveUp.Sorted()[0]
	return fmt.Errorf("%s: %w", q, w.entries[q].err)
}

// Failing tells whether the last attempt of any watched query failed.
func (w *Watcher) Failing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.failing.entries) > 0
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
