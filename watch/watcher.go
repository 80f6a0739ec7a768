package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"
)

// A Watcher keeps the answers of a set of queries fresh. It owns one goroutine for each watched query.
//
// One goroutine, the runner's, calls Sync, Take and Wait; the other methods may be called from anywhere. The zero
// Watcher is not usable: see [New].
type Watcher struct {
	// Retry says how a query that failed is tried again. Set it before the first Sync.
	Retry Retry
	// MaxAge is how old a stale read may be before it is read again through the leader; 0 means any age.
	MaxAge time.Duration

	source Source
	log    *slog.Logger

	changed chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	entries map[Query]*entry
	dirty   Set
	failing map[*entry]struct{} // entries whose last attempt failed
	warned  map[string]struct{} // error texts already logged at warn since everything last worked
}

// An entry is what is known of one watched query. A running query holds its own entry, so an answer that arrives after
// its query was dropped (or dropped and wanted again) lands in an orphan that nobody reads.
type entry struct {
	cancel context.CancelFunc
	answer any
	known  bool
	err    error // why the last attempt failed, or why the last answer was not believed; nil when all is well
	spent  bool  // all attempts are used up
}

// Retry is a policy for trying again what failed: after Backoff, then twice that and so on up to MaxBackoff, each pause
// shortened by a random part of up to a half, so that many clients of one registry don't come back all at once.
type Retry struct {
	// Attempts is how many times a query is tried again after failures in a row before [Watcher.GaveUp] reports it;
	// 0 means for ever, below 0 not at all.
	Attempts   int
	Backoff    time.Duration
	MaxBackoff time.Duration // 0 means no limit
}

// DefaultRetry is the policy of a daemon: it never gives up, and asks at least every 30 seconds.
var DefaultRetry = Retry{Backoff: 250 * time.Millisecond, MaxBackoff: 30 * time.Second}

// pause is how long to wait after the given number of failures in a row (1 or more).
func (r Retry) pause(failures int) time.Duration {
	d := r.Backoff
	for range failures - 1 {
		d *= 2
		if r.MaxBackoff > 0 && d >= r.MaxBackoff {
			break
		}
		if d > time.Hour {
			d = time.Hour
			break
		}
	}
	if r.MaxBackoff > 0 {
		d = min(d, r.MaxBackoff)
	}
	if d <= 1 {
		return d
	}
	return d - rand.N(d/2+1)
}

// New makes a Watcher that asks source, and logs to log.
func New(source Source, log *slog.Logger) *Watcher {
	return &Watcher{
		Retry: DefaultRetry, source: source, log: log,
		changed: make(chan struct{}, 1),
		entries: map[Query]*entry{}, dirty: Set{},
		failing: map[*entry]struct{}{}, warned: map[string]struct{}{},
	}
}

// Sync starts and stops watching so that exactly the queries in want are watched. What it starts ends with ctx, or when
// a later Sync no longer wants it; answers of what is dropped are forgotten.
func (w *Watcher) Sync(ctx context.Context, want Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for q, e := range w.entries {
		if !want.Has(q) {
			e.cancel()
			delete(w.entries, q)
			delete(w.dirty, q)
			delete(w.failing, e)
		}
	}
	for q := range want {
		if _, ok := w.entries[q]; ok {
			continue
		}
		qctx, cancel := context.WithCancel(ctx)
		e := &entry{cancel: cancel}
		w.entries[q] = e
		w.wg.Go(func() { w.watch(qctx, q, e) })
	}
}

// Wait returns when every goroutine of the Watcher has ended, which they do once the contexts given to Sync have.
func (w *Watcher) Wait() { w.wg.Wait() }

// Get answers from what is known. It is a [Lookup].
func (w *Watcher) Get(q Query) (answer any, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, found := w.entries[q]; found && e.known {
		return e.answer, true
	}
	return nil, false
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

// Changed delivers a wake-up when an answer changed, or a query failed for good, since the last Take. A burst of changes
// is one wake-up.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Take returns the queries whose answers changed since the last Take.
func (w *Watcher) Take() Set {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.dirty
	w.dirty = Set{}
	return taken
}

func (w *Watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// watch keeps one query going until ctx ends.
func (w *Watcher) watch(ctx context.Context, q Query, e *entry) {
	failures := 0
	for {
		err := w.source.Watch(ctx, q, func(a Answer) bool {
			failures = 0
			return w.report(q, e, a)
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the source stopped without a reason")
		}
		failures++
		pause := w.Retry.pause(failures)
		w.fail(q, e, err, failures, pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// report takes an answer in, if it may be believed.
func (w *Watcher) report(q Query, e *entry, a Answer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.entries[q] != e {
		return true // dropped meanwhile: nobody reads it
	}
	if why := doubt(e.answer, e.known, a, w.MaxAge); why != "" {
		if a.Consistent && (e.err == nil || e.err.Error() != why) {
			e.err = errors.New(why)
			w.log.Warn("answer not believed, the last good one stands", "query", q.String(), "why", why)
		}
		return false
	}
	e.err, e.spent = nil, false
	w.recovered(e)
	if e.known && reflect.DeepEqual(e.answer, a.Value) {
		return true
	}
	e.answer, e.known = a.Value, true
	w.dirty.Add(q)
	w.log.Debug("answer", "query", q.String())
	w.wake()
	return true
}

// fail records that an attempt failed. The same error text is logged once as a warning until everything works again, since
// when a registry goes away all queries fail for the one reason.
func (w *Watcher) fail(q Query, e *entry, err error, failures int, pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.entries[q] != e {
		return
	}
	e.err = err
	w.failing[e] = struct{}{}
	if !e.spent && (w.Retry.Attempts < 0 || w.Retry.Attempts > 0 && failures > w.Retry.Attempts) {
		e.spent = true
	}
	level := slog.LevelDebug
	text := err.Error()
	if _, seen := w.warned[text]; !seen && len(w.warned) < 20 {
		w.warned[text] = struct{}{}
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, "query failed, will retry", "query", q.String(), "error", err, "pause", pause.Round(time.Millisecond))
	w.wake()
}

func (w *Watcher) recovered(e *entry) {
	if _, was := w.failing[e]; !was {
		return
	}
	delete(w.failing, e)
	if len(w.failing) == 0 {
		clear(w.warned)
		w.log.Warn("all queries answer again")
	}
}
