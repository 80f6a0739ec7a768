package file

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"lictor/watch"
)

// Source answers registry queries from data files, and follows them live. While a file is broken, the last good data
// stands, and each watched query fails once with what is wrong.
type Source struct {
	// Assignments are done over what the files say: see [Data.Set]. Set them before the first Follow.
	Assignments []string

	paths  []string
	files  follower
	reload shared

	mu    sync.Mutex
	state *state
}

var _ watch.Source = (*Source)(nil)

// New makes a Source of data files, each layered over those before it: see [Load].
func New(files ...string) *Source {
	return &Source{paths: files, state: &state{told: watch.Set{}, next: make(chan struct{})}}
}

// A state is what the files were at one time.
type state struct {
	sum  string        // of the files' contents
	good *snapshot     // the last good data, nil before there was any
	err  error         // what is wrong with the files now
	told watch.Set     // the queries that were told of err and are still wanted; guarded by Source.mu
	next chan struct{} // closed when there is a newer state
}

// Follow is the [watch.Source]'s.
func (s *Source) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(s.watch).Follow(ctx, changes)
}

// watch reports what the data says, and then each change. What the data does not have is a [watch.Failure], since an edit of
// the file fixes it at once.
func (s *Source) watch(ctx context.Context, q watch.Query, report watch.Report) error {
	defer s.reload.join(ctx, s.follow)()
	for {
		now, told := s.current(q)
		if now.good != nil && !told {
			if err := answer(now.good, q, report); err != nil {
				return err
			}
		}
		if now.err != nil && !told {
			return watch.Permanent(now.err)
		}
		// Where q was told already, this is the Watcher's next attempt. To fail again would only make it pause longer, and
		// to report the last good data would say that all is well: wait for the files to change.
		select {
		case <-ctx.Done():
			s.forget(q)
			return ctx.Err()
		case <-now.next:
		}
	}
}

func answer(s *snapshot, q watch.Query, report watch.Report) error {
	value, err := s.answer(q)
	if watch.IsPermanent(err) {
		return err
	}
	if err != nil {
		value = watch.Failure{Err: failure(err.Error())}
	}
	report(watch.Answer{Value: value})
	return nil
}

// current returns the state, and whether q was told already what is wrong with it.
func (s *Source) current(q watch.Query) (now *state, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told = s.state.told.Has(q)
	if s.state.err != nil {
		s.state.told.Add(q)
	}
	return s.state, told
}

// forget makes the next call for q one that starts from nothing.
func (s *Source) forget(q watch.Query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.state.told, q)
}

// follow keeps the state fresh until ctx ends.
func (s *Source) follow(ctx context.Context, ready func()) {
	s.files.follow(ctx, s.paths, func() {
		s.look()
		ready()
	})
}

// look reads the files, and makes a new state when they have changed.
func (s *Source) look() {
	texts, err := readAll(s.paths)
	sum := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(sum, "%d:%s", len(t), t)
	}
	fmt.Fprint(sum, err)
	s.mu.Lock()
	old := s.state
	s.mu.Unlock()
	if old.sum == string(sum.Sum(nil)) {
		return
	}
	fresh := &state{sum: string(sum.Sum(nil)), good: old.good, err: err, told: watch.Set{}, next: make(chan struct{})}
	if err == nil {
		var good *snapshot
		if good, fresh.err = layer(s.Assignments, s.paths, texts); fresh.err == nil {
			fresh.good = good
		}
	}
	s.mu.Lock()
	s.state = fresh
	s.mu.Unlock()
	close(old.next)
}

// NewFixed makes a source of data that never changes. Its error names all that does not fit together in it, such as an instance
// without an address. The data must not be changed afterwards.
func NewFixed(d *Data) (watch.Source, error) {
	s, err := newSnapshot(d)
	if err != nil {
		return nil, err
	}
	return watch.PerQuery(func(ctx context.Context, q watch.Query, report watch.Report) error {
		if err := answer(s, q, report); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}), nil
}
