package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"text/template"
	"time"

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

func (s *store) Watch(ctx context.Context, q watch.Query, report watch.Report) error {
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

func TestPassesCostDepthNotNumber(t *testing.T) {
	t.Run("5000 keys that answer over 2 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			const n = 5000
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, "{{key \"k%d\"}}", i)
			}
			job := b.add(t, "out", text.String())
			b.during(t, func() {
				for i := range n {
					time.Sleep(2 * time.Second / n)
					b.key(fmt.Sprintf("k%d", i), "x")
				}
				synctest.Wait()
			})
			if job.passes != 2 || b.disk.writes["out"] != 1 || len(b.disk.read("out")) != n {
				t.Errorf("%d passes and %d writes of %d bytes, want 2, 1 and %d", job.passes, b.disk.writes["out"], len(b.disk.read("out")), n)
			}
		})
	})
	t.Run("range services, then service", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			job := b.add(t, "out", `{{range services}}{{range service .}}{{.}} {{end}}{{end}}`)
			b.during(t, func() {
				var names []string
				for i := range 100 {
					names = append(names, fmt.Sprintf("s%02d", i))
				}
				b.store.set(watch.Services{}, names)
				for _, name := range names {
					time.Sleep(time.Millisecond)
					b.store.set(watch.Service{Name: name}, []string{name})
				}
				synctest.Wait()
			})
			if job.passes != 3 || b.disk.writes["out"] != 1 {
				t.Errorf("%d passes and %d writes, want 3 and 1", job.passes, b.disk.writes["out"])
			}
		})
	})
}

func TestListThatShrinksStopsItsQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{range services}}{{range service .}}{{.}}{{end}}{{end}}`)
		b.store.set(watch.Services{}, []string{"a", "b", "c"})
		for _, name := range []string{"a", "b", "c"} {
			b.store.set(watch.Service{Name: name}, []string{name})
		}
		b.during(t, func() {
			synctest.Wait()
			if n := b.store.watching(); n != 4 || b.disk.read("out") != "abc" {
				t.Errorf("%d queries are watched for %q, want 4", n, b.disk.read("out"))
			}
			b.store.set(watch.Services{}, []string{"b"})
			synctest.Wait()
			if n := b.store.watching(); n != 2 || b.disk.read("out") != "b" {
				t.Errorf("%d queries are watched for %q, want 2", n, b.disk.read("out"))
			}
		})
	})
}

func TestErrorsAndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{number (key "n")}}`)
		b.key("n", "1")
		err := b.during(t, func() {
			synctest.Wait()
			b.key("n", "secret")
			synctest.Wait()
			if got := b.disk.read("out"); got != "1" {
				t.Errorf("a failed template changed its destination to %q", got)
			}
			b.key("n", "none")
			synctest.Wait()
			b.key("n", "3")
			synctest.Wait()
			if got := b.disk.read("out"); got != "3" {
				t.Errorf("after the fix the destination has %q", got)
			}
		})
		if err != nil || !strings.Contains(b.log.String(), "template failed") {
			t.Errorf("err %v, log:\n%s", err, b.log)
		}
	})
}

func TestFatalErrorEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{number (key "n")}}`).Fatal = true
		b.key("n", "x")
		if err := b.during(t, synctest.Wait); err == nil || !strings.Contains(err.Error(), "out:1:3") {
			t.Errorf("got %v", err)
		}
	})
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "one", `{{key "a"}}`)
		b.add(t, "two", `{{key "b"}}`)
		b.key("a", "1")
		b.Once = true
		err := b.during(t, func() {
			synctest.Wait()
			if b.disk.read("one") != "1" {
				t.Error("a finished template waits for another one")
			}
			b.key("b", "2")
			synctest.Wait()
		})
		if err != nil || b.disk.read("two") != "2" {
			t.Errorf("%v, two = %q", err, b.disk.read("two"))
		}
	})
}

// What a run has rendered is stale also when a guard lets go before it ends, and is not when one lets go before it is rendered.
func TestOnceTellsWhatItHasRendered(t *testing.T) {
	for _, late := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			web := watch.Service{Name: "web"}
			b.Once, b.Watcher.Guards = true, []watch.Guard{{MaxShrink: 0.5}}
			b.Watcher.Fallback = map[watch.Query]watch.Known{web: {Answer: []string{"x", "y", "z"}}}
			b.store.set(web, []string{"x"})
			job := b.add(t, "out", `{{range service "web"}}{{.}}{{end}}{{key "end"}}`)
			stage := job.Stage
			job.Stage = func(output []byte) (Staged, error) { b.Watcher.Release(); return stage(output) }
			err := b.during(t, func() {
				synctest.Wait() // the guard holds the answer back, and the template waits for the key
				if !late {
					b.Watcher.Release()
				}
				b.key("end", ".")
				synctest.Wait()
			})
			want := map[bool]string{true: "xyz.", false: "x."}[late]
			if got := b.disk.read("out"); got != want || errors.Is(err, ErrStale) != late {
				t.Errorf("let go late: %v; %q was rendered, and the run ended with %v", late, got, err)
			}
		})
	}
}

func TestOnceGivesUpAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}{{key "b"}}{{key "c"}}`)
		b.key("a", "none")
		b.store.set(watch.Key{Path: "b"}, errors.New("connection refused"))
		b.Once, b.Timeout = true, time.Minute
		err := b.during(t, func() { time.Sleep(2 * time.Minute) })
		const want = "gave up after 1m0s: out: waiting for key(a) (there is no such key), key(b) (connection refused), key(c) (no answer yet)"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if !strings.Contains(b.log.String(), "still not rendered") {
			t.Errorf("nothing was logged while it waited:\n%s", b.log)
		}
	})
}

func TestAttemptsUsedUpEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}`)
		b.Watcher.Retry.Attempts = 3
		b.store.set(watch.Key{Path: "a"}, errors.New("connection refused"))
		err := b.during(t, func() { time.Sleep(time.Minute) })
		if err == nil || err.Error() != "key(a): connection refused" {
			t.Errorf("got %v", err)
		}
	})
}

func TestWaitIsQuiescence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}`)
		b.Groups[0].Wait = Wait{Min: time.Second, Max: 3 * time.Second}
		b.key("a", "0")
		b.during(t, func() {
			synctest.Wait()
			if b.disk.read("out") != "0" {
				t.Fatal("the first render waits")
			}
			start := time.Now()
			b.key("a", "1")
			time.Sleep(900 * time.Millisecond)
			b.key("a", "2")
			time.Sleep(900 * time.Millisecond)
			synctest.Wait()
			if b.disk.read("out") != "0" {
				t.Errorf("rendered after %s without a quiet second", time.Since(start))
			}
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
			if b.disk.read("out") != "2" {
				t.Error("not rendered after a quiet second")
			}
			for i := range 10 { // never quiet: the maximum counts
				b.key("a", fmt.Sprint("busy", i))
				time.Sleep(500 * time.Millisecond)
			}
			synctest.Wait()
			if n := b.disk.writes["out"]; n < 3 || n > 4 {
				t.Errorf("%d writes, want one each 3 s at the most", n)
			}
		})
	})
}

func TestCommitThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}`)
		b.key("a", "1")
		b.disk.broken = errors.New("no space left on device")
		b.during(t, func() {
			synctest.Wait()
			b.disk.mu.Lock()
			b.disk.broken = nil
			b.disk.mu.Unlock()
			time.Sleep(retryCommit + time.Second)
			synctest.Wait()
			if b.disk.read("out") != "1" {
				t.Error("not tried again")
			}
		})
	})
}

func TestGroupIsCommittedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "one", `{{key "a"}}`)
		b.add(t, "two", `{{key "b"}}`)
		b.Groups = []*Group{{Name: "pair", Jobs: []*Job{b.Groups[0].Jobs[0], b.Groups[1].Jobs[0]}}}
		b.key("a", "1")
		b.during(t, func() {
			synctest.Wait()
			if len(maps.Collect(maps.All(b.disk.files))) != 0 {
				t.Error("one was written while two waits for data")
			}
			b.key("b", "2")
			synctest.Wait()
			if b.disk.read("one")+b.disk.read("two") != "12" {
				t.Errorf("got %v", b.disk.files)
			}
		})
	})
}
