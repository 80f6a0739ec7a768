package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/command"
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
		w.file(t, "marker", `{{key "v"}}`, "", "")
		w.key("v", "1")
		w.during(t, func() {
			w.is(t, "seen", "1")
			w.key("v", "2")
			w.is(t, "marker", "2") // so the runner has seen it
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

// Whatever is under way when the runner is told to end, nothing of it is left.
func TestEndDuringACheck(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, `echo $FOLDER > `+w.path("folder")+`; sleep 3600`, "")
	w.key("v", "1")
	w.during(t, func() {
		eventually(t, func() string { return fmt.Sprint(len(w.read("folder")) > 10) }, "true")
	}) // which does not wait for the check
	left, _ := filepath.Glob(w.path(".*lictor-[0-9]*"))
	if folder := strings.TrimSpace(w.read("folder")); len(left) > 0 || exists(folder) {
		t.Errorf("left: %v %s", left, folder)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// A check that could not tell is run again after a while, though nothing has changed; one that has refused is not.
func TestCheckThatCouldNotTellIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		check command.Command
		again bool
	}{
		"no such program":          {command.Command{Args: []string{"/nonexistent/check"}}, true},
		"no such program, a shell": {shell("/nonexistent/check"), true},
		"killed":                   {shell("kill -9 $$"), true},
		"refused":                  {shell("exit 1"), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkshop(t)
				j := w.file(t, "out", `{{key "v"}}`, "", "").Jobs[0]
				checks := 0
				j.Check = func(string, string) command.Command {
					if checks++; checks <= 2 {
						return c.check
					}
					return shell("true")
				}
				w.key("v", "1")
				w.during(t, func() {
					w.is(t, "out.rejected", "1")
					synctest.Wait()
					time.Sleep(2*retryCommit + time.Second)
					synctest.Wait()
				})
				if committed := w.read("out") == "1"; committed != c.again {
					t.Errorf("%d checks, committed %v\n%s", checks, committed, w.log)
				}
				w.logs(t, 1, `msg="check failed`)
			})
		})
	}
}

// What a check says after it could not tell is news, though the content is the same.
func TestRefusalAfterACheckThatCouldNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.file(t, "out", `{{key "v"}}`, `test -e `+w.path("up")+` || exit 127; echo no good; exit 1`, "")
		w.key("v", "1")
		w.during(t, func() {
			w.is(t, "out.rejected", "1")
			w.write(t, "up")
			time.Sleep(retryCommit + time.Second)
			synctest.Wait()
			time.Sleep(2 * retryCommit)
		})
		w.logs(t, 2, `msg="check failed`)
		w.logs(t, 1, `msg="command output"`) // and it was not tried again
	})
}

// A check that several files of a group share runs once, and its reason is logged once, with the differences of all of them.
func TestCheckOfTheGroupRunsOnce(t *testing.T) {
	w := newWorkshop(t)
	for _, name := range []string{"one", "two", "three"} {
		w.file(t, name, lists, "", "")
	}
	g := &Group{Name: "g"}
	for _, each := range w.Groups {
		g.Jobs = append(g.Jobs, each.Jobs[0])
	}
	for _, j := range g.Jobs[:2] {
		j.Check = func(_, folder string) command.Command {
			return shell(fmt.Sprintf(`echo >> %s; ! grep -q bad %s`, w.path("checks"), folder+w.path("one")))
		}
	}
	w.Groups = []*Group{g}
	w.remember(t, g)
	w.other()
	w.services("good")
	w.during(t, func() {
		w.is(t, "three", "good\n")
		w.checks(t, 1)
		w.services("bad")
		w.is(t, "three.rejected", "bad\n")
		w.checks(t, 2)
		w.services("fine")
		w.is(t, "three", "fine\n")
		w.checks(t, 3)
	})
	w.logs(t, 1, "check failed")
	w.logs(t, 2, "refused along with it")
	w.logs(t, 3, `-good\n+bad"`)
}
