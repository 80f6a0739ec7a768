package runner

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"lictor/internal/engine"
	"lictor/internal/retry"
	"lictor/watch"
)

// Files that were rolled back because of another one are rendered again with the next change: a group's files never
// come of different data.
func TestRolledBackFilesComeAgain(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
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

// A reload that is pending since an earlier run is not forgotten over the one of another file of the group.
func TestReloadOwedForAnotherFile(t *testing.T) {
	w := newWorkshop(t)
	dir := w.dir
	once := func(b string) error {
		w := newWorkshop(t)
		w.dir = dir
		w.Once = true
		w.Queue.Retry = retry.Backoff{}
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

// Where it can't be noted that a reload has succeeded, since another lictor is busy with the files, that is made up for before
// something else is committed: a rollback goes to what was good last.
func TestConfirmationIsTriedAgain(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	w.file(t, "out", `{{key "v"}}`, "", `cat out >> log; while grep -q B out && ! test -e go; do sleep 0.01; done; ! grep -q bad out`).Rollback = true
	w.key("v", "A")
	w.during(t, func() {
		w.is(t, "log", "A")
		w.idle(t)
		w.key("v", "B")
		w.is(t, "log", "AB")
		lock, err := os.OpenFile(w.path(".out.lictor-lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		w.write(t, "go")
		const warning = "it can't be noted that the reload has succeeded"
		eventually(t, func() string { return map[bool]string{true: "warned"}[strings.Contains(w.log.String(), warning)] }, "warned")
		if err := errors.Join(os.Remove(lock.Name()), unix.Flock(int(lock.Fd()), unix.LOCK_UN)); err != nil {
			t.Fatal(err)
		}
		w.idle(t)
		w.key("v", "bad")
		w.is(t, "out.rejected", "bad")
		w.is(t, "out", "B")
	})
	w.logs(t, 1, "it can't be noted")
}
