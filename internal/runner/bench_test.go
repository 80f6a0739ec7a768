package runner

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"text/template"

	"lictor/internal/command"
	"lictor/internal/engine"
	"lictor/watch"
)

// store is a source whose answers the test sets. A query without an answer waits for one.
type store struct {
	mu      sync.Mutex
	answers map[watch.Query]any
	changed map[watch.Query]chan struct{} // who watches the query now is woken by its channel
}

func newStore() *store {
	return &store{answers: map[watch.Query]any{}, changed: map[watch.Query]chan struct{}{}}
}

func (s *store) set(q watch.Query, answer any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[q] = answer
	if c := s.changed[q]; c != nil {
		c <- struct{}{}
	}
}

func (s *store) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(s.watch).Follow(ctx, changes)
}

func (s *store) watch(ctx context.Context, q watch.Query, report watch.Report) error {
	changed := make(chan struct{}, 100)
	s.mu.Lock()
	s.changed[q] = changed
	s.mu.Unlock()
	defer func() { s.mu.Lock(); delete(s.changed, q); s.mu.Unlock() }()
	for {
		s.mu.Lock()
		answer, ok := s.answers[q]
		s.mu.Unlock()
		if err, failed := answer.(error); failed {
			return err
		}
		if ok {
			report(watch.Answer{Value: answer})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (s *store) watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.changed)
}

// disk stands for the destinations: what is written where, and how often.
type disk struct {
	mu     sync.Mutex
	files  map[string]string
	writes map[string]int
	broken error
}

type staged struct {
	d             *disk
	path, content string
}

func (s staged) Path() string { return s.path }
func (s staged) Discard()     {}
func (s staged) Commit() error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if s.d.broken != nil {
		return s.d.broken
	}
	s.d.files[s.path] = s.content
	s.d.writes[s.path]++
	return nil
}

func (d *disk) read(path string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[path]
}

// bench is a runner over a store and a disk.
type bench struct {
	*Runner
	store *store
	disk  *disk
	log   *journal
}

// A journal holds what was logged, also to be looked at while the runner runs.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newBench() *bench {
	b := &bench{store: newStore(), disk: &disk{files: map[string]string{}, writes: map[string]int{}}, log: &journal{}}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	b.Runner = &Runner{Watcher: watch.New(b.store, log), Queue: command.NewQueue(log), Checks: command.NewQueue(log), Log: log}
	return b
}

// add makes a group of one template.
func (b *bench) add(t *testing.T, path, text string) *Job {
	t.Helper()
	tmpl, err := engine.Parse(path, text, engine.Options{}, func(p *engine.Pass) template.FuncMap {
		return template.FuncMap{
			"key": func(path string) string {
				v, _ := p.Lookup(watch.Key{Path: path})
				s, _ := v.(string)
				if s == "none" {
					p.Await(watch.Key{Path: path}, "there is no such key")
				}
				return s
			},
			"services": func() []string {
				v, _ := p.Lookup(watch.Services{})
				s, _ := v.([]string)
				return s
			},
			"service": func(name string) []string {
				v, _ := p.Lookup(watch.Service{Name: name})
				s, _ := v.([]string)
				return s
			},
			"number": func(s string) (int, error) {
				var n int
				_, err := fmt.Sscan(s, &n)
				return n, err
			},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	job := &Job{Name: path, Execute: tmpl.Execute, Stage: func(output []byte) (Staged, error) {
		if old, ok := b.disk.files[path]; ok && old == string(output) {
			return nil, nil
		}
		return staged{b.disk, path, string(output)}, nil
	}}
	b.Groups = append(b.Groups, &Group{Name: path, Jobs: []*Job{job}})
	return job
}

// during runs the runner while do acts on it, then ends it and returns what Run returned.
func (b *bench) during(t *testing.T, do func()) (err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); err = b.Run(ctx) }()
	do()
	cancel()
	<-ended
	if n := b.store.watching(); n != 0 {
		t.Errorf("%d queries are still watched after the end", n)
	}
	return err
}

func (b *bench) key(path, value string) { b.store.set(watch.Key{Path: path}, value) }
