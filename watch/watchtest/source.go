// Package watchtest holds what the tests of sources and of their users share: a [Source] that says what a test tells it
// to say, and [Contract], the one test that every source must pass.
package watchtest

import (
	"context"
	"fmt"
	"sync"

	"lictor/watch"
)

// A Source answers what the test sets, from memory. It starts no goroutine and works inside a synctest bubble. A query
// that nothing was set for is watched without an answer. The zero Source is ready for use, from any goroutine.
type Source struct {
	mu      sync.Mutex
	scripts map[watch.Query]*script
}

var _ watch.Source = (*Source)(nil)

// A script is what a Source says to one query, now and so far.
type script struct {
	version  int // grows with each Set, Answer and Fail
	answer   *watch.Answer
	err      error
	changed  chan struct{} // closed when version grows
	calls    int           // calls of watch so far
	watching int           // calls of watch now
	refused  int           // reports that were not believed
}

func (s *Source) script(q watch.Query) *script {
	if s.scripts == nil {
		s.scripts = map[watch.Query]*script{}
	}
	sc := s.scripts[q]
	if sc == nil {
		sc = &script{changed: make(chan struct{})}
		s.scripts[q] = sc
	}
	return sc
}

func (s *Source) change(q watch.Query, f func(*script)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := s.script(q)
	f(sc)
	sc.version++
	close(sc.changed)
	sc.changed = make(chan struct{})
}

// Set makes value the answer to q, known for certain. Who watches q now is told; changes that come faster than they are
// taken in may be seen as one.
func (s *Source) Set(q watch.Query, value any) { s.Answer(q, watch.Answer{Value: value}) }

// Answer makes a the answer to q, with its evidence. When that is not believed, it is reported once more with
// Consistent set, as the contract of a source asks for.
func (s *Source) Answer(q watch.Query, a watch.Answer) {
	s.change(q, func(sc *script) { sc.answer, sc.err = &a, nil })
}

// Fail makes q fail with err, now and at each later attempt, until Set or Answer.
func (s *Source) Fail(q watch.Query, err error) {
	s.change(q, func(sc *script) { sc.err = err })
}

// Follow is the [watch.Source]'s.
func (s *Source) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(s.watch).Follow(ctx, changes)
}

// watch follows the script of one query.
func (s *Source) watch(ctx context.Context, q watch.Query, report watch.Report) error {
	s.mu.Lock()
	sc := s.script(q)
	sc.calls++
	sc.watching++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		sc.watching--
	}()
	for seen := 0; ; {
		s.mu.Lock()
		version, answer, err, changed := sc.version, sc.answer, sc.err, sc.changed
		s.mu.Unlock()
		if err != nil {
			return err
		}
		if answer != nil && version != seen && !report(*answer) {
			consistent := *answer
			consistent.Consistent = true
			believed := report(consistent)
			s.mu.Lock()
			sc.refused++
			if !believed {
				sc.refused++
			}
			s.mu.Unlock()
		}
		seen = version
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("watching %s: %w", q, context.Cause(ctx))
		}
	}
}

// Watching is the set of queries that are watched now.
func (s *Source) Watching() watch.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := watch.Set{}
	for q, sc := range s.scripts {
		if sc.watching > 0 {
			set.Add(q)
		}
	}
	return set
}

// Calls is how many times watching q was begun so far.
func (s *Source) Calls(q watch.Query) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.script(q).calls
}

// Refused is how many reports for q were not believed so far.
func (s *Source) Refused(q watch.Query) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.script(q).refused
}
