package runner

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/retry"
)

// quickly has contents that were rolled back rest for a moment only.
var quickly = retry.Backoff{First: 20 * time.Millisecond, Most: 50 * time.Millisecond}

// slowly is for a queue that runs no command again before the rollback comes.
var slowly = retry.Backoff{First: time.Minute}

// never has them rest until something else ends it.
var never = retry.Backoff{First: 24 * time.Hour, Most: 24 * time.Hour}

// occurs waits until a line was logged by reloads the given number of times.
func (w *workshop) occurs(t *testing.T, line string, times int) {
	t.Helper()
	eventually(t, func() string { return fmt.Sprint(strings.Count("\n"+w.read("log"), "\n"+line+"\n") >= times) }, "true")
}

// idle waits until no command is under way.
func (w *workshop) idle(t *testing.T) {
	t.Helper()
	eventually(t, func() string { return fmt.Sprint(w.Queue.Busy()) }, "false")
}

// A reload may fail for a reason that passes, such as a service that is just being restarted.
func TestRolledBackContentIsTriedAgain(t *testing.T) {
	w := newWorkshop(t)
	w.again = quickly
	w.file(t, "out", `{{key "v"}}`, "", `echo $(cat out) >> log; grep -q good out || { test -e works && touch done; }`).Rollback = true
	w.key("v", "good")
	w.during(t, func() {
		w.is(t, "log", "good\n")
		w.key("v", "other")
		w.occurs(t, "other", 3)
		w.is(t, "out", "good")
		w.write(t, "works")
		w.is(t, "done", "")
		w.idle(t)
	})
	if g := w.Groups[0]; w.read("out") != "other" || g.err != nil || g.failures != 0 || g.Files.Pending() {
		t.Errorf("it has %q, %v, %d failures, pending %v", w.read("out"), g.err, g.failures, g.Files.Pending())
	}
}

// While it rests, a change that makes the same content of it again is no reason to try it.
func TestRolledBackContentRests(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	w.file(t, "out", `{{key "v"}}{{if key "other"}}{{end}}`, "", `echo $(cat out) >> log; grep -q good out`).Rollback = true
	w.file(t, "marker", `{{key "other"}}`, "", "")
	w.key("v", "good")
	w.key("other", "1")
	w.during(t, func() {
		w.is(t, "log", "good\n")
		w.key("v", "bad")
		w.is(t, "log", "good\nbad\ngood\n")
		w.idle(t)
		for _, v := range []string{"2", "3"} { // when 3 is there, all is done that came with 2
			w.key("other", v)
			w.is(t, "marker", v)
		}
	})
	if n := strings.Count(w.log.String(), "msg=rendered template=out\n"); n != 2 {
		t.Errorf("committed %d times, want good and bad:\n%s", n, w.log)
	}
}

// The next run tries it again, and it rests from then on as long as the interval between two commits demands, and no longer.
func TestRolledBackContentKeepsTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		begin := func(v string) *workshop {
			next := newWorkshop(t)
			next.dir, next.again, next.Queue.Retry = w.dir, quickly, slowly
			g := next.file(t, "out", `{{key "v"}}`, "", `echo $(cat out) >> log; grep -q good out`)
			g.Rollback, g.MinInterval = true, time.Hour
			next.key("v", v)
			return next
		}
		logged := func(want string) {
			t.Helper()
			synctest.Wait()
			if got, out := w.read("log"), w.read("out"); got != want || out != "good" {
				t.Errorf("after %s it has run with %q, want %q, and the file has %q", time.Since(w.begun), got, want, out)
			}
		}
		w = begin("good")
		w.during(t, func() { w.is(t, "log", "good\n"); w.idle(t) })
		want := "good\n"
		for range 2 {
			w = begin("bad")
			w.age(t, "out", 2*time.Hour)
			want += "bad\ngood\n"
			w.during(t, func() {
				w.is(t, "log", want)
				time.Sleep(time.Hour - time.Minute) // in which it would be tried a thousand times
				logged(want)
				want += "bad\ngood\n"
				time.Sleep(2 * time.Minute)
				logged(want)
			})
		}
	})
}

// Two templates that share a command are both rolled back when it fails, though only one is to blame. The other one gets its
// content nonetheless: each is tried again without the other.
func TestInnocentTemplateIsTriedAlone(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = quickly, slowly
	const reload = `echo $(cat one) $(cat two) >> log; sleep 0.1; ! grep -q bad one`
	w.file(t, "one", `{{key "v"}}`, "", reload).Rollback = true
	w.file(t, "two", `{{key "v"}}2`, "", reload).Rollback = true
	w.key("v", "good")
	w.during(t, func() {
		w.is(t, "log", "good good2\n")
		w.key("v", "bad")
		w.occurs(t, "bad bad2", 4) // one is tried again and again, and two is there
		w.key("v", "fine")
		w.is(t, "one", "fine")
		w.is(t, "two", "fine2")
	})
	if n := strings.Count(w.log.String(), "the previous files are back\" group=two"); n != 1 {
		t.Errorf("the innocent one was rolled back %d times, want 1:\n%s", n, w.read("log"))
	}
}

// What has changed while a reload ran that then failed is rendered together with the files that were rolled back.
func TestChangeDuringAReloadThatIsRolledBack(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	const reload = `echo $(cat one) $(cat two) >> log; ! grep -q bad one || { while ! test -e go; do sleep 0.01; done; false; }`
	w.file(t, "one", `{{key "a"}}`, "", reload)
	w.file(t, "two", `{{key "a"}}-{{key "b"}}`, "", reload)
	w.pair(t).Rollback = true
	w.file(t, "marker", `{{key "b"}}`, "", "")
	w.key("a", "good")
	w.key("b", "1")
	w.during(t, func() {
		w.is(t, "log", "good good-1\n")
		w.idle(t)
		w.key("a", "bad")
		w.is(t, "log", "good good-1\nbad bad-1\n")
		w.key("b", "2")
		w.is(t, "marker", "2") // so two is executed, and waits
		w.write(t, "go")
		w.occurs(t, "bad bad-2", 1)
		w.is(t, "one", "good")
		w.is(t, "two", "good-1")
		w.idle(t)
	})
	if log := w.read("log"); strings.Contains(log, "good bad-2") || !strings.HasSuffix(log, "\ngood good-1\n") {
		t.Errorf("files of different data came together:\n%s", log)
	}
}

// What was rolled back on another template's account is tried as soon as that one is recovered.
func TestMendedTemplateEndsTheRestOfOthers(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	const reload = `echo $(cat one) $(cat two) >> log; ! grep -q bad one`
	w.file(t, "one", `{{key "v"}}`, "", reload).Rollback = true
	w.file(t, "two", `{{if eq (key "v") "good"}}1{{else}}2{{end}}`, "", reload).Rollback = true
	w.key("v", "good")
	w.during(t, func() {
		w.is(t, "log", "good 1\n")
		w.key("v", "bad")
		w.is(t, "log", "good 1\nbad 2\ngood 1\n")
		w.key("v", "fine")
		w.is(t, "log", "good 1\nbad 2\ngood 1\nfine 1\nfine 2\n")
	})
}

// The same goes where it is recovered by its old value, which commits nothing.
func TestOldValueEndsTheRestOfOthers(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	const reload = `echo $(cat one) $(cat two) >> log; ! grep -q bad one`
	w.file(t, "one", `{{key "v"}}`, "", reload).Rollback = true
	w.file(t, "two", `{{key "w"}}`, "", reload).Rollback = true
	w.file(t, "marker", `{{key "m"}}`, "", "")
	mark := func(v string) { // all is done that came before
		w.key("m", v)
		w.is(t, "marker", v)
	}
	w.key("v", "good")
	w.key("w", "1")
	w.key("m", "0")
	w.during(t, func() {
		w.is(t, "log", "good 1\n")
		w.idle(t)
		w.Queue.Hold()
		w.key("v", "bad")
		w.key("w", "2")
		w.is(t, "one", "bad")
		w.is(t, "two", "2")
		mark("1")
		w.Queue.Resume()
		w.is(t, "log", "good 1\nbad 2\ngood 1\n")
		w.is(t, "two", "1")
		w.idle(t)
		w.key("v", "good")
		w.is(t, "two", "2")
		w.idle(t)
	})
}

// That the previous files of one template are taken over fixes nothing: the others go on resting.
func TestRollbackMendsNothing(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	const reload = `echo $(cat one) $(cat two) >> log; ! grep -q bad one two`
	w.file(t, "one", `{{key "a"}}`, "", reload).Rollback = true
	w.file(t, "two", `{{key "b"}}`, "", reload).Rollback = true
	w.key("a", "good")
	w.key("b", "good")
	w.during(t, func() {
		w.is(t, "log", "good good\n")
		w.key("a", "bad")
		w.is(t, "log", "good good\nbad good\ngood good\n")
		w.key("b", "bad")
		w.is(t, "log", "good good\nbad good\ngood good\ngood bad\ngood good\n")
		w.idle(t)
		w.key("b", "fine")
		w.is(t, "log", "good good\nbad good\ngood good\ngood bad\ngood good\ngood fine\nbad fine\ngood fine\n")
	})
}
