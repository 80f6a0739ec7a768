package command

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sweep waits until nobody is left in the group of a program that has ended, and kills the rest at the deadline.
func (p *process) sweep(deadline time.Time) {
	if !p.leads {
		return
	}
	pause := 5 * time.Millisecond
	for groupLives(p.pid) {
		if !time.Now().Before(deadline) {
			p.log.Warn("what the program has left running has not ended in time, killing it", "group", p.pid)
			_ = syscall.Kill(-p.pid, syscall.SIGKILL)
			return
		}
		time.Sleep(min(pause, time.Until(deadline))) // bounded by the deadline, and ctx may have ended already
		pause = min(2*pause, 100*time.Millisecond)   // looking costs a walk through /proc
	}
}

// endRest sends sig to what is left of a group whose leader has ended. Where the whole group was asked to end already, those
// who handle that are about to, in their own way, and are not disturbed.
func endRest(group int, sig, asked syscall.Signal) {
	if asked == 0 {
		_ = syscall.Kill(-group, sig)
		return
	}
	for pid := range members(group) {
		if !handles(pid, asked) {
			_ = syscall.Kill(pid, sig)
		}
	}
}

// groupLives tells whether somebody in a process group has not ended.
func groupLives(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	for range members(group) {
		return true
	}
	return false
}

// members are the processes of a group that have not ended. What has ended and was not reaped yet can still be sent signals:
// its parent is gone, and the PID 1 that it fell to may take its time, as in many a container. Without a /proc it is one
// number, which means the whole group to kill(2).
func members(group int) iter.Seq[int] {
	return func(yield func(pid int) bool) {
		stats, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil || len(stats) == 0 {
			yield(-group)
			return
		}
		for _, path := range stats {
			stat, err := os.ReadFile(path)
			if err != nil {
				continue // it has gone meanwhile
			}
			// The name in parentheses may hold anything; state, parent and group follow it.
			var pid, parent, its int
			var state string
			_, err1 := fmt.Sscan(string(stat), &pid)
			_, err2 := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent, &its)
			if err1 == nil && err2 == nil && its == group && state != "Z" && state != "X" && !yield(pid) {
				return
			}
		}
	}
}

// endsUnhandled tells whether sig ends a program that does not handle it, though it is not meant to: SIGTERM, SIGINT, SIGQUIT
// and SIGKILL are.
func endsUnhandled(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL,
		syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		return false
	}
	return true
}

// survives tells whether a process is not ended by a signal for which [endsUnhandled] is true. One that can't be looked at is
// taken to survive it.
func survives(pid int, sig syscall.Signal) bool {
	handled, ignored, err := dispositions(pid)
	return err != nil || (handled|ignored)&bit(sig) != 0
}

// handles tells whether a process has a way of its own to act on a signal.
func handles(pid int, sig syscall.Signal) bool {
	handled, _, err := dispositions(pid)
	return err == nil && handled&bit(sig) != 0
}

func bit(sig syscall.Signal) uint64 { return 1 << (sig - 1) }

// dispositions are the signals that a process handles, and those that it ignores. One that it blocks it handles as well: it
// takes it when it waits for it. Who blocks all of them is just forking, which says nothing.
func dispositions(pid int) (handled, ignored uint64, err error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0, err
	}
	mask := func(name string) (set uint64) {
		_, after, _ := strings.Cut(string(status), "\n"+name+":")
		line, _, _ := strings.Cut(after, "\n")
		set, bad := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
		if bad != nil {
			err = fmt.Errorf("process %d: %s: %w", pid, name, bad)
		}
		return set
	}
	handled, ignored = mask("SigCgt"), mask("SigIgn")
	if blocked := mask("SigBlk"); blocked&bit(syscall.SIGSEGV) == 0 {
		handled |= blocked
	}
	return handled, ignored, err
}
