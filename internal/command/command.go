// Package command runs other programs: reload and check commands ([Command.Run]), many of them off the caller's loop
// ([Queue]), and the one long-lived child of exec mode ([Child]). Besides the packages under watch it is the only one
// that starts goroutines; each of them ends with the context that it was given.
//
// Every program leads a process group of its own, so that what it forked can be ended along with it.
package command

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A Command is a program with its arguments and surroundings. It is a plain value: it may be copied, and run many times.
type Command struct {
	// Args is the program and its arguments; with Shell it is one text for /bin/sh -c, which is run without a shell where that
	// comes to the same.
	Args  []string
	Shell bool
	// Env is the whole environment, as "NAME=value"; nil means our own.
	Env []string
	Dir string // "" is our own working directory
	// Timeout bounds a run; 0 means no limit. What then still runs gets SIGTERM, and SIGKILL after Grace
	// (0 means 5 seconds).
	Timeout, Grace time.Duration
	// Stdout and Stderr take what the program prints; nil sends it to the log, line by line, and of one [Command.Run]
	// the first 64 kB. An *os.File is handed to the program itself. Anything else is read from a pipe, which is closed half a
	// second after the program ended, so what it leaves running in the background must have redirected its output.
	Stdout, Stderr io.Writer
	// Hide is called when a run begins, and makes what takes out of a line that the run prints what must not be logged, before it is,
	// or becomes part of an error. That is called from two goroutines at a time. Nil leaves lines as they are.
	Hide func() func(line string) string
}

const (
	defaultGrace = 5 * time.Second
	// outputDelay is how long we go on reading the output of a program that ended, while something that it left running
	// keeps the pipe open.
	outputDelay = 500 * time.Millisecond
)

// Run runs the command and waits for its end. It has no standard input. When its time is up, or ctx ends, its whole
// process group gets SIGTERM, and SIGKILL after Grace. The error is a *[StartError] when it could not be started, and an
// *[ExitError] when it did not end with code 0; when ctx ended, the error wraps ctx's as well. Run may be called from
// anywhere.
func (c Command) Run(ctx context.Context, log *slog.Logger) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("command %q was not started: %w", c.String(), err)
	}
	log = log.With("command", c.String())
	output := runOutput{command: c.String()}
	p, err := c.start(log, startOptions{output: &output})
	if err != nil {
		return err
	}
	defer output.tellLeftOut(log)
	var limit <-chan time.Time
	if c.Timeout > 0 {
		t := time.NewTimer(c.Timeout)
		defer t.Stop()
		limit = t.C
	}
	timedOut := false
	select {
	case <-p.exited:
	case <-limit:
		timedOut = true
	case <-ctx.Done():
	}
	select {
	case <-p.exited:
		timedOut = false // it was faster after all
		<-p.done
	default:
		deadline := time.Now().Add(orDefault(c.Grace, defaultGrace))
		p.stop(syscall.SIGTERM, true, deadline)
		p.sweep(deadline)
		if err := ctx.Err(); err != nil && !timedOut {
			return fmt.Errorf("command %q was stopped: %w", c.String(), err)
		}
	}
	if !timedOut && p.status.Code == 0 && p.status.Signal == 0 {
		return nil
	}
	return &ExitError{Command: c.String(), Code: p.status.Code, Signal: p.status.Signal, TimedOut: timedOut, Limit: c.Timeout, Output: output.String()}
}

// String is the command as one might type it, on one line and of bounded length: for logs and messages.
func (c Command) String() string {
	s := strings.Join(c.Args, " ")
	if !c.Shell {
		words := make([]string, len(c.Args))
		for i, a := range c.Args {
			words[i] = quoteWord(a)
		}
		s = strings.Join(words, " ")
	}
	s = strings.Join(strings.Fields(s), " ")
	const limit = 160
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}

// Key tells commands apart: two that would do the same have the same key, whose length is fixed. It is not for people.
func (c Command) Key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%t %q %q %q %t", c.Shell, c.Args, c.Dir, c.Env, c.Env == nil))
	return string(sum[:])
}

// cmd makes the exec.Cmd of the command, or says why it can't be started.
func (c Command) cmd() (*exec.Cmd, error) {
	if len(c.Args) == 0 || strings.TrimSpace(c.Args[0]) == "" {
		return nil, &StartError{Err: errors.New("it is empty")}
	}
	if c.Shell {
		if program, args, ok := c.direct(); ok {
			return &exec.Cmd{Path: program, Args: args, Env: c.Env, Dir: c.Dir}, nil
		}
		return &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", c.Args[0]}, Env: c.Env, Dir: c.Dir}, nil
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	if cmd.Err != nil {
		return nil, &StartError{Command: c.String(), Err: cmd.Err}
	}
	return cmd, nil
}

// An ExitError says how a program ended that did not end well.
type ExitError struct {
	Command  string
	Code     int            // the exit code, when Signal is 0
	Signal   syscall.Signal // the signal that ended it, or 0
	TimedOut bool           // it was stopped because it ran longer than Limit
	Limit    time.Duration
	Output   string // the last lines that it printed to the log, on one line and of bounded length
}

func (e *ExitError) Error() string {
	if e.Output != "" {
		return e.how() + ": " + e.Output
	}
	return e.how()
}

func (e *ExitError) how() string {
	switch {
	case e.TimedOut:
		return fmt.Sprintf("command %q did not end within %s and was stopped", e.Command, e.Limit)
	case e.Signal != 0:
		return fmt.Sprintf("command %q was ended by %s", e.Command, SignalName(e.Signal))
	}
	return fmt.Sprintf("command %q ended with exit code %d", e.Command, e.Code)
}

// Undecided tells whether an error of [Command.Run] says nothing about what the command was to judge: the command could not be
// started (by a shell neither, which says so by its exit code), its time was up, or a signal ended it.
func Undecided(err error) bool {
	if _, is := errors.AsType[*StartError](err); is {
		return true
	}
	e, is := errors.AsType[*ExitError](err)
	return is && (e.TimedOut || e.Signal != 0 || e.Code == 126 || e.Code == 127)
}

// A StartError says why a program could not be started at all.
type StartError struct {
	Command string // "" when there is none
	Err     error
}

func (e *StartError) Error() string {
	if e.Command == "" {
		return "cannot start the command: it is empty"
	}
	why := e.Err.Error()
	switch {
	case errors.Is(e.Err, exec.ErrNotFound):
		why = "there is no such program in PATH"
	case errors.Is(e.Err, fs.ErrNotExist):
		why = "no such file (or, for a script, no such interpreter as its first line names)"
	case errors.Is(e.Err, fs.ErrPermission):
		why = "it is not executable for this user"
	case errors.Is(e.Err, syscall.ENOEXEC):
		why = "it is neither a program for this machine nor a script with an interpreter in its first line"
	case errors.Is(e.Err, syscall.E2BIG):
		why = "its arguments or environment are too long for the system (one variable may have 128 KiB)"
	}
	return fmt.Sprintf("cannot start command %q: %s", e.Command, why)
}

func (e *StartError) Unwrap() error { return e.Err }

// ExitCode is what a shell would end with: 127 when there is no such program, 126 when it can't be run.
func (e *StartError) ExitCode() int {
	if errors.Is(e.Err, exec.ErrNotFound) || errors.Is(e.Err, fs.ErrNotExist) {
		return 127
	}
	return 126
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
