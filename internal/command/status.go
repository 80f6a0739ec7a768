package command

import (
	"fmt"
	"os"
	"syscall"
)

// A Status is how a child ended.
type Status struct {
	Code    int            // its exit code, when Signal is 0
	Signal  syscall.Signal // the signal that ended it, or 0
	Stopped bool           // we ended it, because our context ended
	Err     error          // it could not be started: a *[StartError]
}

// ExitCode is the code that a shell would report: the child's own, 128 and the number of the signal that ended it, or 127
// or 126 when it could not be started.
func (s Status) ExitCode() int {
	if start, ok := s.Err.(*StartError); ok {
		return start.ExitCode()
	}
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

func (s Status) String() string {
	switch {
	case s.Err != nil:
		return s.Err.Error()
	case s.Signal != 0:
		return "ended by " + SignalName(s.Signal)
	}
	return fmt.Sprintf("exit code %d", s.Code)
}

// failed tells whether the child ended otherwise than with code 0.
func (s Status) failed() bool { return s.Err != nil || s.Signal != 0 || s.Code != 0 }

func statusOf(state *os.ProcessState) Status {
	ws := state.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return Status{Signal: ws.Signal()}
	}
	return Status{Code: ws.ExitStatus()}
}
