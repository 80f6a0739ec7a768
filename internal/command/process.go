package command

import (
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a started program, in most cases one that leads a process group of its own. One goroutine belongs to it, from
// its start until done is closed; whoever started it waits for that.
type process struct {
	log    *slog.Logger
	pid    int
	leads  bool          // a group of its own; else it is in ours
	exited chan struct{} // closed when it has ended, though its output may still be read
	done   chan struct{} // closed when it was reaped and its output is read
	status Status        // how it ended; read after done

	suspended func(*process) // called when a signal suspended it (Ctrl-Z), or nil

	rest syscall.Signal // what the others of its group get once it has ended; 0 leaves them alone

	mu     sync.Mutex
	alive  bool           // not yet reaped, so that its number can't belong to another
	halted bool           // a signal has suspended it at some time
	asked  syscall.Signal // what its whole group was asked to end with, or 0
}

type startOptions struct {
	stdin     *os.File
	output    *runOutput     // takes note of what it prints to the log, or nil
	withUs    bool           // the kernel ends it when we end, however we do
	ourGroup  bool           // it stays in our process group, so that only it itself can be signalled
	rest      syscall.Signal // see process.rest
	suspended func(*process) // see process.suspended
}

// start starts the program.
func (c Command) start(log *slog.Logger, o startOptions) (*process, error) {
	cmd, err := c.cmd()
	if err != nil {
		return nil, err
	}
	if o.stdin != nil {
		cmd.Stdin = o.stdin
	}
	var logs []*lineLog
	var hide func(line string) string
	if c.Hide != nil {
		hide = c.Hide()
	}
	output := func(w io.Writer, name string) io.Writer {
		if w != nil {
			return w
		}
		l := &lineLog{log: log.With("stream", name), hide: hide, run: o.output}
		logs = append(logs, l)
		return l
	}
	cmd.Stdout, cmd.Stderr = output(c.Stdout, "stdout"), output(c.Stderr, "stderr")
	cmd.WaitDelay = outputDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !o.ourGroup}
	if o.withUs {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	p := &process{log: log, leads: !o.ourGroup, exited: make(chan struct{}), done: make(chan struct{}), alive: true, rest: o.rest, suspended: o.suspended}
	started := make(chan error)
	go p.follow(cmd, started, logs)
	if err := <-started; err != nil {
		return nil, &StartError{Command: c.String(), Err: err}
	}
	return p, nil
}

// follow starts the program and goes with it until its end. It keeps one thread all the time, since the kernel's
// parent-death signal means the thread that started the program, not our process.
func (p *process) follow(cmd *exec.Cmd, started chan<- error, logs []*lineLog) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	p.awaitEnd()

	p.mu.Lock()
	p.alive = false
	if p.rest != 0 && p.leads {
		endRest(p.pid, p.rest, p.asked) // still unreaped, so this can only be our group
	}
	p.mu.Unlock()
	close(p.exited)

	_ = cmd.Wait() // its errors: the exit status, read below, and that others kept the output open, which is no fault
	for _, l := range logs {
		l.flush()
	}
	p.status = statusOf(cmd.ProcessState)
	close(p.done)
}

// awaitEnd returns when the program has ended and before it is reaped.
func (p *process) awaitEnd() {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, p.pid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		const stopped = 5 // CLD_STOPPED
		if err != nil || info.Code != stopped {
			return
		}
		// Take the note off, or the kernel would show it to us for ever.
		if err := unix.Waitid(unix.P_PID, p.pid, &info, unix.WSTOPPED|unix.WNOHANG, nil); err != nil {
			continue
		}
		p.mu.Lock()
		p.halted = true
		p.mu.Unlock()
		if p.suspended != nil {
			p.suspended(p)
		}
	}
}

// signal sends sig to the program, or to its whole group.
func (p *process) signal(sig syscall.Signal, group bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send(sig, group)
}

// send is signal for a caller that holds mu.
func (p *process) send(sig syscall.Signal, group bool) {
	switch {
	case !p.alive:
	case group && p.leads:
		_ = syscall.Kill(-p.pid, sig)
	default:
		_ = syscall.Kill(p.pid, sig)
	}
}

// tell sends sig to the program, or to its whole group, but to nobody whom it would end: a shell without a trap for it, say, or
// the other side of a pipe. It says whether there was anybody to send it to.
func (p *process) tell(sig syscall.Signal, group bool) (told bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive {
		return true
	}
	to := slices.Values([]int{p.pid})
	if group && p.leads {
		to = members(p.pid)
	}
	for pid := range to {
		if survives(pid, sig) {
			_ = syscall.Kill(pid, sig)
			told = true
		}
	}
	return told
}

// stop sends sig, waits for the end, and kills the whole group at the deadline. It returns when the program has ended and
// its output is read.
func (p *process) stop(sig syscall.Signal, group bool, deadline time.Time) {
	p.mu.Lock()
	p.send(sig, group)
	if group && p.leads {
		p.asked = sig
	}
	halted := p.halted
	p.mu.Unlock()
	if halted {
		p.signal(syscall.SIGCONT, true) // or it would never see it
	}
	limit := time.Until(deadline)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.log.Warn("the program has not ended when it was asked to, killing it", "pid", p.pid, "by", SignalName(sig), "after", limit.Round(time.Millisecond))
		p.signal(syscall.SIGKILL, true)
	}
	<-p.done
}
