package runner

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lictor/internal/command"
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

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(8 * time.Second):
		t.Errorf("not within 8 s: %s", what)
	}
}

// A reload that an earlier run owes does not wait until the template can be rendered.
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
			first.Once, first.Queue.Retry = true, command.Retry{}
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
			if g.Files.Owed() || w.read("log") != "11" {
				t.Errorf("owed %v, ran with %q", g.Files.Owed(), w.read("log"))
			}
		})
	}
}

// Whatever keeps a template from being committed for the first time: with the files of an earlier run the service can start.
func TestFilesOfAnEarlierRunStand(t *testing.T) {
	fails := errors.New("no space left on device")
	for what, hinder := range map[string]func(*Job){
		"staging": func(j *Job) { j.Stage = func([]byte) (Staged, error) { return nil, fails } },
		"commit": func(j *Job) {
			j.Stage = func([]byte) (Staged, error) { return staged{&disk{broken: fails}, "out", ""}, nil }
		},
	} {
		for _, there := range []bool{true, false} {
			w := newWorkshop(t)
			hinder(w.file(t, "out", `{{key "v"}}`, "", "").Jobs[0])
			if there {
				w.fill(t, "out", "old")
			}
			ready := w.awaitReady()
			w.key("v", "new")
			w.during(t, func() {
				if there {
					await(t, "ready, though "+what+" fails", ready)
					return
				}
				eventually(t, func() string { return fmt.Sprint(w.Groups[0].Jobs[0].passes > 0) }, "true")
			})
			select {
			case <-ready:
				if !there {
					t.Errorf("%s fails: ready without a file", what)
				}
			default:
			}
		}
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
