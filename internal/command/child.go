package command

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"lictor/internal/retry"
)

// A Child supervises one long-lived program: it starts it, replaces it or tells it by a signal when its environment or its
// files have changed, and stops it.
//
// The program leads a process group of its own. Where its standard input and output are the terminal that we have in the
// foreground, the terminal is handed to that group, as a shell does with a job: the program can read it, and Ctrl-C goes to
// the program and not to us. Where only the input is, we are a part of a pipeline that shares the terminal, and the program
// stays in our group. Signals go to the program alone, or to its whole group when it is a text for the shell. Those of a text
// that do not ask for its end go to nobody whom they would end, such as the shell, except where a text was run without
// a shell and nobody handles them; and a program that the reload signal would end is replaced. Whatever of its group outlives the
// program gets SIGTERM, and SIGKILL after KillTimeout. Should we be killed, the kernel kills the program.
//
// Set the fields before Start, which is called once. The other methods may be called from anywhere after it; Apply and
// Signal return at once.
type Child struct {
	Command // what to run; Env is not used, Timeout and Grace neither

	Stdin       *os.File       // nil means an empty input
	KillSignal  syscall.Signal // how it is asked to end; 0 means SIGTERM
	KillTimeout time.Duration  // then it gets SIGKILL; 0 means 30 seconds
	// ReloadSignal tells it that its files have changed; 0 means that it is replaced. A changed environment always means
	// that it is replaced, since no signal can bring it a new one.
	ReloadSignal syscall.Signal
	// IgnoreFiles says that changed files do not concern it: somebody else tells it.
	IgnoreFiles bool
	// Splay bounds a random pause before it is told or asked to end, so that a fleet does not act all at once.
	Splay time.Duration
	// Restart says whether it is started again when it ends by itself, after a pause as Backoff says (the zero Backoff
	// means 1 second, doubled up to a minute). A program that ran for longer than the longest pause starts over with the
	// shortest.
	Restart RestartPolicy
	Backoff retry.Backoff

	log    *slog.Logger
	tty    *terminal // the one that is handed to the program; nil for none
	shares bool      // the program stays in our process group
	news   chan struct{}
	exited chan Status
	wg     sync.WaitGroup

	mu      sync.Mutex
	wanted  bool // Apply was called
	env     []string
	files   bool // files have changed since the program was last told
	current *process
}

// A RestartPolicy says when a child that ended by itself is started again.
type RestartPolicy string

// The restart policies; "" is never. A program that could not be started the very first time, and one that the terminal's
// user ended with Ctrl-C, is not started again under any of them.
const (
	RestartNever     RestartPolicy = "never"
	RestartOnFailure RestartPolicy = "on-failure" // unless it ended with code 0
	RestartAlways    RestartPolicy = "always"
)

// Start begins supervising. The program starts with the first Apply. When ctx ends the program is stopped.
func (c *Child) Start(ctx context.Context, log *slog.Logger) {
	c.log = log.With("command", c.String())
	c.news, c.exited = make(chan struct{}, 1), make(chan Status, 1)
	if c.tty = foregroundTerminal(c.Stdin); c.tty != nil && !isTerminal(c.Stdout) {
		c.tty, c.shares = nil, true
	}
	c.wg.Go(func() { c.exited <- c.supervise(ctx) })
}

// Apply says that the program is to run with env, the whole environment, and whether its files have changed. The first
// call starts it. A later one replaces or tells it, or does nothing when env is the same and no files have changed.
// Changes that arrive while it is being stopped are folded into one new start.
func (c *Child) Apply(env []string, filesChanged bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
	c.env = slices.Clone(env)
	c.files = c.files || filesChanged && !c.IgnoreFiles
	wake(c.news)
}

// Signal passes sig on to the program, if it is running. SIGKILL goes to its whole group. A program that does not
// handle sig may be ended by it, unless a shell runs it.
func (c *Child) Signal(sig syscall.Signal) {
	c.mu.Lock()
	p := c.current
	c.mu.Unlock()
	switch {
	case p == nil:
	case !c.Shell || !endsUnhandled(sig):
		p.signal(sig, c.Shell || sig == syscall.SIGKILL)
	case p.tell(sig, true):
	case !p.shell:
		p.signal(sig, true) // no shell is ended by mistake: who sent it wants it to have its effect
	default:
		c.log.Warn("a signal was not passed on: no process of the program handles it, and it would end them", "signal", SignalName(sig))
	}
}

// Exited delivers, once, how the program ended for good: by itself and not to be started again, or stopped by us.
func (c *Child) Exited() <-chan Status { return c.exited }

// Wait returns when the program has ended for good and nothing of it is left.
func (c *Child) Wait() { c.wg.Wait() }

// supervise runs the program until it ends for good.
func (c *Child) supervise(ctx context.Context) Status {
	defer c.tty.takeBack()
	select {
	case <-ctx.Done():
		return Status{Stopped: true}
	case <-c.news:
	}
	backoff := retry.Backoff{First: orDefault(c.Backoff.First, time.Second), Most: orDefault(c.Backoff.Most, time.Minute)}
	for first, failures := true, 0; ; first = false {
		env, _ := c.take()
		began := time.Now()
		status, replace := c.runOnce(ctx, env)
		if ctx.Err() != nil {
			status.Stopped = true
			return status
		}
		if replace {
			failures = 0
			continue
		}
		if first && status.Err != nil || !c.startsAgain(status) {
			return status
		}
		if time.Since(began) > backoff.Most {
			failures = 0
		}
		failures++
		pause := backoff.Pause(failures)
		c.log.Warn("the child ended, starting it again", "status", status.String(), "pause", pause.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return Status{Stopped: true}
		case <-c.news: // new data may be just what it lacked
		case <-time.After(pause):
		}
	}
}

// runOnce runs the program once. replace says that it was stopped in order to be started anew.
func (c *Child) runOnce(ctx context.Context, env []string) (status Status, replace bool) {
	command := c.Command
	command.Env = env
	if command.Env == nil {
		command.Env = []string{}
	}
	c.mu.Lock() // so that a signal finds the program as soon as it runs
	p, err := command.start(c.log, startOptions{
		stdin: c.Stdin, withUs: true, ourGroup: c.shares, rest: syscall.SIGTERM, suspended: c.tty.suspend,
	})
	if err == nil {
		c.current = p
	}
	c.mu.Unlock()
	if err != nil {
		return Status{Err: err}, false
	}
	c.tty.handTo(p.pid)
	c.log.Info("child started", "pid", p.pid)

	replace = c.attend(ctx, p, env)
	<-p.done
	p.sweep(time.Now().Add(orDefault(c.KillTimeout, defaultKillTimeout)))
	return p.status, replace
}

const defaultKillTimeout = 30 * time.Second

// attend goes with the running program until it has ended, and says whether it was stopped to be started anew.
func (c *Child) attend(ctx context.Context, p *process, env []string) (replace bool) {
	for {
		select {
		case <-p.exited:
			return false
		case <-ctx.Done():
			c.stop(p)
			return false
		case <-c.news:
		}
		next, files := c.take()
		switch {
		case !sameEnviron(env, next), files && c.ReloadSignal == 0:
			c.log.Info("data has changed, replacing the child", "pid", p.pid)
			c.stop(p)
			return true
		case files:
			c.splay(p)
			if !c.reload(p) {
				c.log.Warn("files have changed, replacing the child: it does not handle the reload signal, which would end it",
					"pid", p.pid, "signal", SignalName(c.ReloadSignal))
				c.end(p)
				return true
			}
			c.log.Info("files have changed, telling the child", "pid", p.pid, "signal", SignalName(c.ReloadSignal))
		}
	}
}

// reload sends the reload signal, unless it would end whoever would get it.
func (c *Child) reload(p *process) (told bool) {
	if endsUnhandled(c.ReloadSignal) {
		return p.tell(c.ReloadSignal, c.Shell)
	}
	p.signal(c.ReloadSignal, c.Shell)
	return true
}

// stop ends the program after the splay.
func (c *Child) stop(p *process) {
	c.splay(p)
	c.end(p)
}

// end asks the program to end, and kills it and its group when it does not.
func (c *Child) end(p *process) {
	sig := c.KillSignal
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	p.stop(sig, c.Shell, time.Now().Add(orDefault(c.KillTimeout, defaultKillTimeout)))
}

// splay waits for a random part of Splay, or until the program ends.
func (c *Child) splay(p *process) {
	if c.Splay <= 0 {
		return
	}
	select {
	case <-p.exited:
	case <-time.After(rand.N(c.Splay)):
	}
}

// take returns the newest environment, and whether files have changed since the last take.
func (c *Child) take() (env []string, files bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	env, files = c.env, c.files
	c.files = false
	select {
	case <-c.news: // that is what we return
	default:
	}
	return env, files
}

func (c *Child) startsAgain(s Status) bool {
	if (c.tty != nil || c.shares) && s.Signal == syscall.SIGINT {
		return false // Ctrl-C
	}
	return c.Restart == RestartAlways || c.Restart == RestartOnFailure && s.failed()
}

// sameEnviron tells whether two environments hold the same entries, in whatever order.
func sameEnviron(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
