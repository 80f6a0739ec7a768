package command

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The ways in which a shell may stand between us and the program APP.
var shellTexts = []string{
	"APP; true", "cd / && APP", "(cd /; APP); true", "APP | cat", "cat /dev/null | APP 2>&1 | cat", "APP & wait", "APP & APP2=x; wait $!; true",
	"true; sh -c 'APP; true'", "trap 'APP2=x' USR2; APP; true",
}

// The reload signal and those that are passed on reach the program below a shell, and end neither the shell nor the other
// programs of a pipe; the signal that asks for the end ends all of it.
func TestShellSurvivesSignals(t *testing.T) {
	for _, name := range []string{"sh", "dash", "bash"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("no %s here", name)
			continue
		}
		for _, text := range shellTexts {
			t.Run(name+" "+text, func(t *testing.T) {
				_, note := child(t, "signals")
				text := strings.ReplaceAll(text, "APP2", "x")
				text = strings.ReplaceAll(text, "APP", os.Args[0])
				c := &Child{Command: shell(text), ReloadSignal: syscall.SIGHUP}
				if name != "sh" {
					c.Command = shell(name + " -c " + quoteWord(text))
				}
				stop := supervise(t, c)
				c.Apply(childEnv("signals", note), false)
				awaitFile(note, "started")
				for range 2 {
					c.Apply(childEnv("signals", note), true)
					awaitFile(note, "got SIGHUP")
					c.Signal(syscall.SIGUSR1)
					awaitFile(note, "got SIGUSR1")
					c.Signal(syscall.SIGUSR2)
					awaitFile(note, "got SIGUSR2")
					if err := os.WriteFile(note, nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				stop()
				if got := awaitStatus(t, c); !got.Stopped {
					t.Errorf("it ended: %+v", got)
				}
				if got := awaitFile(note, "got SIGTERM"); got != "got SIGTERM\n" {
					t.Errorf("told %q", got)
				}
			})
		}
	}
}

// Below a shell that the kill signal ends at once the program has the time to end in its own way: it is not asked by SIGTERM,
// which may mean something else, since the shell has ended.
func TestProgramBelowShellMayDrain(t *testing.T) {
	_, note := child(t, "drain")
	c := &Child{Command: shell(os.Args[0] + "; true"), KillSignal: syscall.SIGUSR1}
	stop := supervise(t, c)
	c.Apply(childEnv("drain", note), false)
	awaitFile(note, "started")
	stop()
	awaitStatus(t, c)
	if got, want := awaitFile(note, "end"), "started\ngot SIGUSR1\nend: drained\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// What a shell has put into the background ignores SIGINT. It is ended all the same when the shell is.
func TestBackgroundOfShellIsEnded(t *testing.T) {
	_, note := child(t, "")
	c := &Child{Command: shell("sleep 3600 & echo pid $! > " + note + "; wait"), KillSignal: syscall.SIGINT}
	stop := supervise(t, c)
	c.Apply([]string{"PATH=" + os.Getenv("PATH")}, false)
	pid := pidIn(t, awaitFile(note, "pid "))
	stop()
	awaitStatus(t, c)
	if !gone(pid) {
		t.Error("it still runs")
	}
}

// A signal that would end everybody is not passed on; a reload signal that would is no way to tell of changed files, and the
// program is replaced.
func TestSignalsThatNobodyHandles(t *testing.T) {
	script := "echo started >> NOTE; while :; do sleep 0.02; done"
	for name, list := range map[string]bool{"text": false, "list": true} {
		t.Run(name, func(t *testing.T) {
			note := filepath.Join(t.TempDir(), "note")
			script := strings.ReplaceAll(script, "NOTE", note)
			c := &Child{Command: shell(script), ReloadSignal: syscall.SIGUSR2}
			if list {
				c.Command = Command{Args: []string{"sh", "-c", script}}
			}
			log, text := testLog()
			ctx, cancel := context.WithCancel(t.Context())
			c.Start(ctx, log)
			defer c.Wait()
			defer cancel()
			env := []string{"PATH=" + os.Getenv("PATH")}
			c.Apply(env, false)
			awaitFile(note, "started\n")
			if !list {
				c.Signal(syscall.SIGUSR1)
				eventually(t, "the log says that it was not passed on", func() bool {
					return strings.Contains(text.String(), `msg="a signal was not passed on`) && strings.Contains(text.String(), "signal=SIGUSR1")
				})
			}
			c.Apply(env, true)
			awaitFile(note, "started\nstarted\n")
			if got := text.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "replacing the child: it does not handle the reload signal") {
				t.Errorf("the log says %s", got)
			}
		})
	}
}
