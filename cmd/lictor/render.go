package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"lictor/internal/config"
)

// newRenderCmd is the main job: render templates, for ever or once.
func newRenderCmd(s streams, p config.Persona) *cobra.Command {
	cmd := &cobra.Command{
		Use:   p.String() + " [options]",
		Short: "Render templates from a service registry, and reload what reads them.",
		Long: `Renders templates from a service registry to files, and runs a command when a file has changed. Long options take
one dash or two, and their value after "=" or a blank; those that are true or false only after "=", as in -once=false.`,
		Args: noArguments,
	}
	flags := bind(cmd, p)
	cmd.RunE = func(*cobra.Command, []string) error {
		if flags.ShowVersion {
			return printVersion(s.out, p)
		}
		var cfg config.Config
		err := supervise(context.Background(), p, s, func() (_ config.Config, warnings []string, err error) {
			cfg, warnings, err = config.Load(p, flags, os.Getenv)
			return cfg, warnings, err
		})
		return exitCodes(cfg, err)
	}
	return cmd
}

// supervise runs what load says until it is done or a signal ends it. On the reload signal it builds the next runner, and
// only when that is sound ends the one that runs: a broken configuration is reported, and the old one goes on. A command that
// is running then may end first.
func supervise(ctx context.Context, p config.Persona, s streams, load func() (config.Config, []string, error)) (err error) {
	signals, stop := catchSignals()
	defer stop()
	current, err := begin(p, s, load)
	if err != nil {
		return err
	}
	defer func() { err = current.end(err) }() // of the one that runs then
	if err := current.build(ctx); err != nil {
		return err
	}
	if err := current.preflight(); err != nil {
		return err
	}
	if current.cfg.ParseOnly {
		return current.checkQueries()
	}
	release := current.catchEnd()
	defer func() { release() }()
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT) // not before: we might wait for standard input
	var pid pidFile
	defer pid.remove()
	if err := pid.moveTo(current.cfg.PidFile); err != nil {
		return err
	}
	for {
		var next *assembly
		var by os.Signal // that ends us
		waiting := false // for commands to end before a reload, unless it is asked for again
		current.runner.Signals = signals
		current.runner.OnSignal = func(sig os.Signal) (end bool) {
			switch current.meaning(sig) {
			case endProgram:
				by = sig
				signal.Reset(sig, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT) // a second one ends us at once
				current.log.Info("stopping", "signal", sig.String())
				return true
			case reloadConfig:
				reload := func() (end bool) {
					current.log.Info("reloading the configuration", "signal", sig.String())
					next = current.reload(ctx, load, &pid)
					return next != nil
				}
				if waiting {
					return reload()
				}
				waiting = true
				defer func() { waiting = false }()
				return current.runner.Calm(reload)
			case tellState:
				current.tell()
			case releaseGuards:
				current.tell()
				current.log.Warn("guards released", "answers", current.runner.Watcher.Release())
			case passOn:
				current.child.Signal(sig.(syscall.Signal))
			}
			return false
		}
		err := current.run(ctx)
		if next != nil {
			release()
			release = next.catchEnd()
			current.close()
			current = next
			continue
		}
		return current.plan.result(current.outcome(err, by))
	}
}

// reload puts together what load says now. When that is not sound it logs why, and returns nil. The state files may be
// opened although a's runner has them too: it is between two steps, and after this one it makes no more.
func (a *assembly) reload(ctx context.Context, load func() (config.Config, []string, error), pid *pidFile) *assembly {
	next, err := assemble(ctx, a.persona, a.streams, load)
	if err == nil {
		if err = errors.Join(next.preflight(), next.checkTokenFile()); err == nil {
			err = next.openGroups()
		}
		if err == nil {
			err = pid.moveTo(next.cfg.PidFile)
		}
		if err == nil {
			a.handOver(next)
			return next
		}
		next.close()
	}
	for _, e := range joined(err) {
		a.log.Error("the new configuration is refused, the old one goes on", "error", e)
	}
	return nil
}

// tell logs how things stand, whatever the level of the log, since somebody has asked for it.
func (a *assembly) tell() {
	record := slog.NewRecord(time.Now(), slog.LevelInfo, "state", 0)
	record.AddAttrs(slog.String("now", a.runner.State().String()))
	_ = a.log.Handler().Handle(context.Background(), record) // as with all of the log, there is nobody to tell
}

// run runs the runner.
func (a *assembly) run(ctx context.Context) error {
	return a.runner.Run(ctx)
}

// catchSignals delivers the signals that [assembly.meaning] has a use for, until stop is called; those that end us are for
// the caller to add. A reload that is asked for while we start is done afterwards. It leaves out SIGURG, of which Go's scheduler makes so many that others would get lost, and those whose usual effect is wanted: SIGTSTP suspends
// us, and SIGABRT ends us with the stacks of all goroutines. Some it takes in without a use: a log that nobody reads any
// more must not end us with SIGPIPE, nor a terminal stop us.
func catchSignals() (signals chan os.Signal, stop func()) {
	signals, unused := make(chan os.Signal, 64), make(chan os.Signal, 1)
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		switch sig {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGTSTP, syscall.SIGABRT,
			syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT:
		case syscall.SIGPIPE, syscall.SIGTTIN, syscall.SIGTTOU:
			signal.Notify(unused, sig)
		default:
			signal.Notify(signals, sig)
		}
	}
	return signals, func() { signal.Stop(signals); signal.Stop(unused) }
}

// What a signal to us means.
type meaning int

const (
	ignore meaning = iota
	endProgram
	reloadConfig
	passOn
	releaseGuards
	tellState
)

// meaning says what sig is for. Those that end us: the kill signal, and, unless they are asked to be something else,
// SIGINT, SIGTERM and SIGQUIT, which consul-template ignores. All but those that only concern us go to the child.
func (a *assembly) meaning(sig os.Signal) meaning {
	switch sig {
	case a.killSignal:
		return endProgram
	case a.reloadSignal:
		return reloadConfig
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT:
		return endProgram
	}
	if sig == syscall.SIGUSR1 && len(a.cfg.Guards) > 0 {
		return releaseGuards
	}
	switch {
	case a.child != nil:
		return passOn
	case sig == syscall.SIGUSR1:
		return tellState
	}
	return ignore
}

// warnAll logs the warnings of a configuration.
func warnAll(log *slog.Logger, warnings []string) {
	for _, w := range warnings {
		log.Warn(w)
	}
}
