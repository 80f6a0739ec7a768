package command

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lictor/internal/retry"
)

// supervise starts a Child that ends with the test, and returns a function that ends it.
func supervise(t *testing.T, c *Child) (stop func()) {
	t.Helper()
	log, text := testLog()
	ctx, cancel := context.WithCancel(context.Background())
	c.Start(ctx, log)
	t.Cleanup(func() {
		cancel()
		c.Wait()
		if t.Failed() {
			t.Log(text)
		}
	})
	return cancel
}

func awaitStatus(t *testing.T, c *Child) Status {
	t.Helper()
	select {
	case s := <-c.Exited():
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("the child never ended")
		return Status{}
	}
}

func TestChildEndsByItself(t *testing.T) {
	for _, test := range []struct {
		command Command
		want    Status
		code    int
	}{
		{shell("exit 0"), Status{}, 0},
		{shell("exit 7"), Status{Code: 7}, 7},
		{shell("kill -TERM $$"), Status{Signal: syscall.SIGTERM}, 143},
	} {
		c := &Child{Command: test.command}
		supervise(t, c)
		c.Apply(nil, false)
		if got := awaitStatus(t, c); got != test.want || got.ExitCode() != test.code {
			t.Errorf("%s: %+v, exit code %d", test.command, got, got.ExitCode())
		}
	}
}

func TestChildThatCannotStart(t *testing.T) {
	for _, policy := range []RestartPolicy{RestartNever, RestartAlways} {
		c := &Child{Command: Command{Args: []string{"/no/such/program"}}, Restart: policy}
		supervise(t, c)
		c.Apply(nil, false)
		if got := awaitStatus(t, c); got.Err == nil || got.ExitCode() != 127 {
			t.Errorf("%+v", got)
		}
	}
}

func TestChildIsStoppedBeforeItStarted(t *testing.T) {
	c := &Child{Command: shell("exit 0")}
	supervise(t, c)()
	if got := awaitStatus(t, c); !got.Stopped {
		t.Errorf("%+v", got)
	}
}

// The same environment, in whatever order, changes nothing; another one replaces the child.
func TestChildApply(t *testing.T) {
	command, note := child(t, "signals")
	c := &Child{Command: command, KillSignal: syscall.SIGINT}
	stop := supervise(t, c)
	c.Apply(childEnv("signals", note, "VALUE=1", "X=x"), false)
	awaitFile(note, "started 1\n")
	c.Apply(append([]string{"X=x"}, childEnv("signals", note, "VALUE=1")...), false)
	c.Signal(syscall.SIGUSR1) // told after the Apply was seen, or before: it must be the same process either way
	awaitFile(note, "got SIGUSR1\n")
	c.Apply(childEnv("signals", note, "VALUE=2"), false)
	awaitFile(note, "started 2\n")
	stop()
	if got := awaitStatus(t, c); !got.Stopped || got.Code != 5 {
		t.Errorf("%+v", got)
	}
	if got, want := awaitFile(note, ""), "started 1\ngot SIGUSR1\ngot SIGINT\nstarted 2\ngot SIGINT\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// Changed files are told by the reload signal, or replace the child where there is none; a changed environment always
// replaces it.
func TestChildReload(t *testing.T) {
	command, note := child(t, "signals")
	c := &Child{Command: command, ReloadSignal: syscall.SIGHUP}
	stop := supervise(t, c)
	c.Apply(childEnv("signals", note, "VALUE=1"), true)
	awaitFile(note, "started 1\n")
	c.Apply(childEnv("signals", note, "VALUE=1"), true)
	awaitFile(note, "got SIGHUP\n")
	c.Apply(childEnv("signals", note, "VALUE=2"), true)
	awaitFile(note, "started 2\n")
	stop()
	c.Wait()
	if got, want := awaitFile(note, ""), "started 1\ngot SIGHUP\ngot SIGTERM\nstarted 2\ngot SIGTERM\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestChildFilesChangedWithoutSignal(t *testing.T) {
	command, note := child(t, "signals")
	c := &Child{Command: command}
	supervise(t, c)
	c.Apply(childEnv("signals", note, "VALUE=1"), true)
	awaitFile(note, "started 1\n")
	c.Apply(childEnv("signals", note, "VALUE=1"), true)
	awaitFile(note, "started 1\ngot SIGTERM\nstarted 1\n")
}

// Changes while the child is being stopped are folded into one new start with the newest data.
func TestChildFoldsChanges(t *testing.T) {
	command, note := child(t, "reluctant")
	c := &Child{Command: command}
	supervise(t, c)
	c.Apply(childEnv("reluctant", note, "VALUE=1"), false)
	awaitFile(note, "started")
	c.Apply(childEnv("signals", note, "VALUE=2"), false)
	awaitFile(note, "got SIGTERM")
	for i := range 20 {
		c.Apply(childEnv("signals", note, "VALUE=newer"+strings.Repeat("r", i)), false)
	}
	c.Apply(childEnv("signals", note, "VALUE=last"), false)
	c.Signal(syscall.SIGUSR1)
	if got, want := awaitFile(note, "started last\n"), "started 1\ngot SIGTERM\ngot SIGUSR1\nstarted last\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A child that ignores the kill signal is killed at the timeout, with all that it forked.
func TestChildIgnoresKillSignal(t *testing.T) {
	command, note := child(t, "fork", "ignore-term", "stay")
	c := &Child{Command: command, KillTimeout: 300 * time.Millisecond}
	stop := supervise(t, c)
	c.Apply(command.Env, false)
	grandchild := pidIn(t, awaitFile(note, "pid "))
	began := time.Now()
	stop()
	if got := awaitStatus(t, c); !got.Stopped { // it does not wait as long as it would by default
		t.Errorf("%+v", got)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	eventually(t, "the grandchild is gone", func() bool { return gone(grandchild) })
}

// What a child that ended leaves behind in its group is ended too, before its end is told.
func TestChildLeavesNobodyBehind(t *testing.T) {
	command, note := child(t, "fork", "ignore-term", "end")
	c := &Child{Command: command, KillTimeout: 200 * time.Millisecond}
	supervise(t, c)
	c.Apply(command.Env, false)
	if got := awaitStatus(t, c); got.failed() || got.Stopped {
		t.Errorf("%+v", got)
	}
	pid := pidIn(t, awaitFile(note, "pid "))
	eventually(t, "the grandchild is gone", func() bool { return gone(pid) })
}

func TestChildClosesItsOutput(t *testing.T) {
	command, note := child(t, "close-stdout")
	c := &Child{Command: command}
	stop := supervise(t, c)
	c.Apply(command.Env, false)
	awaitFile(note, "started")
	c.Signal(syscall.SIGUSR2)
	awaitFile(note, "got SIGUSR2")
	stop()
	if got := awaitStatus(t, c); got != (Status{Stopped: true}) {
		t.Errorf("%+v", got)
	}
}

// The signals go to the whole group of a shell, which has a program of its own below it.
func TestChildSignalsReachBelowTheShell(t *testing.T) {
	_, note := child(t, "signals")
	c := &Child{Command: shell("trap : USR1 TERM; " + os.Args[0] + "; true")}
	stop := supervise(t, c)
	c.Apply(childEnv("signals", note), false)
	awaitFile(note, "started")
	c.Signal(syscall.SIGUSR1)
	awaitFile(note, "got SIGUSR1")
	stop()
	awaitStatus(t, c)
	awaitFile(note, "got SIGTERM")
}

func TestRestartPolicies(t *testing.T) {
	for _, test := range []struct {
		policy RestartPolicy
		code   string
		again  bool
	}{
		{RestartNever, "3", false}, {"", "3", false}, {RestartOnFailure, "0", false},
		{RestartOnFailure, "3", true}, {RestartAlways, "0", true},
	} {
		t.Run(string(test.policy)+test.code, func(t *testing.T) {
			command, note := child(t, "exit", test.code)
			c := &Child{Command: command, Restart: test.policy, Backoff: retry.Backoff{First: time.Millisecond, Most: 2 * time.Millisecond}}
			stop := supervise(t, c)
			c.Apply(command.Env, false)
			if test.again {
				awaitFile(note, strings.Repeat("ran\n", 4))
				stop()
			}
			got := awaitStatus(t, c)
			if got.Stopped != test.again {
				t.Errorf("%+v", got)
			}
			if told := awaitFile(note, "ran"); !test.again && told != "ran\n" {
				t.Errorf("told %q", told)
			}
		})
	}
}

// A crash loop is slowed down, and new data ends the pause.
func TestChildCrashLoop(t *testing.T) {
	command, note := child(t, "exit", "1")
	c := &Child{Command: command, Restart: RestartOnFailure, Backoff: retry.Backoff{First: time.Hour}}
	supervise(t, c)
	c.Apply(command.Env, false)
	awaitFile(note, "ran\n")
	c.Apply(childEnv("signals", note, "VALUE=fixed"), false)
	if got := awaitFile(note, "fixed"); got != "ran\nstarted fixed\n" {
		t.Errorf("told %q", got)
	}
}

func TestSplayDelaysStop(t *testing.T) {
	command, note := child(t, "signals")
	c := &Child{Command: command, Splay: time.Hour}
	stop := supervise(t, c)
	c.Apply(command.Env, false)
	awaitFile(note, "started")
	stop()
	c.Signal(syscall.SIGUSR1) // it still runs
	awaitFile(note, "got SIGUSR1")
	c.Signal(syscall.SIGKILL) // as a second Ctrl-C does
	if got := awaitStatus(t, c); !got.Stopped || got.Signal != syscall.SIGKILL {
		t.Errorf("%+v", got)
	}
}

// A child that was suspended still gets the kill signal.
func TestSuspendedChildIsStopped(t *testing.T) {
	command, note := child(t, "signals")
	c := &Child{Command: command, KillTimeout: time.Hour}
	stop := supervise(t, c)
	c.Apply(command.Env, false)
	awaitFile(note, "started")
	c.Signal(syscall.SIGSTOP)
	eventually(t, "we know that it is suspended", func() bool {
		c.mu.Lock()
		p := c.current
		c.mu.Unlock()
		p.mu.Lock() // it has started, so there is one
		defer p.mu.Unlock()
		return p.halted
	})
	stop()
	if got := awaitStatus(t, c); got != (Status{Stopped: true}) {
		t.Errorf("%+v", got)
	}
}

// When the supervisor is killed, the kernel kills the child.
func TestKilledSupervisorLeavesNoOrphan(t *testing.T) {
	command, note := child(t, "supervise")
	cmd := exec.Command(command.Args[0])
	cmd.Env = append(command.Env, "INNER=ignore-term")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, awaitFile(note, "pid "))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "the child is gone", func() bool { return gone(pid) })
}

// onTerminal runs a supervisor as the leader of a session on a terminal of its own.
func onTerminal(t *testing.T, how, inner string) (tty *os.File, cmd *exec.Cmd, note string) {
	t.Helper()
	command, note := child(t, "supervise")
	cmd = exec.Command(command.Args[0], how)
	cmd.Env = append(command.Env, "INNER="+inner)
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
	})
	return tty, cmd, note
}

// The child reads what is typed, whether the terminal is all its own or it writes to a pipe.
func TestChildReadsTerminal(t *testing.T) {
	for _, how := range []string{"terminal", "pipeline"} {
		t.Run(how, func(t *testing.T) {
			tty, cmd, note := onTerminal(t, how, "read-line")
			if _, err := io.WriteString(tty, "typed in\n"); err != nil {
				t.Fatal(err)
			}
			awaitFile(note, "read \"typed in\\n\" <nil>\n")
			awaitFile(note, "supervisor saw exit code 0\n")
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Ctrl-C goes to the child and not to us.
func TestInterruptOnTerminal(t *testing.T) {
	tty, cmd, note := onTerminal(t, "terminal", "signals")
	awaitFile(note, "started")
	eventually(t, "the child has the terminal", func() bool { // it may have begun before it got it
		owner, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
		return err == nil && owner != cmd.Process.Pid
	})
	if _, err := tty.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	awaitFile(note, "started \ngot SIGINT\nsupervisor saw exit code 5\n")
}

// Ctrl-Z under a shell with job control suspends child and supervisor, and fg resumes both.
func TestSuspendOnTerminal(t *testing.T) {
	command, note := child(t, "supervise")
	shell := exec.Command("bash", "--norc", "-i")
	shell.Env = append(command.Env, "INNER=read-line", "PS1=$ ", "TERM=dumb", "HOME=/nonexistent")
	tty, err := pty.Start(shell)
	if err != nil {
		t.Skip("no bash here: ", err)
	}
	screen := &logBuffer{}
	copied := make(chan struct{})
	go func() {
		_, _ = io.Copy(screen, tty)
		close(copied)
	}()
	t.Cleanup(func() {
		_ = shell.Process.Kill()
		_ = shell.Wait()
		_ = tty.Close()
		<-copied
		if t.Failed() {
			t.Logf("screen: %s", screen)
		}
	})
	typeIn := func(s string) {
		if _, err := io.WriteString(tty, s); err != nil {
			t.Error(err)
		}
	}
	typeIn(os.Args[0] + " terminal; echo first-$?\n")
	pid := pidIn(t, awaitFile(note, "pid "))
	inForeground := func() bool {
		group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
		return err == nil && group == pid
	}
	eventually(t, "the child has the terminal", inForeground)
	typeIn("\x1a")
	eventually(t, "the shell sees its job stop", func() bool { return strings.Contains(screen.String(), "Stopped") })
	typeIn("fg\n")
	eventually(t, "the child has the terminal again", inForeground)
	typeIn("after all\n")
	awaitFile(note, "\nread \"after all\\n\" <nil>\nsupervisor saw exit code 0\n")
}
