// Package runner is the event loop: it sees which templates are due, runs them over what the watcher knows, commits what
// is finished, and hands the reload commands to their queue.
//
// One round is: execute the due jobs, tell the watcher what they used, commit the groups that are finished, submit their
// commands. Between rounds the runner waits for a change, for a quiescence time to end, for a command to end, or for the
// child to end. All of it happens in the one goroutine that calls Run, so nothing here is locked.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"lictor/internal/command"
	"lictor/internal/retry"
	"lictor/watch"
)

// A Runner renders groups of jobs, once or for ever. Set the fields before Run; a Runner runs once.
type Runner struct {
	Groups  []*Group
	Watcher *watch.Watcher
	// Queue runs the commands, Checks the checks; the latter must not retry.
	Queue, Checks *command.Queue
	Log           *slog.Logger

	// Secrets are texts, beside those that jobs have read, that no output of a command brings into the log.
	Secrets []string

	// Once ends the run when everything is committed and every command has succeeded.
	Once bool
	// Patient has a run with Once wait for the data of a template that fails to change, where it is not Fatal and has read any,
	// as consul-template does. Without it the run ends with the error when everything else is done.
	Patient bool
	// Dry leaves out commands and effects; the jobs' Stage is expected to write nothing.
	Dry bool
	// Ready is called once, when everything is committed for the first time, or stands by with the files of an earlier run
	// because it can't be committed yet; nil for nobody.
	Ready func()
	// Keep is called when all is committed and the answers have changed since it was called last, at most every
	// [keepInterval], and at the end; nil for nobody. Its error is only logged.
	Keep func() error
	// Report is called when how things stand has changed; nil for nobody.
	Report func(State)
	// Timeout ends a run whose first render is not complete after this long; 0 means never.
	Timeout time.Duration
	// Child is started when Ready is called, and gets each change after that; nil for none.
	// Its end ends the run with a [ChildExit].
	Child *command.Child
	// Commands says whether the commands of the first commits run after the child's start or before it, or whether none runs.
	Commands CommandsWhen
	// Environ is the child's whole environment, asked for before each start; nil means our own.
	Environ func() []string
	// Signals and OnSignal take part in the event loop: OnSignal is called for each signal, and ends the run when it
	// returns true. Both are nil for nobody.
	Signals  <-chan os.Signal
	OnSignal func(os.Signal) (end bool)

	readers  map[watch.Query]map[*Job]*Group // who used which query in its last pass
	rewired  bool                            // the keys of readers have changed since the watcher was told
	settled  bool                            // the watcher was told that everything has been asked for
	started  time.Time                       // when Ready was called; zero for not yet
	unproven map[string]bool                 // commands, by id, of files that the child was started with, that have not succeeded since
	changed  changes                         // since the child was told last
	failures []error                         // of commands, with Once
	pending  []pendingCommand                // commands to be submitted at the end of the round
	withheld []pendingCommand                // those that wait until the files of a group belong together again
	begun    time.Time
	nagged   time.Time     // when it was last logged what the first render waits for
	again    retry.Backoff // after which pauses contents that were rolled back are tried again
	unkept   bool          // answers have changed since Keep was called
	kept     time.Time     // when Keep was called
	reported string        // what Report was told last
}

// Run renders until ctx or OnSignal ends it, which is no error, or, with Once, until everything is done. It returns an
// error when a template fails whose Fatal is set (any that fails, with Once and without Patient), when a query's attempts are used up, when
// Timeout is over and, with Once, when a command fails; and a [ChildExit] when there is a child, however it ended.
// Whatever it started has ended when it returns.
func (r *Runner) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	if r.Child != nil {
		r.Child.Start(ctx, r.Log)
	}
	defer func() {
		r.keep(time.Now().Add(keepInterval))
		cancel()
		r.Watcher.Wait()
		r.Queue.Wait()
		r.Checks.Wait()
		for _, g := range r.Groups {
			r.discard(g)
		}
		if r.Child != nil {
			r.Child.Wait()
			if !r.started.IsZero() && err == nil {
				err = ChildExit{<-r.Child.Exited()}
			}
		}
	}()
	r.begun, r.nagged = time.Now(), time.Now()
	r.readers, r.unproven = map[watch.Query]map[*Job]*Group{}, map[string]bool{}
	if r.again == (retry.Backoff{}) {
		r.again = retry.Backoff{First: againFirst, Most: againMost}
	}
	for _, g := range r.Groups {
		g.reloads, g.running = map[string]int{}, map[string]int{}
		for _, j := range g.Jobs {
			if len(j.Command.Args) > 0 {
				j.id = j.Command.Key()
			}
		}
		g.makeDue()
		if err := r.resume(g); err != nil {
			r.putOff(g, fmt.Errorf("%s: %w", g.Name, err))
		}
	}
	r.setIntervals()
	for {
		if err := r.round(ctx); err != nil {
			return err
		}
		r.submit(ctx)
		if !r.askedAll() {
			r.tell()
			r.settle()
			r.report()
			r.keep(time.Now())
			if r.done() {
				return r.result()
			}
		}
		if over, err := r.wait(ctx); over || err != nil {
			return err
		}
	}
}

// round does all that can be done without waiting. When a template fails that ends the run, nothing more is committed, since
// nobody would be told of it.
func (r *Runner) round(ctx context.Context) error {
	now := time.Now()
	executed := false
	for _, g := range r.Groups {
		g.tryAgain(now)
		if !g.unconfirmed.IsZero() && !g.unconfirmed.After(now) {
			_ = r.confirm(g) // it is tried again
		}
		if g.checked != "" || r.settles(g).After(now) {
			continue // what is being checked is what has to be committed then
		}
		g.first, g.last = time.Time{}, time.Time{}
		all := g.rolledBack && slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.isDue(now) })
		began := time.Now()
		for _, j := range g.Jobs {
			if all || j.isDue(now) {
				r.execute(g, j)
				executed = true
			}
		}
		if g.committed {
			g.rest(began, time.Now())
		}
	}
	if executed {
		r.sync(ctx)
	}
	if err := r.fatal(); err != nil {
		return err
	}
	for _, g := range r.wanting(now) {
		may := r.mayCommit(g)
		if (may || r.untaken(g)) && r.whole(g) && may {
			r.stage(ctx, g)
		}
	}
	return nil
}

// askedAll tells the watcher that everything which the templates need has been asked for, when they are all committed for the
// first time, and whether an answer has changed by that.
func (r *Runner) askedAll() (changed bool) {
	if r.settled || !r.committed() {
		return false
	}
	r.settled = true
	return r.Watcher.Prune()
}

// changes says what has changed for the child.
type changes struct{ files, environ bool }

func (c *changes) add(more changes) {
	c.files, c.environ = c.files || more.files, c.environ || more.environ
}

// tell calls Ready and starts the child when everything is committed for the first time or stands by, and tells the child of
// changes later.
func (r *Runner) tell() {
	changed := r.changed
	switch {
	case r.started.IsZero() && r.mayStart() && len(r.failures) == 0:
		r.started = time.Now()
		if r.Ready != nil {
			r.Ready()
		}
	case r.started.IsZero() || r.Once || !changed.files && !changed.environ || slices.ContainsFunc(r.Groups, (*Group).inconsistent):
		return
	}
	r.changed = changes{}
	if r.Child != nil {
		env := os.Environ()
		if r.Environ != nil {
			env = r.Environ()
		}
		r.Child.Apply(env, changed.files)
	}
}

// ErrStale is what a run with Once ends with that did all it should, but some of it from the last known data.
var ErrStale = errors.New("all was rendered, but from last known data, since the registry did not answer or a guard holds back what it said")

// committed tells whether every group is at its destination.
func (r *Runner) committed() bool {
	for _, g := range r.Groups {
		if !g.committed {
			return false
		}
	}
	return true
}

// done tells whether a run with Once is over: every group is committed or has failed, and no command is under way.
func (r *Runner) done() bool {
	if !r.Once || !r.quiet() || r.Child != nil && !r.started.IsZero() {
		return false
	}
	if _, ok := r.submits(); ok && len(r.pending) > 0 {
		return false
	}
	for _, g := range r.Groups {
		if g.committed || g.err != nil {
			continue
		}
		for _, j := range g.Jobs {
			if j.err == nil && !j.ready || j.err != nil && r.mayRecover(j) {
				return false
			}
		}
	}
	return true
}

// mayRecover tells whether the run goes on where j fails, since its data may change.
func (r *Runner) mayRecover(j *Job) bool {
	return !j.Fatal && (!r.Once || r.Patient && len(j.used) > 0)
}

// result is what a run with Once ends with.
func (r *Runner) result() error {
	errs := r.failures
	for _, g := range r.Groups {
		if said := func(err error) bool { return err.Error() == g.err.Error() }; g.err != nil && !slices.ContainsFunc(r.failures, said) {
			errs = append(errs, g.err)
		}
		for _, j := range g.Jobs {
			errs = append(errs, j.err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, g := range r.Groups { // what has been read, since what is known may be newer by now
		if slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.stale }) {
			return ErrStale
		}
	}
	return nil
}

// fatal is the error of a failed template that ends the run.
func (r *Runner) fatal() error {
	for _, g := range r.Groups {
		for _, j := range g.Jobs {
			if j.err != nil && j.Fatal {
				return j.err
			}
		}
	}
	return nil
}
