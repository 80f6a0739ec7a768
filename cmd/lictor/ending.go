package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"lictor/internal/command"
	"lictor/internal/runner"
)

// An ending says why a run has ended though nothing has failed.
type ending string

func (e ending) Error() string { return string(e) }

// end has the log say, as its last lines, why the run ends, and closes it. What it returns is only the exit code.
func (a *assembly) end(err error) error {
	defer a.close()
	code, lines := lastLines(err)
	level := slog.LevelError
	if _, fine := errors.AsType[ending](err); fine {
		level = slog.LevelInfo
	}
	last := a.sinks.last()
	for _, line := range lines {
		last.Log(context.Background(), level, line)
	}
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

// close closes the log.
func (a *assembly) close() { a.sinks.close() }

// outcome is what the program ends with, from how its last run ended, and the signal by which we ended it, nil for none.
func (a *assembly) outcome(err error, by os.Signal) error {
	child, hadChild := errors.AsType[runner.ChildExit](err)
	peer := isPeer(a.persona)
	code := child.ExitCode()
	switch {
	case by != nil && peer:
		return &exitError{exitInterrupted, a.interrupted(by, err)}
	case hadChild && child.Err != nil && peer:
		return &exitError{exitRuntime, child.Err}
	case hadChild && child.Err != nil:
		return &exitError{code, child.Err}
	case hadChild && by != nil:
		if child.Signal != 0 {
			code = exitOK // it ended by the signal that we sent
		}
		return &exitError{code, a.interrupted(by, err)}
	case hadChild && child.Signal != 0:
		if peer {
			code = exitSignalled
		}
		return &exitError{code, fmt.Errorf("%s (exit code %d)", a.told(child), code)}
	case hadChild && code != 0:
		return &exitError{code, errors.New(a.told(child))}
	case hadChild:
		return &exitError{exitOK, ending(a.told(child))}
	case by != nil && err == nil && a.cfg.Once:
		return &exitError{exitInterrupted, a.interrupted(by, err)} // it was not done yet
	case by != nil && err == nil:
		return &exitError{exitOK, a.interrupted(by, err)}
	case errors.Is(err, runner.ErrStale):
		return &exitError{exitStale, err}
	}
	return err
}

// interrupted says that a signal to us has ended the run, and what has become of the program.
func (a *assembly) interrupted(by os.Signal, err error) ending {
	says := "ended by " + command.SignalName(by.(syscall.Signal))
	if child, ok := errors.AsType[runner.ChildExit](err); ok && child.Err == nil {
		says += "; " + a.told(child)
	}
	return ending(says)
}

// told says how the program has ended.
func (a *assembly) told(exit runner.ChildExit) string {
	how := fmt.Sprintf("ended with exit code %d", exit.Code)
	if exit.Signal != 0 {
		how = "was ended by " + command.SignalName(exit.Signal)
	}
	return fmt.Sprintf("the program %q %s", a.child.String(), how)
}
