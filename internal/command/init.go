package command

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Init is what a process does that finds itself to be PID 1, as in a container: it starts this very program again as its
// one child, passes every signal on to it, and reaps whatever is orphaned in the container, which falls to PID 1 and
// would stay a zombie. It returns the exit code to end with when the child has ended: the child's own, or 128 and the
// number of the signal that ended it. The kernel then ends all that is left.
//
// A process of its own does this because nobody can then mistake an orphan for a child that somebody else waits for.
func Init() (exitCode int, err error) {
	exe, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("as PID 1: %w", err)
	}
	children := make(chan os.Signal, 1) // one note is enough: reap takes all there are
	signal.Notify(children, syscall.SIGCHLD)
	defer signal.Stop(children)
	all := make(chan os.Signal, 64)
	signal.Notify(all)
	defer signal.Stop(all)

	pid, err := syscall.ForkExec(exe, os.Args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setpgid: true}, // or Ctrl-C would reach it twice: from the terminal and from us
	})
	if err != nil {
		return 126, fmt.Errorf("as PID 1, starting %s again: %w", exe, err)
	}
	foregroundTerminal(os.Stdin).handTo(pid)
	for {
		select {
		case <-children:
			if status, ended := reap(pid); ended {
				return status.ExitCode(), nil
			}
		case sig := <-all:
			if sig != syscall.SIGCHLD && sig != syscall.SIGURG { // Go's runtime sends itself SIGURG
				_ = syscall.Kill(pid, sig.(syscall.Signal))
			}
		}
	}
}

// reap takes every zombie there is, and says how the child ended, if it is among them.
func reap(child int) (status Status, ended bool) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil || pid == 0:
			return status, ended
		case pid == child && ws.Signaled():
			status, ended = Status{Signal: ws.Signal()}, true
		case pid == child:
			status, ended = Status{Code: ws.ExitStatus()}, true
		}
	}
}
