package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/command"
	"lictor/internal/engine"
	"lictor/watch"
)

func (w *workshop) write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(w.path(name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair makes one group of the first two templates.
func (w *workshop) pair(t *testing.T) *Group {
	t.Helper()
	g := &Group{Name: "pair", Jobs: []*Job{w.Groups[0].Jobs[0], w.Groups[1].Jobs[0]}}
	w.Groups = []*Group{g}
	w.remember(t, g)
	return g
}

// What changes while a check looks at the output before is rendered when the check has ended.
func TestChangeDuringACheck(t *testing.T) {
	for _, result := range []string{"true", "false"} {
		w := newWorkshop(t)
		w.file(t, "out", `{{key "v"}}`, fmt.Sprintf(`cat "$STAGED" >> %s; while ! test -e %s; do sleep 0.01; done; %s || grep -q 2 "$STAGED"`,
			w.path("seen"), w.path("go"), result), "")
		w.key("v", "1")
		w.during(t, func() {
			w.is(t, "seen", "1")
			w.key("v", "2")
			time.Sleep(50 * time.Millisecond) // so that the runner sees it
			w.write(t, "go")
			w.is(t, "out", "2")
		})
	}
}

// A check is for the whole group: it runs whichever of the files has changed.
func TestCheckSeesAChangeOfAnotherFile(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "main", `{{key "a"}}`, fmt.Sprintf(`test -e "$STAGED" && ! grep -q bad "$FOLDER%s"`, w.path("included")), "")
	w.file(t, "included", `{{key "b"}}`, "", `echo reload >> log`)
	w.pair(t)
	w.key("a", "1")
	w.key("b", "1")
	w.during(t, func() {
		w.is(t, "log", "reload\n")
		w.key("b", "bad")
		w.is(t, "included.rejected", "bad")
		w.key("b", "2")
		w.is(t, "included", "2")
	})
}

// Files that were rolled back because of another one are rendered again with the next change: a group's files never
// come of different data.
func TestRolledBackFilesComeAgain(t *testing.T) {
	w := newWorkshop(t)
	w.Queue.Retry = command.Retry{Backoff: time.Minute}
	w.file(t, "one", `{{key "a"}}`, "", `echo $(cat one) $(cat two) >> log; ! grep -q bad one`)
	w.file(t, "two", `{{key "a"}}-{{key "b"}}`, "", `echo $(cat one) $(cat two) >> log; ! grep -q bad one`)
	w.pair(t).Rollback = true
	w.key("a", "good")
	w.key("b", "1")
	w.during(t, func() {
		w.is(t, "log", "good good-1\n")
		w.key("a", "bad")
		w.is(t, "log", "good good-1\nbad bad-1\ngood good-1\n")
		w.key("b", "2")
		w.is(t, "log", "good good-1\nbad bad-1\ngood good-1\nbad bad-2\ngood good-1\n")
		w.key("a", "fine")
		w.is(t, "log", "good good-1\nbad bad-1\ngood good-1\nbad bad-2\ngood good-1\nfine fine-2\n")
	})
}

// A reload that an earlier run owes is not forgotten over the one of another file of the group.
func TestReloadOwedForAnotherFile(t *testing.T) {
	w := newWorkshop(t)
	dir := w.dir
	once := func(b string) error {
		w := newWorkshop(t)
		w.dir = dir
		w.Once = true
		w.Queue.Retry = command.Retry{}
		w.file(t, "one", `{{key "a"}}`, "", `echo one >> log; test -e works`)
		w.file(t, "two", `{{key "b"}}`, "", `echo two >> log`)
		w.pair(t)
		w.key("a", "1")
		w.key("b", b)
		return w.Run(t.Context())
	}
	if err := once("1"); err == nil {
		t.Fatal("a failed reload is no error")
	}
	w.write(t, "works")
	if err := once("2"); err != nil {
		t.Fatal(err)
	}
	if got := w.read("log"); got != "one\ntwo\none\ntwo\n" {
		t.Errorf("ran %q", got)
	}
}

// The time to try a failed commit again may come while a template waits for data.
func TestFailedCommitOfATemplateThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}`)
		b.key("a", "1")
		b.disk.broken = errors.New("no space left on device")
		b.during(t, func() {
			synctest.Wait()
			b.key("a", "none")
			time.Sleep(2 * retryCommit)
			b.disk.mu.Lock()
			b.disk.broken = nil
			b.disk.mu.Unlock()
			b.key("a", "2")
			synctest.Wait()
			if b.disk.read("out") != "2" {
				t.Error("not rendered when the data came")
			}
		})
	})
}

// A template that fails over and over does not go on watching what each of its passes read.
func TestErrorsDoNotCollectQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "good"}}{{$name := key "name"}}{{if $name}}{{key $name}}{{end}}{{if ne $name "x0"}}{{number "x"}}{{end}}`)
		b.key("good", "1")
		b.key("name", "x0")
		for i := range 20 {
			b.key(fmt.Sprint("x", i), "1")
		}
		b.during(t, func() {
			for i := range 20 {
				b.key("name", fmt.Sprint("x", i))
				synctest.Wait()
			}
			if n := b.store.watching(); n != 4 {
				t.Errorf("%d queries are watched, want what the last pass read, and the last good one", n)
			}
		})
	})
}

// Whatever keeps the first render from being complete is named when the time is up.
func TestGaveUpSaysWhatElse(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "refused", `{{key "v"}}`, `false`, "")
	w.add(t, "failed", `{{number (key "v")}}`)
	w.file(t, "checked", `{{key "v"}}`, `sleep 60`, "")
	w.key("v", "secret")
	w.Timeout = 300 * time.Millisecond
	err := w.Run(t.Context())
	for _, want := range []string{"refused: check failed", "failed:1:", "checked: its check has not ended"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A query that is only asked because another answer is missing, and that nobody can answer, keeps nothing from being
// rendered.
func TestQueryThatComesOfAMissingAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{if eq (key "mode") "on"}}{{key (printf "web@%s" (key "dc"))}}{{end}}`)
		b.store.set(watch.Key{Path: "web@"}, errors.New("no path to datacenter"))
		b.key("web@here", "1")
		b.key("mode", "off")
		b.during(t, func() {
			synctest.Wait()
			b.key("mode", "on")
			synctest.Wait()
			b.key("dc", "here")
			time.Sleep(2 * lull)
			synctest.Wait()
			if b.disk.read("out") != "1" || b.store.watching() != 3 {
				t.Errorf("rendered %q, %d queries", b.disk.read("out"), b.store.watching())
			}
		})
	})
}

// What a template writes beside its output is tried again when it fails, and nothing of it is done twice.
func TestEffectThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		job := b.add(t, "out", `{{key "a"}}`)
		var broken atomic.Bool
		broken.Store(true)
		execute, done := job.Execute, ""
		job.Execute = func(known watch.Lookup) (engine.Result, error) {
			r, err := execute(known)
			r.Effects = []func() error{
				func() error { done += "one "; return nil },
				func() error {
					if broken.Load() {
						return errors.New("no space left on device")
					}
					return nil
				},
				func() error { done += "three "; return nil },
			}
			return r, err
		}
		b.key("a", "1")
		b.during(t, func() {
			synctest.Wait()
			if done != "one three " || strings.Contains(b.log.String(), "keeps what it has") {
				t.Errorf("done: %s\n%s", done, b.log)
			}
			broken.Store(false)
			time.Sleep(retryCommit + time.Second)
			synctest.Wait()
			if done != "one three " {
				t.Errorf("done: %s", done)
			}
		})
		if err := b.Groups[0].err; err != nil {
			t.Error(err)
		}
	})
}

// With Once nothing is rendered again while the child runs.
func TestOnceWithAChildRendersOnce(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, "", "")
	w.key("v", "1")
	w.Once = true
	w.Child = &command.Child{Command: shell("while ! test -e " + w.path("go") + "; do sleep 0.01; done; exit 3")}
	err := w.during(t, func() {
		w.is(t, "out", "1")
		w.key("v", "2")
		time.Sleep(100 * time.Millisecond)
		if got := w.read("out"); got != "1" {
			t.Errorf("rendered %q", got)
		}
		w.write(t, "go")
		time.Sleep(300 * time.Millisecond)
	})
	if exit, ok := errors.AsType[ChildExit](err); !ok || exit.Code != 3 {
		t.Errorf("ended with %v", err)
	}
}

// Whatever is under way when the runner is told to end, nothing of it is left.
func TestEndDuringACheck(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, `echo $FOLDER > `+w.path("folder")+`; sleep 60`, "")
	w.key("v", "1")
	var begun time.Time
	w.during(t, func() {
		eventually(t, func() string { return fmt.Sprint(len(w.read("folder")) > 10) }, "true")
		begun = time.Now()
	})
	if d := time.Since(begun); d > 3*time.Second { // it does not wait for the check
		t.Errorf("ending took %s", d)
	}
	left, _ := filepath.Glob(w.path(".*lictor-[0-9]*"))
	if folder := strings.TrimSpace(w.read("folder")); len(left) > 0 || exists(folder) {
		t.Errorf("left: %v %s", left, folder)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// A template that fails for good ends the run before others are committed: their commands would not be run.
func TestFatalErrorCommitsNothingMore(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "good", `{{key "a"}}`, "", "")
	w.add(t, "bad", `{{number (key "a")}}`).Fatal = true
	w.key("a", "x")
	if err := w.Run(t.Context()); err == nil || w.read("good") != "(none)" {
		t.Errorf("%v, and wrote %q", err, w.read("good"))
	}
}

// Where nothing was there before, there is nothing to go back to: the service may only not have been started yet.
func TestFirstFileIsNotRolledBack(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, "", `echo try >> log; test -e started`).Rollback = true
	w.key("v", "1")
	w.during(t, func() {
		w.is(t, "log", "try\n")
		w.write(t, "started")
		eventually(t, func() string { return fmt.Sprint(w.Queue.Busy()) }, "false")
	})
	if got := w.read("out"); got != "1" || exists(w.path("out.rejected")) {
		t.Errorf("the file has %q", got)
	}
}
