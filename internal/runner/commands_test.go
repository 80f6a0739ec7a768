package runner

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lictor/internal/command"
	"lictor/internal/retry"
)

// program is a child that notes what it was started with, is up from then on, and ends when it is told to. Like a server
// whose process file names it, it can be reloaded only while it is up.
const program = `trap 'rm -f up; exit 0' TERM; echo "start $(cat out)" >> log; : > up; while ! test -e end; do sleep 0.01; done; exit 3`

// reloadProgram fails as `nginx -s reload` does where nginx is not up, and where the configuration is a bad one.
const reloadProgram = `test -e up || { echo "not up: $(cat out)" >> log; exit 1; }; echo "reload $(cat out)" >> log; ! grep -q bad out`

// withProgram is a workshop with one file, whose command reloads the child, and which goes back where that fails.
func withProgram(t *testing.T, dir, child string) *workshop {
	w := newWorkshop(t)
	if dir != "" {
		w.dir = dir
	}
	w.file(t, "out", `{{key "v"}}`, "", reloadProgram).Rollback = true
	w.Child = &command.Child{Command: shell("cd " + w.dir + "; " + child), KillSignal: 15, IgnoreFiles: true}
	return w
}

// A change that has come while we were down is what the program starts with: its reload, which can only fail before, comes
// afterwards.
func TestChildStartsBeforeTheCommands(t *testing.T) {
	dir := ""
	for _, v := range []string{"1", "2"} {
		w := withProgram(t, dir, program)
		dir = w.dir
		w.key("v", v)
		w.during(t, func() {
			eventually(t, func() string { return fmt.Sprint(strings.HasSuffix(w.read("log"), "start "+v+"\nreload "+v+"\n")) }, "true")
			w.idle(t)
		})
		if w.Groups[0].Files.Pending() || strings.Contains(w.log.String(), "ERROR") {
			t.Errorf("pending %v, log:\n%s", w.Groups[0].Files.Pending(), w.log)
		}
	}
	if got := (&workshop{dir: dir}).read("log"); got != "start 1\nreload 1\nstart 2\nreload 2\n" {
		t.Errorf("log %q", got)
	}
}

// A program may take its time until it can be reloaded: the files that it was started with stay, and the reload comes when it
// can. From then on one that fails has the previous files come back.
func TestChildThatIsSlowToComeUp(t *testing.T) {
	w := withProgram(t, "", strings.Replace(program, ": > up", "while ! test -e ready; do sleep 0.01; done; : > up", 1))
	w.again = never
	w.write(t, "out")
	w.key("v", "1")
	w.during(t, func() {
		eventually(t, func() string { return fmt.Sprint(strings.Count(w.read("log"), "not up: 1\n") > startAttempts) }, "true")
		w.write(t, "ready")
		w.occurs(t, "reload 1", 1)
		w.idle(t)
		w.key("v", "bad")
		w.occurs(t, "reload bad", 1)
		w.occurs(t, "reload 1", 2)
	})
	log := w.log.String()
	if w.read("out") != "1" || strings.Count(log, "command failed, as it may until the program is up") != startAttempts-1 ||
		strings.Index(log, "command failed, will retry") > strings.Index(log, "the previous files are back") {
		t.Errorf("it has %q, log:\n%s", w.read("out"), log)
	}
}

// What has failed in an earlier run is no content to start a program with: it is tried when the program is up.
func TestChildDoesNotStartWithWhatWasRolledBack(t *testing.T) {
	w := withProgram(t, "", program)
	w.again, w.Queue.Retry = never, slowly
	w.key("v", "1")
	w.during(t, func() {
		w.occurs(t, "reload 1", 1)
		w.idle(t)
		w.key("v", "bad")
		w.occurs(t, "reload 1", 2)
		w.idle(t)
	})
	w = withProgram(t, w.dir, program)
	w.again, w.Queue.Retry = retry.Backoff{First: 3 * time.Second}, slowly
	w.key("v", "bad")
	w.during(t, func() {
		w.occurs(t, "start 1", 2)
		w.occurs(t, "reload bad", 2)
		w.occurs(t, "reload 1", 3)
	})
	if strings.Contains(w.read("log"), "start bad") {
		t.Errorf("log %q", w.read("log"))
	}
}

// In consul-template's place commands come first, and prepare what the program needs. One that fails holds up nothing, and
// is no reason to go back.
func TestCommandsBeforeTheChild(t *testing.T) {
	w := withProgram(t, "", program)
	w.Commands = CommandsFirst
	w.write(t, "out")
	w.key("v", "1")
	w.during(t, func() { w.occurs(t, "reload 1", 1) })
	got := w.read("log")
	for strings.HasPrefix(got, "not up: 1\nnot up: 1\n") { // tried again before the program was up
		got = strings.TrimPrefix(got, "not up: 1\n")
	}
	if !strings.HasPrefix(got, "not up: 1\nstart 1\n") || !strings.HasSuffix(got, "reload 1\n") {
		t.Errorf("log %q", got)
	}
}

// With Once the program's end is ours, whether the commands have succeeded or not, and a template that fails keeps it from
// being started, though the command of another one waits for that.
func TestOnceWithAChildAndCommands(t *testing.T) {
	w := withProgram(t, "", program)
	w.Once = true
	w.key("v", "bad")
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	w.occurs(t, "reload bad", 2)
	w.write(t, "end")
	if exit, ok := errors.AsType[ChildExit](<-ended); !ok || exit.Code != 3 || w.read("out") != "bad" || !w.Groups[0].Files.Pending() {
		t.Errorf("exit %v, the file has %q, pending %v", exit, w.read("out"), w.Groups[0].Files.Pending())
	}

	w = withProgram(t, "", program)
	w.Once = true
	w.add(t, "other", `{{number (key "v")}}`)
	w.key("v", "x")
	if err := w.Run(t.Context()); err == nil || w.read("log") != "(none)" || w.read("out") != "x" {
		t.Errorf("%v, log %q, the file has %q", err, w.read("log"), w.read("out"))
	}
}

// Commands that wait for a program that can't be started yet are noted once, however often their files change meanwhile.
func TestCommandsWaitForTheChildOnce(t *testing.T) {
	w := withProgram(t, "", program)
	w.file(t, "other", `{{key "absent"}}`, "", "")
	w.key("v", "0")
	w.during(t, func() {
		for i := range 20 {
			w.key("v", fmt.Sprint(i))
			w.is(t, "out", fmt.Sprint(i))
		}
	})
	if len(w.pending) != 1 || w.read("log") != "(none)" {
		t.Errorf("%d commands wait, log %q", len(w.pending), w.read("log"))
	}
}

// Where no command runs, none is taken to be done: the next run that runs commands runs it.
func TestCommandsNever(t *testing.T) {
	w := newWorkshop(t)
	w.Once, w.Commands = true, CommandsNever
	w.file(t, "out", `{{key "v"}}`, "", "echo $(cat out) >> log").Rollback = true
	w.file(t, "plain", `{{key "v"}}`, "", "")
	w.key("v", "1")
	for range 2 { // the second one finds what the first has left pending
		if err := w.Run(t.Context()); err != nil || w.read("out") != "1" || w.read("log") != "(none)" {
			t.Fatalf("%v, the file has %q, log %q", err, w.read("out"), w.read("log"))
		}
		next := newWorkshop(t)
		next.dir = w.dir
		next.file(t, "out", `{{key "v"}}`, "", "echo $(cat out) >> log").Rollback = true
		next.file(t, "plain", `{{key "v"}}`, "", "")
		next.key("v", "1")
		next.Once, next.Commands = true, CommandsNever
		w = next
		if !w.Groups[0].Files.Pending() || w.Groups[1].Files.Pending() {
			t.Errorf("pending %v and %v", w.Groups[0].Files.Pending(), w.Groups[1].Files.Pending())
		}
	}
	w.Commands = CommandsAfterStart
	if err := w.Run(t.Context()); err != nil || w.read("log") != "1\n" || w.Groups[0].Files.Pending() {
		t.Errorf("%v, log %q, pending %v", err, w.read("log"), w.Groups[0].Files.Pending())
	}
}
