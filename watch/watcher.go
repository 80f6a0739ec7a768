package watch

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

// A Watcher keeps the answers of a set of queries fresh. It is a store of what is known of them, with a subscription for each query
// that is watched. What a source reports is stored if trust lets it be believed and as guards rule, and changes are told to one reader.
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
	// Fallback answers while the registry never has, since this Watcher was made: what a cache file says, or the [Watcher.Known]
	// of an earlier one. What the registry says first is doubted and guarded by it, and takes its place. The first Sync takes it over,
	// and sets it to nil. It may be nil.
	Fallback map[Query]Known

	log     *slog.Logger
	changed chan struct{}

	mu       sync.Mutex // of all that follows, but for the WaitGroup of feeds
	feeds    feeds
	entries  map[Query]*entry
	dirty    Set
	outage   outage
	fallback fallback
	timer    timer
}

// New makes a Watcher that asks source, and logs to log.
func New(source Source, log *slog.Logger) *Watcher {
	return &Watcher{
		Retry: DefaultRetry, log: log, changed: make(chan struct{}, 1),
		feeds: feeds{source: source, running: map[Source]chan Change{}}, entries: map[Query]*entry{}, dirty: Set{},
		outage: outage{warned: map[string]bool{}},
	}
}

// Sync starts and stops watching so that exactly the queries in want are watched. What it starts ends with ctx, or when
// a later Sync no longer wants it; answers of what is dropped are forgotten. Every call gets the same context.
func (w *Watcher) Sync(ctx context.Context, want Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takeFallback()
	var c Change
	for q, e := range w.entries {
		if e.sub != nil && !want.Has(q) {
			c.Drop = append(c.Drop, e.sub)
			w.drop(q, e)
		}
	}
	for q := range want {
		e := w.entries[q]
		if e == nil {
			e = &entry{}
			w.entries[q] = e
		}
		if e.sub == nil {
			e.sub = &Subscription{q, w}
			c.Add = append(c.Add, e.sub)
		}
	}
	w.review() // a service may stay in a list of names on account of what was dropped
	w.heard()
	w.feeds.tell(ctx, c)
}

// drop ends watching a query. What an earlier run knew of it is kept if the registry has not answered. It runs under the lock.
func (w *Watcher) drop(q Query, e *entry) {
	delete(w.dirty, q)
	if e.attempts.failures > 0 {
		w.outage.recovered()
	}
	if e.origin == remembered || e.origin == standIn {
		w.entries[q] = &entry{Known: e.Known, origin: remembered}
	} else {
		delete(w.entries, q)
	}
}

// Wait returns when every goroutine of the Watcher has ended, which they do once the contexts given to Sync have.
func (w *Watcher) Wait() {
	w.feeds.ended.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.stop()
}

// Get answers from what is known now. It is a [Lookup].
func (w *Watcher) Get(q Query) (answer any, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.entries[q].view()
	return v.answer, v.known
}

// Read answers from what was known at the last Take, so that all that is read until the next one is of one moment, and a query that
// Take returns has an answer then that nobody has read. It also tells whether the answer is stale: not what the registry says
// now, but from the fallback, or what readers are given while a guard withholds something.
func (w *Watcher) Read(q Query) (answer any, ok, stale bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.entries[q].view()
	if w.dirty.Has(q) {
		v = w.entries[q].seen
	}
	return v.answer, v.known, v.stale
}

// Err tells why q's answer is missing or not the newest: the last attempt's error, or that a newer answer was not
// believed. It is nil when all is well, and while the first attempt is under way.
func (w *Watcher) Err(q Query) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.entries[q]; e != nil {
		return e.attempts.err
	}
	return nil
}

// GaveUp reports a watched query whose attempts are used up, with its last error, or nil where there is none.
func (w *Watcher) GaveUp() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := ""
	var err error
	for q, e := range w.entries {
		if !e.gaveUp() {
			continue
		}
		if name := q.String(); err == nil || name < first {
			first, err = name, e.attempts.err
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", first, err)
}

// Failing tells whether the last attempt of any watched query failed.
func (w *Watcher) Failing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outage.failing > 0
}

// Stale counts the watched queries whose answer is stale: see [Watcher.Read].
func (w *Watcher) Stale() int { return w.count((*entry).stale) }

// Withheld is how many answers guards withhold now. It may be called from anywhere.
func (w *Watcher) Withheld() int {
	return w.count(func(e *entry) bool { return e.withheld != nil })
}

func (w *Watcher) count(counts func(*entry) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if counts(e) {
			n++
		}
	}
	return n
}

// Known is everything that is known, but for failures, for the Fallback of a Watcher that takes this one's place. Part of it is
// what this one's Fallback knows of queries that the registry has not answered yet, or that nobody has come to ask for. It may be
// called from anywhere, also after Wait.
func (w *Watcher) Known() map[Query]Known {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takeFallback()
	all := maps.Collect(w.known)
	maps.DeleteFunc(all, func(_ Query, known Known) bool { _, failure := known.Answer.(Failure); return failure })
	return all
}

// known goes through what is known of every query, watched or not. It runs under the lock.
func (w *Watcher) known(yield func(Query, Known) bool) {
	for q, e := range w.entries {
		if e.origin != nowhere && !yield(q, e.Known) {
			return
		}
	}
}

// Prune is called when everything has been asked for that there is to ask for, and answered. What the fallback knows beside
// that is forgotten, and patterns of guards that fit nothing may be mistakes, which are logged. It tells whether an
// answer has changed, one that was withheld for what nobody asks for.
func (w *Watcher) Prune() (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.entries, func(_ Query, e *entry) bool { return e.sub == nil })
	watched := Set{}
	for q := range w.entries {
		watched.Add(q)
	}
	for _, g := range w.Guards {
		if unused := g.unused(watched, w.Closest); len(unused) > 0 {
			w.log.Warn("GUARD: nothing that is read so far is what these patterns are for", "guard", g.Where, "patterns", strings.Join(unused, ", "))
		}
	}
	return w.review()
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
