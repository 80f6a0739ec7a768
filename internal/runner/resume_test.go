package runner

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lictor/internal/command"
	"lictor/internal/engine"
	"lictor/internal/retry"
	"lictor/renderer"
	"lictor/watch"
)

// age has a file look as if it had been written that long ago.
func (w *workshop) age(t *testing.T, name string, d time.Duration) {
	t.Helper()
	at := time.Now().Add(-d)
	if err := os.Chtimes(w.path(name), at, at); err != nil {
		t.Fatal(err)
	}
}

// fill writes a file as an earlier run would have left it.
func (w *workshop) fill(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// awaitReady has a channel closed when Ready is called.
func (w *workshop) awaitReady() <-chan struct{} {
	ready := make(chan struct{})
	w.Ready = func() { close(ready) }
	return ready
}

// countPasses counts how often a job is executed, for those who look on while the runner runs.
func (w *workshop) countPasses(j *Job) *atomic.Int32 {
	var passes atomic.Int32
	execute := j.Execute
	j.Execute = func(known watch.Lookup) (engine.Result, error) { passes.Add(1); return execute(known) }
	return &passes
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		t.Errorf("not within 30 s: %s", what)
	}
}

// A reload that is pending since an earlier run does not wait until the template can be rendered.
func TestOwedReloadOfATemplateThatCanNotBeCommitted(t *testing.T) {
	for what, hinder := range map[string]func(*testing.T, *workshop, *Job){
		"waits for data": func(*testing.T, *workshop, *Job) {},
		"fails": func(t *testing.T, w *workshop, j *Job) {
			j.Execute = w.add(t, "other", `{{number (key "v")}}`).Execute
			w.Groups = w.Groups[:1]
			w.key("v", "x")
		},
		"is refused": func(_ *testing.T, w *workshop, j *Job) {
			j.Check = func(string, string) command.Command { return shell("false") }
			w.key("v", "2")
		},
		"can not be staged": func(_ *testing.T, w *workshop, j *Job) {
			j.Stage = func([]byte) (Staged, error) { return nil, errors.New("no space left on device") }
			w.key("v", "2")
		},
		"may go": func(_ *testing.T, w *workshop, j *Job) { w.key("v", "1") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			first := newWorkshop(t)
			first.Once, first.Queue.Retry = true, retry.Backoff{}
			const reload = `cat out >> log; test -e works`
			first.file(t, "out", `{{key "v"}}`, "", reload)
			first.key("v", "1")
			if err := first.Run(t.Context()); err == nil {
				t.Fatal("a failed reload is no error")
			}
			first.write(t, "works")
			w := newWorkshop(t)
			w.dir = first.dir
			g := w.file(t, "out", `{{key "v"}}`, "", reload)
			hinder(t, w, g.Jobs[0])
			w.during(t, func() {
				w.is(t, "log", "11")
				eventually(t, func() string { return fmt.Sprint(w.Queue.Busy()) }, "false")
			})
			if g.Files.Pending() || w.read("log") != "11" {
				t.Errorf("pending %v, ran with %q", g.Files.Pending(), w.read("log"))
			}
		})
	}
}

// Whatever keeps a template from being committed for the first time: with the files of an earlier run the service can start,
// where these are known to be whole.
func TestFilesOfAnEarlierRunStand(t *testing.T) {
	fails := errors.New("no space left on device")
	staging := func(_ *workshop, g *Group) { g.Jobs[0].Stage = func([]byte) (Staged, error) { return nil, fails } }
	for what, c := range map[string]struct {
		hinder       func(*workshop, *Group)
		there, ready bool
	}{
		"staging":         {staging, true, true},
		"nothing to hold": {staging, false, false},
		"commit": {func(_ *workshop, g *Group) {
			g.Jobs[0].Stage = func([]byte) (Staged, error) { return staged{&disk{broken: fails}, "out", ""}, nil }
		}, true, true},
		"state": {func(w *workshop, g *Group) {
			if err := os.Mkdir(w.path(".out.lictor-state"), 0o700); err != nil {
				t.Fatal(err)
			}
			g.Files = &renderer.Group{Remember: true, Destinations: []string{w.path("out")}}
		}, true, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			if c.there {
				w.fill(t, "out", "old")
			}
			g := w.file(t, "out", `{{key "v"}}`, "", "")
			c.hinder(w, g)
			passes := w.countPasses(g.Jobs[0])
			ready := w.awaitReady()
			w.during(t, func() {
				for range 3 { // a new value is rendered when all is done that came with the one before
					n := passes.Load()
					w.key("v", fmt.Sprint("new ", n))
					eventually(t, func() string { return fmt.Sprint(passes.Load() > n) }, "true")
				}
			})
			select {
			case <-ready:
				if !c.ready {
					t.Error("ready without files that are known to be good")
				}
			default:
				if c.ready {
					t.Error("not ready with the files of an earlier run")
				}
			}
		})
	}
}

// The least time between two commits counts from the last one of an earlier run, which may have ended just now.
func TestMinIntervalCountsAcrossRuns(t *testing.T) {
	begin := func(interval, ago time.Duration) *workshop {
		w := newWorkshop(t)
		w.fill(t, "out", "old")
		w.age(t, "out", ago)
		w.file(t, "out", `{{key "v"}}`, "", `cat out >> log`).MinInterval = interval
		w.key("v", "new")
		return w
	}
	t.Run("too soon", func(t *testing.T) {
		w := begin(time.Hour, time.Minute)
		ready := w.awaitReady()
		w.during(t, func() { await(t, "ready", ready) })
		if w.read("out") != "old" || w.read("log") != "(none)" {
			t.Errorf("%q is there, and %q was run", w.read("out"), w.read("log"))
		}
		if log := w.log.String(); strings.Count(log, "until min_interval is over") != 1 {
			t.Error(log)
		}
	})
	t.Run("until it is over", func(t *testing.T) {
		w := begin(time.Hour, time.Hour-300*time.Millisecond)
		w.during(t, func() { w.is(t, "log", "new") })
	})
	t.Run("long ago", func(t *testing.T) {
		w := begin(time.Hour, 2*time.Hour)
		w.during(t, func() { w.is(t, "log", "new") })
	})
	t.Run("in the future", func(t *testing.T) {
		w := begin(300*time.Millisecond, -time.Hour)
		w.during(t, func() { w.is(t, "log", "new") })
	})
	t.Run("once", func(t *testing.T) {
		w := begin(time.Hour, 0)
		w.Once = true
		if err := w.Run(t.Context()); err != nil || w.read("log") != "new" {
			t.Errorf("%v, %q was run", err, w.read("log"))
		}
	})
	t.Run("nothing new", func(t *testing.T) {
		w := begin(time.Hour, 0)
		w.key("v", "old")
		ready := w.awaitReady()
		w.during(t, func() { await(t, "ready", ready) })
		if log := w.log.String(); strings.Contains(log, "stand") || !w.Groups[0].committed {
			t.Error(log)
		}
	})
}
