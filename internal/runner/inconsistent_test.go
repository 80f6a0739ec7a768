package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/command"
	"lictor/internal/retry"
	"lictor/renderer"
)

// two makes a group of two templates of the key v, one/out and two/out, with a reload that logs both, and then does what it is
// told to.
func (w *workshop) two(t *testing.T, check, reload string) *Group {
	t.Helper()
	for _, name := range []string{"one", "two"} {
		if err := os.MkdirAll(w.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
		w.file(t, name+"/out", `{{key "v"}}`, check, `echo $(cat one/out) $(cat two/out) >> log; `+reload)
		check = ""
	}
	return w.pair(t)
}

// logged fails unless the runner, which has ended, has logged a text.
func (w *workshop) logged(t *testing.T, want string) {
	t.Helper()
	if log := w.log.String(); !strings.Contains(log, want) {
		t.Errorf("not in the log: %s\n%s", want, log)
	}
}

// stuck has a reload of contents that are bad fail, and what was the second file be a folder that is in the way of a rollback.
const stuck = `! grep -q bad one/out || { rm two/out; mkdir -p two/out/x; false; }`

// A rollback that fails midway is finished as soon as it can be, and before that nothing is run: the half of it would be
// taken over, and confirmed for good.
func TestRollbackThatFailsMidwayIsFinished(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	w.two(t, "", stuck).Rollback = true
	w.file(t, "other", `{{key "o"}}`, "", "")
	w.Groups[1].Jobs[0].Command = w.Groups[0].Jobs[0].Command // which is for all, and would read them, too
	w.file(t, "marker", `{{key "o"}}`, "", "")
	w.key("v", "good")
	w.key("o", "1")
	w.during(t, func() {
		w.is(t, "log", "good good\n")
		w.idle(t)
		w.key("v", "bad")
		w.is(t, "one/out.rejected", "bad")
		w.is(t, "one/out", "good")
		w.idle(t) // it is not tried again
		w.key("o", "2")
		w.is(t, "marker", "2")
		w.idle(t)
		if log := w.read("log"); log != "good good\nbad bad\n" {
			t.Errorf("while the files are a mix, it has run %q", log)
		}
		if err := os.RemoveAll(w.path("two/out")); err != nil {
			t.Fatal(err)
		}
		w.key("v", "fine") // each change tries it again
		w.is(t, "log", "good good\nbad bad\ngood good\nfine fine\n")
		w.idle(t)
	})
	if g := w.Groups[0]; g.Files.Pending() || g.inconsistent() || g.err != nil {
		t.Errorf("pending %v, inconsistent %v, %v", g.Files.Pending(), g.inconsistent(), g.err)
	}
	w.logged(t, "its commands wait until this is fixed")
	w.logged(t, "belong together again")
	if strings.Contains(w.log.String(), "the destination keeps what it has\" group=pair") {
		t.Errorf("it says that nothing has happened:\n%s", w.log)
	}
}

// What was interrupted is tried again without a change, too, and while a template waits for its data: a reload is pending for it.
func TestTakenUpWhileATemplateWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		g := w.file(t, "out", `{{key "v"}}`, "", "")
		state := w.path(".out.lictor-state")
		if err := os.Mkdir(state, 0o700); err != nil { // of which nobody knows what it says
			t.Fatal(err)
		}
		g.Files = &renderer.Group{Remember: true, Destinations: []string{w.path("out")}}
		w.during(t, func() {
			synctest.Wait()
			if err := os.Remove(state); err != nil {
				t.Fatal(err)
			}
			time.Sleep(retryCommit + time.Second)
			synctest.Wait()
		})
		if !g.resumed {
			t.Error("not taken up")
		}
	})
}

// With -once a rollback that fails midway is an error that says so; what is left is for the next run.
func TestOnceWithARollbackThatFailsMidway(t *testing.T) {
	dir := ""
	once := func(value string) error {
		w := newWorkshop(t)
		if dir == "" {
			dir = w.dir
		}
		w.dir = dir
		w.Once, w.Queue.Retry = true, retry.Backoff{}
		w.two(t, "", stuck).Rollback = true
		w.file(t, "other", value, "", "")
		w.Groups[1].Jobs[0].Command = w.Groups[0].Jobs[0].Command
		w.key("v", value)
		return w.Run(t.Context())
	}
	if err := once("good"); err != nil {
		t.Fatal(err)
	}
	if err := once("bad"); err == nil || !strings.Contains(err.Error(), "rolled back half") {
		t.Error(err)
	}
	if err := os.RemoveAll(dir + "/two/out"); err != nil {
		t.Fatal(err)
	}
	if err := once("fine"); err != nil {
		t.Error(err)
	}
	log, _ := os.ReadFile(dir + "/log")
	if got := string(log); !strings.HasPrefix(got, "good good\nbad bad\n") || !strings.HasSuffix(got, "\nfine fine\n") || strings.Contains(got, "good bad") {
		t.Errorf("ran with %q", got)
	}
}

// halfway makes a group whose commits, while there is a file called broken, replace two/out, and neither one/out, nor can that be
// taken back. The test is skipped where that can't be arranged.
func (w *workshop) halfway(t *testing.T, reload string) *Group {
	t.Helper()
	for _, name := range []string{"one", "two"} {
		if err := os.MkdirAll(w.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
		w.fill(t, name+"/out", "old")
	}
	if out, err := exec.Command("chattr", "+i", w.path("one/out")).CombinedOutput(); err != nil {
		t.Skipf("can't be done here: %s", out)
	}
	w.immutable(false)
	t.Cleanup(func() { w.immutable(false) })
	// The folder of the file that is replaced first is found no more when that has to be taken back.
	check := fmt.Sprintf("cd %s; if test -e broken; then rm broken; chattr +i one/out; mv two away; touch two; fi", w.dir)
	w.file(t, "two/out", `{{key "v"}}`, check, "")
	w.file(t, "one/out", `{{key "v"}}`, "", reload)
	g := w.pair(t)
	g.Files = &renderer.Group{} // for a state could not be written there
	return g
}

func (w *workshop) immutable(is bool) {
	_ = exec.Command("chattr", map[bool]string{true: "+i", false: "-i"}[is], w.path("one/out")).Run()
}

// repair recovers what halfway has broken.
func (w *workshop) repair(t *testing.T) {
	t.Helper()
	w.immutable(false)
	if err := errors.Join(os.Remove(w.path("two")), os.Rename(w.path("away"), w.path("two"))); err != nil {
		t.Fatal(err)
	}
}

// A first commit that fails midway, and can't be taken back, keeps the program from being started and commands from being run;
// when it can be, all goes on.
func TestCommitThatFailsMidway(t *testing.T) {
	w := newWorkshop(t)
	g := w.halfway(t, `echo $(cat one/out) $(cat two/out) >> log`)
	w.file(t, "other", `{{key "o"}}`, "", "")
	w.Groups[1].Jobs[0].Command = g.Jobs[1].Command
	ready := w.awaitReady()
	w.write(t, "broken")
	w.key("v", "new")
	w.during(t, func() {
		eventually(t, func() string { return w.read("away/out") }, "new")
		w.key("o", "1")
		w.is(t, "other", "1")
		w.idle(t)
		select {
		case <-ready:
			t.Error("ready with files that are a mix")
		default:
		}
		if got := w.read("log"); got != "(none)" {
			t.Errorf("ran with %q", got)
		}
		w.repair(t)
		w.key("v", "newer")
		await(t, "ready", ready)
		eventually(t, func() string { return fmt.Sprint(strings.HasSuffix(w.read("log"), "newer newer\n")) }, "true")
		w.idle(t)
	})
	if g.Files.Pending() || g.inconsistent() || w.read("one/out") != "newer" || w.read("two/out") != "newer" {
		t.Errorf("pending %v, inconsistent %v, %q and %q\n%s", g.Files.Pending(), g.inconsistent(), w.read("one/out"), w.read("two/out"), w.log)
	}
	if log := w.read("log"); strings.Contains(log, "old new") || strings.Contains(log, "new old") {
		t.Errorf("ran with %q", log)
	}
	w.logged(t, "don't belong together")
	if strings.Contains(w.log.String(), "files of an earlier run stand") {
		t.Errorf("they are taken for good ones:\n%s", w.log)
	}
}

// The same of one that was committed before, and has no command, while the program's start still waits for another.
func TestNoStartWithFilesThatDoNotBelongTogether(t *testing.T) {
	w := newWorkshop(t)
	w.halfway(t, "")
	w.file(t, "other", `{{key "o"}}`, "", "")
	ready := w.awaitReady()
	w.key("v", "1")
	w.during(t, func() {
		w.is(t, "one/out", "1")
		w.write(t, "broken")
		w.key("v", "2")
		eventually(t, func() string { return w.read("away/out") }, "2")
		w.key("o", "1")
		w.is(t, "other", "1")
		w.key("o", "2")
		w.is(t, "other", "2") // so it is known by now that all were committed
		select {
		case <-ready:
			t.Error("ready with files that are a mix")
		default:
		}
		w.repair(t)
		w.key("v", "3")
		await(t, "ready", ready)
	})
}

// What could not be taken back is without a change, too, and a reload is run for it: somebody may have read the mix. Then all
// is made anew at once, if its data is there.
func TestCommitThatFailsMidwayIsTriedAgain(t *testing.T) {
	for _, waits := range []bool{false, true} {
		for _, reload := range []string{"", `echo $(cat one/out) $(cat two/out) >> log`} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkshop(t)
				g := w.halfway(t, reload)
				w.key("v", "1")
				w.during(t, func() {
					synctest.Wait()
					w.write(t, "broken")
					w.key("v", "2")
					eventually(t, func() string { return w.read("away/out") }, "2")
					if waits {
						w.key("v", "none")
						synctest.Wait()
					}
					w.repair(t)
					time.Sleep(retryCommit + time.Second)
					synctest.Wait()
				})
				content, log := "2", []string{"1 1", "?", "2 2"} // the second one runs while the next commit may come
				if waits {
					content, log = "1", []string{"1 1", "1 1"}
				}
				if reload == "" {
					log = []string{"(none)"}
				}
				ran := strings.Split(strings.TrimSpace(w.read("log")), "\n")
				if len(ran) == 3 {
					ran[1] = "?"
				}
				if w.read("one/out") != content || w.read("two/out") != content || !slices.Equal(ran, log) || g.Files.Pending() {
					t.Errorf("waits %v: %q and %q, ran with %q, pending %v\n%s", waits, w.read("one/out"), w.read("two/out"), ran, g.Files.Pending(), w.log)
				}
			})
		}
	}
}

// A program that runs does not hear of other files while some don't belong together, and hears of all of them afterwards.
func TestProgramIsNotToldOfFilesThatDoNotBelongTogether(t *testing.T) {
	w := newWorkshop(t)
	w.halfway(t, "")
	w.file(t, "other", `{{key "o"}}`, "", "")
	w.Child = &command.Child{Command: shell(fmt.Sprintf(`cd %s; echo "$(cat other) $(cat one/out) $(cat two/out)" >> told; exec sleep 1000`, w.dir))}
	w.key("v", "1")
	w.key("o", "1")
	w.during(t, func() {
		w.is(t, "told", "1 1 1\n")
		w.write(t, "broken")
		w.key("v", "2")
		eventually(t, func() string { return w.read("away/out") }, "2")
		for _, o := range []string{"2", "3"} { // when 3 is there, all is done that came with 2
			w.key("o", o)
			w.is(t, "other", o)
		}
		time.Sleep(100 * time.Millisecond) // in which it would be replaced
		w.repair(t)
		w.key("v", "3")
		eventually(t, func() string { return fmt.Sprint(strings.HasSuffix(w.read("told"), "3 3 3\n")) }, "true")
	})
	// While they don't belong together, the second one can't be read under its name. (The next commit may come while the program
	// reads them, of which it is told then.)
	for _, line := range strings.Split(strings.TrimSuffix(w.read("told"), "\n"), "\n") {
		if strings.HasSuffix(line, " ") {
			t.Errorf("told of %q", line)
		}
	}
}

// What is being checked was compared with the files that are there. When these are rolled back meanwhile it is made anew:
// the file that was to stay would be of other data than the one that is committed.
func TestRollbackDuringACheck(t *testing.T) {
	w := newWorkshop(t)
	w.again = never
	const reload = `echo $(cat one) $(cat two) >> log
		if test -e hold && test -e .one.lictor-previous; then mv .one.lictor-previous elsewhere; rm hold; fi
		if test -e back && test -e elsewhere; then mv elsewhere .one.lictor-previous; fi
		! grep -q bad two`
	w.file(t, "one", `{{key "a"}}{{key "b"}}`, `if grep -q 3 "$STAGED"; then touch `+w.path("checking")+`; while ! test -e `+w.path("go")+`; do sleep 0.01; done; fi`, reload)
	w.file(t, "two", `{{key "a"}}`, "", reload)
	g := w.pair(t)
	g.Rollback = true
	w.key("a", "good")
	w.key("b", "1")
	w.during(t, func() {
		w.is(t, "log", "good1 good\n")
		w.idle(t)
		w.write(t, "hold")
		w.key("a", "bad")
		// The rollback is not to be had as long as what it would bring back is elsewhere; the command is tried again and again.
		w.occurs(t, "bad1 bad", 2)
		w.key("b", "3")
		w.is(t, "checking", "")
		w.write(t, "back")
		w.is(t, "two", "good")
		w.write(t, "go")
		eventually(t, func() string { return fmt.Sprint(strings.Contains(w.read("log"), "bad3")) }, "true")
		w.idle(t)
		w.key("a", "fine")
		w.occurs(t, "fine3 fine", 1)
		w.idle(t)
	})
	if log := w.read("log"); strings.Contains(log, "bad3 good") || strings.Contains(log, "good3 bad") {
		t.Errorf("files of different data came together:\n%s", log)
	}
}

// That another lictor has written the files is no failure of a command, and is not said to be one.
func TestFilesOfOthersAreNoRollback(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}{{if key "w"}}{{end}}`, "", `echo >> log`)
	w.key("v", "1")
	w.key("w", "1")
	said := w.states()
	w.during(t, func() {
		w.is(t, "log", "\n")
		w.idle(t)
		other := &renderer.Group{Remember: true, Destinations: []string{w.path("out")}}
		if err := other.Open(); err != nil {
			t.Fatal(err)
		}
		s, err := renderer.File{Path: w.path("out")}.Stage([]byte("theirs"))
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Commit([]*renderer.Staged{s}); err != nil {
			t.Fatal(err)
		}
		w.key("w", "2")
		w.is(t, "out", "1")
		w.idle(t)
	})
	w.logs(t, 1, "have been replaced or restored")
	w.logs(t, 0, "since a command failed")
	if all := strings.Join(said(), "; "); strings.Contains(all, "failed") {
		t.Errorf("it said: %s", all)
	}
}
