package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lictor/internal/command"
)

// checksEnded takes in how checks ended: the next one follows, or the commit, or the attempt ends here.
func (r *Runner) checksEnded(ctx context.Context) {
	for _, done := range r.Checks.Take() {
		for _, g := range r.Groups {
			switch {
			case g.Name != done.ID || g.checked == "" || done.Ticket < g.check || stopped(done): // or what was checked is staged no more
			case done.Err != nil:
				r.refuse(g, done.Err)
			default:
				r.check(ctx, g)
			}
		}
	}
}

// stopped tells whether a run was cut off by our own end, which is no reason for anything.
func stopped(r command.Result) bool { return errors.Is(r.Err, context.Canceled) }

// commandsEnded takes in how commands ended. The queue runs those that failed again, except with Once.
func (r *Runner) commandsEnded() {
	for _, done := range r.Queue.Take() {
		if stopped(done) {
			continue
		}
		if done.Err == nil {
			delete(r.unproven, done.ID)
		}
		retried := true
		var rolled []error  // what is told of the groups that go back
		var failed []string // the others
		for _, g := range r.Groups {
			ticket, waits := g.reloads[done.ID]
			if done.Ticket >= g.running[done.ID] {
				delete(g.running, done.ID)
			}
			switch {
			case !waits || done.Ticket < ticket:
			case done.Err == nil:
				delete(g.reloads, done.ID)
				if len(g.reloads) == 0 {
					r.takenOver(g)
				}
			case g.Rollback && !r.unproven[done.ID] && g.Files.CanRollback():
				retried = r.rollBack(g, done.Err) && retried
				rolled = append(rolled, g.err)
			default:
				failed = append(failed, g.Name)
				if g.rolledBack {
					failed[len(failed)-1] += ", with the previous files again"
				}
			}
		}
		why := done.Err
		if len(failed) > 0 {
			why = fmt.Errorf("%s: %w", some(failed), why)
		}
		switch {
		case done.Err == nil:
		case r.failsRun():
			r.failures = append(r.failures, rolled...)
			if len(failed) > 0 || len(rolled) == 0 {
				r.failures = append(r.failures, why)
			}
		case retried && r.unproven[done.ID] && done.Attempt < startAttempts:
			r.Log.Warn("command failed, as it may until the program is up, and is run again", "error", why, "attempt", done.Attempt, "again in", done.Pause)
		case retried:
			r.Log.Error("command failed, will retry", "error", why, "attempt", done.Attempt, "again in", done.Pause)
		}
	}
}

// Calm lets the commands that are running end and begins no others, then calls do, and returns what that does: true ends
// the run, else it goes on. It is for OnSignal, when the run is to give way to another: a reload command that is cut off
// may leave a service half reloaded. Signals go to OnSignal meanwhile; where that returns true, so does Calm, without do.
func (r *Runner) Calm(do func() (end bool)) (end bool) {
	r.Queue.Hold()
	defer func() {
		if !end {
			r.Queue.Resume()
		}
	}()
	if n := r.Queue.Running(); n > 0 {
		r.Log.Info("waiting for commands that are running to end, or for the signal to come again", "commands", n)
	}
	for r.Queue.Running() > 0 {
		select {
		case sig := <-r.Signals:
			if r.OnSignal(sig) {
				return true
			}
		case <-r.Queue.Done():
		}
	}
	r.commandsEnded()
	return do()
}

// quiet tells whether no command and no check is under way.
func (r *Runner) quiet() bool { return !r.Queue.Busy() && !r.Checks.Busy() }

// mayStart tells whether every group is at its destination, or stands by, with files that belong together, and the commands of
// the first commits have each been run, unless they come after the child's start.
func (r *Runner) mayStart() bool {
	return (r.childFirst() || r.ranFirst()) &&
		!slices.ContainsFunc(r.Groups, func(g *Group) bool { return !g.committed && !g.stands || g.inconsistent() })
}

// ranFirst tells whether the commands of the first commits have each been run. One that is put off until its interval is over,
// which may be long, does not count.
func (r *Runner) ranFirst() bool {
	for _, g := range r.Groups {
		for id := range g.running {
			if until, waiting := r.Queue.Rests(id); !waiting || !until.After(time.Now()) {
				return false
			}
		}
	}
	return len(r.pending) == 0 && len(r.withheld) == 0
}

// ChildExit is how a run ends whose child has ended, also when it ended with success.
type ChildExit struct{ command.Status }

func (e ChildExit) Error() string { return "the child " + e.Status.String() }
