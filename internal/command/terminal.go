package command

import (
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A terminal is the controlling terminal that we had in the foreground when we started, and that we hand to the child as
// a shell hands it to a job. All its methods do nothing on nil.
type terminal struct {
	fd   int
	ours int // our own process group
}

// foregroundTerminal is the terminal behind f, if it is one and we are in its foreground; else nil.
func foregroundTerminal(f *os.File) *terminal {
	if f == nil {
		return nil
	}
	t := &terminal{fd: int(f.Fd()), ours: unix.Getpgrp()}
	if owner, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err != nil || owner != t.ours {
		return nil
	}
	return t
}

// isTerminal tells whether w is a file that is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// handTo puts a group in the foreground. It may have tried to read before it was there, and been suspended for that.
func (t *terminal) handTo(group int) {
	if t == nil {
		return
	}
	t.setOwner(group)
	_ = syscall.Kill(-group, syscall.SIGCONT)
}

// takeBack puts us in the foreground again.
func (t *terminal) takeBack() {
	if t != nil {
		t.setOwner(t.ours)
	}
}

// setOwner changes the terminal's foreground group. A process that does so from the background is suspended by SIGTTOU,
// unless it blocks that signal. When it fails (the terminal has gone) there is nothing to be done.
func (t *terminal) setOwner(group int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	block.Val[(unix.SIGTTOU-1)/64] |= 1 << ((unix.SIGTTOU - 1) % 64)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before); err != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// suspend follows a program that the terminal's user has suspended with Ctrl-Z: we give the terminal back and suspend
// ourselves, so that the shell sees its job stop, and go on with the program once the shell resumes us. It runs on the
// goroutine, and so on the thread, that follows the program.
func (t *terminal) suspend(p *process) {
	if t == nil {
		return
	}
	if owner, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err != nil || owner != p.pid || !underJobControl() {
		return
	}
	t.takeBack()
	// Sent to this very thread, so that we stand still right here until the shell resumes us.
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
	if owner, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err == nil && owner == t.ours {
		t.setOwner(p.pid)
	}
	p.signal(syscall.SIGCONT, true)
}

// underJobControl tells whether a shell looks after us that would resume us, which our own [Init] does not.
func underJobControl() bool {
	parent := os.Getppid()
	session, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	theirs, err := unix.Getsid(parent)
	if err != nil || theirs != session {
		return false
	}
	if group, err := unix.Getpgid(parent); err != nil || group == unix.Getpgrp() {
		return false
	}
	ours, err1 := os.Stat("/proc/self/exe")
	its, err2 := os.Stat("/proc/" + strconv.Itoa(parent) + "/exe")
	return err1 != nil || err2 != nil || !os.SameFile(ours, its)
}
