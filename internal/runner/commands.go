package runner

import (
	"slices"
	"time"
)

// CommandsWhen says when the commands of the first commits run. Those of later commits always follow their commit.
type CommandsWhen int

const (
	// CommandsAfterStart runs them after the child has been started, since a reload of a program that is not up can only fail.
	// Where there is no child it makes no difference.
	CommandsAfterStart CommandsWhen = iota
	// CommandsFirst runs them before the child is started, as consul-template does.
	CommandsFirst
	// CommandsNever runs no command at all, neither now nor later. What was committed stays pending, for the next run that
	// does run commands.
	CommandsNever
)

// startHold is how long the commands of the first commits wait for each other: until all is committed, so that one which
// several templates share runs once and sees them all, but not for long, since a template may wait for its data for ever. It
// is also how long a child has been running before they run.
const startHold = time.Second

// startAttempts is how often a command that runs for the first time after the child's start may fail before a person is
// told: until then the program may still be on its way. With the queue's pauses that is about ten seconds.
const startAttempts = 5

// childFirst tells whether the commands of the first commits wait for the child's start.
func (r *Runner) childFirst() bool { return r.Child != nil && r.Commands == CommandsAfterStart }

// failsRun tells whether a command that fails ends the run instead of being run again.
func (r *Runner) failsRun() bool { return r.Once && !r.childFirst() }

// submits is when the commands that are pending may be submitted. Where that depends on the child's start, which is still to come,
// ok is false.
func (r *Runner) submits() (at time.Time, ok bool) {
	switch {
	case r.childFirst():
		return r.started.Add(startHold), !r.started.IsZero()
	case r.committed():
		return time.Time{}, true
	}
	return r.begun.Add(startHold), true
}

// asks notes that j's command is to be run, once however often it is noted before it is submitted. What the child is started
// with proves nothing by a command that fails before it has succeeded once: the program may not be up yet.
func (r *Runner) asks(g *Group, j *Job, when urgency) {
	if r.Child != nil && r.started.IsZero() && !r.failsRun() {
		r.unproven[j.id] = true
	}
	g.reloads[j.id] = notSubmitted
	i := slices.IndexFunc(r.pending, func(o pendingCommand) bool { return o.group == g && o.job == j })
	if i < 0 {
		r.pending = append(r.pending, pendingCommand{g, j, when})
		return
	}
	r.pending[i].when = r.pending[i].when || when
}

// runsNone tells whether no command of the group is going to be run, though it has some.
func (r *Runner) runsNone(g *Group) bool {
	return r.Commands == CommandsNever && slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.id != "" })
}
