package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/command"
	"lictor/internal/retry"
	"lictor/renderer"
)

// workshop is a bench whose destinations are real files in a folder, with real commands.
type workshop struct {
	*bench
	dir string
}

func newWorkshop(t *testing.T) *workshop {
	w := &workshop{bench: newBench(), dir: t.TempDir()}
	w.Queue.Retry = retry.Backoff{First: 20 * time.Millisecond, Most: 50 * time.Millisecond}
	return w
}

func shell(text string) command.Command { return command.Command{Args: []string{text}, Shell: true} }

func (w *workshop) path(name string) string { return filepath.Join(w.dir, name) }

// file makes a template with a file as its destination; check and reload are texts for the shell, "" for none.
func (w *workshop) file(t *testing.T, name, text, check, reload string) *Group {
	t.Helper()
	job := w.add(t, name, text)
	job.Path = w.path(name)
	job.Stage = func(output []byte) (Staged, error) {
		s, err := renderer.File{Path: job.Path}.Stage(output)
		if s == nil {
			return nil, err
		}
		return s, err
	}
	if check != "" {
		job.Check = func(staged, folder string) command.Command {
			c := shell(check)
			c.Env = append(os.Environ(), "STAGED="+staged, "FOLDER="+folder)
			return c
		}
	}
	if reload != "" {
		job.Command = shell("cd " + w.dir + "; " + reload)
	}
	g := w.Groups[len(w.Groups)-1]
	w.remember(t, g)
	return g
}

// remember gives the group a state file.
func (w *workshop) remember(t *testing.T, g *Group) {
	t.Helper()
	files := &renderer.Group{Remember: true}
	for _, j := range g.Jobs {
		files.Destinations = append(files.Destinations, j.Path)
	}
	if err := files.Open(); err != nil {
		t.Fatal(err)
	}
	files.KeepPrevious = true
	g.Files = files
}

func (w *workshop) read(name string) string {
	b, err := os.ReadFile(w.path(name))
	if err != nil {
		return "(none)"
	}
	return string(b)
}

// eventually waits until what has become want.
func eventually(t *testing.T, what func() string, want string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for what() != want {
		if time.Now().After(deadline) {
			t.Fatalf("got %q, want %q", what(), want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (w *workshop) is(t *testing.T, name, want string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Log(w.log.String())
		}
	}()
	eventually(t, func() string { return w.read(name) }, want)
}

func TestCheckKeepsABadOutputOut(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, `grep -q good "$STAGED"`, `echo reload >> log`)
	w.key("v", "good 1")
	w.during(t, func() {
		w.is(t, "log", "reload\n")
		w.key("v", "bad secret")
		w.is(t, "out.rejected", "bad secret")
		if got := w.read("out"); got != "good 1" {
			t.Errorf("the destination has %q", got)
		}
		w.key("v", "good 2")
		w.is(t, "log", "reload\nreload\n")
	})
	if got := w.read("out"); got != "good 2" {
		t.Errorf("the destination has %q", got)
	}
	if log := w.log.String(); !strings.Contains(log, "check failed") || strings.Contains(log, "secret") {
		t.Errorf("want the failure and no content in the log:\n%s", log)
	}
	left, _ := filepath.Glob(w.path(".*lictor-[0-9]*"))
	if len(left) > 0 {
		t.Errorf("staged files are left: %v", left)
	}
}

func TestGroupIsCheckedAndCommittedAsOne(t *testing.T) {
	w := newWorkshop(t)
	// The check sees both files, where they are going to lie, staged or not.
	check := fmt.Sprintf(`cmp "$FOLDER%s" "$FOLDER%s"`, w.path("one"), w.path("two"))
	w.file(t, "one", `{{key "a"}}`, check, `echo reload >> log`)
	w.file(t, "two", `{{key "b"}}`, "", `echo reload >> log`)
	pair := &Group{Name: "pair", Jobs: []*Job{w.Groups[0].Jobs[0], w.Groups[1].Jobs[0]}}
	w.Groups = []*Group{pair}
	w.remember(t, pair)
	w.key("a", "1")
	w.key("b", "1")
	w.during(t, func() {
		w.is(t, "log", "reload\n")
		w.key("a", "2") // alone it fits nothing
		w.is(t, "one.rejected", "2")
		if w.read("one") != "1" || w.read("two") != "1" {
			t.Errorf("one %q, two %q", w.read("one"), w.read("two"))
		}
		w.key("b", "2")
		w.is(t, "log", "reload\nreload\n")
	})
	if w.read("one") != "2" || w.read("two") != "2" {
		t.Errorf("one %q, two %q", w.read("one"), w.read("two"))
	}
}

func TestRollback(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	g := w.file(t, "out", `{{key "v"}}`, "", `cat out >> log; grep -q good out`)
	g.Rollback = true
	w.key("v", "good 1\n")
	w.during(t, func() {
		w.is(t, "log", "good 1\n")
		w.key("v", "bad\n")
		w.is(t, "log", "good 1\nbad\ngood 1\n")
		w.is(t, "out", "good 1\n")
		w.is(t, "out.rejected", "bad\n")
		w.key("v", "good 2\n")
		w.is(t, "log", "good 1\nbad\ngood 1\ngood 2\n")
		w.key("v", "good 1\n")
		w.is(t, "log", "good 1\nbad\ngood 1\ngood 2\ngood 1\n")
	})
}

func TestFailedReloadIsOwed(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, "", `echo try >> log; test -e works`)
	w.key("v", "1")
	w.during(t, func() {
		eventually(t, func() string { return fmt.Sprint(strings.Count(w.read("log"), "try") >= 2) }, "true")
		if err := os.WriteFile(w.path("works"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string { return fmt.Sprint(w.Queue.Busy()) }, "false")
	})
}

func TestReloadIsOwedAcrossARestart(t *testing.T) {
	w := newWorkshop(t)
	dir := w.dir
	once := func() error {
		w := newWorkshop(t)
		w.dir = dir
		w.Once = true
		w.Queue.Retry = retry.Backoff{}
		w.file(t, "out", `{{key "v"}}`, "", `echo try >> log; test -e works`)
		w.key("v", "1")
		return w.Run(context.Background())
	}
	if err := once(); err == nil {
		t.Error("a failed reload is no error")
	}
	if err := once(); err == nil { // nothing has changed, and still
		t.Error("the reload was forgotten")
	}
	if err := os.WriteFile(w.path("works"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := once(); err != nil {
			t.Error(err)
		}
	}
	if got := w.read("log"); got != "try\ntry\ntry\n" {
		t.Errorf("got %q: want three tries, and none when it had succeeded", got)
	}
}

func TestOnceRollsBackAndFails(t *testing.T) {
	w := newWorkshop(t)
	dir := w.dir
	once := func(value string) error {
		w := newWorkshop(t)
		w.dir = dir
		w.Once = true
		w.Queue.Retry = retry.Backoff{}
		w.file(t, "out", `{{key "v"}}`, "", `cat out >> log; grep -q good out`).Rollback = true
		w.key("v", value)
		return w.Run(context.Background())
	}
	if err := once("good\n"); err != nil {
		t.Fatal(err)
	}
	want := "good\n"
	for range 2 { // a start tries once what was rolled back before
		if err := once("bad\n"); err == nil {
			t.Error("no error")
		}
		want += "bad\ngood\n"
		if got := w.read("log"); got != want || w.read("out") != "good\n" {
			t.Errorf("log %q, out %q", got, w.read("out"))
		}
	}
}

func TestSlowCommandHoldsUpNothing(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "slow", `{{key "a"}}`, "", `while ! test -e go; do sleep 0.01; done`)
	w.file(t, "quick", `{{key "b"}}`, "", "")
	w.key("a", "1")
	w.key("b", "1")
	w.during(t, func() {
		w.is(t, "slow", "1")
		w.key("b", "2")
		w.is(t, "quick", "2")
		w.key("a", "2")
		w.is(t, "slow", "2") // not even its own template
		if err := os.WriteFile(w.path("go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMinIntervalBoundsReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "v"}}`)
		b.Groups[0].MinInterval = 10 * time.Second
		b.key("v", "0")
		b.during(t, func() {
			synctest.Wait()
			for i := range 50 {
				time.Sleep(500 * time.Millisecond)
				b.key("v", fmt.Sprint(i))
			}
			time.Sleep(11 * time.Second)
			synctest.Wait()
		})
		if n := b.disk.writes["out"]; n > 5 || b.disk.read("out") != "49" {
			t.Errorf("%d commits in 36 s, the last of %q; want at most 5, of 49", n, b.disk.read("out"))
		}
	})
}

// The bubble's clock stands still while a command runs, so all of it happens within the time that commands wait for each other.
func TestSharedCommandRunsOnceAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.Once = true
		w.file(t, "one", `{{key "a"}}`, "", `cat one two three >> log`)
		w.file(t, "two", `{{key "b"}}`, "", `cat one two three >> log`)
		w.file(t, "three", `{{key "c"}}`, "", `cat one two three >> log`)
		err := w.during(t, func() {
			for i, key := range []string{"a", "b", "c"} {
				w.key(key, fmt.Sprint(i+1))
				synctest.Wait()
			}
		})
		if err != nil || w.read("log") != "123" {
			t.Errorf("%v, log %q", err, w.read("log"))
		}
	})
}

func TestCommandDoesNotWaitForATemplateThatWaits(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "one", `{{key "a"}}`, "", `echo one >> log`)
	w.file(t, "two", `{{key "b"}}`, "", `echo two >> log`)
	w.key("a", "1")
	w.during(t, func() { w.is(t, "log", "one\n") })
}
