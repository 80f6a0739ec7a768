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
	"strings"
	"time"

	"lictor/internal/command"
	"lictor/watch"
)

// A Runner renders groups of jobs, once or for ever. Set the fields before Run; a Runner runs once.
type Runner struct {
	Groups  []*Group
	Watcher *watch.Watcher
	// Queue runs the commands, Checks the checks; the latter must not retry.
	Queue, Checks *command.Queue
	Log           *slog.Logger

	// Once ends the run when everything is committed and every command has succeeded.
	Once bool
	// Dry leaves out commands and effects; the jobs' Stage is expected to write nothing.
	Dry bool
	// Ready is called once, when everything is committed for the first time; nil for nobody.
	Ready func()
	// Keep is called when all is committed and the answers have changed since it was called last, at most every
	// [keepInterval], and at the end; nil for nobody. Its error is only logged.
	Keep func() error
	// Timeout ends a run with Once that is not done after this long; 0 means never.
	Timeout time.Duration
	// Child is started when everything is committed for the first time, and gets each change after that; nil for none.
	// Its end ends the run with a [ChildExit].
	Child *command.Child
	// Environ is the child's whole environment, asked for before each start; nil means our own.
	Environ func() []string
	// Signals and OnSignal take part in the event loop: OnSignal is called for each signal, and ends the run when it
	// returns true. Both are nil for nobody.
	Signals  <-chan os.Signal
	OnSignal func(os.Signal) (end bool)

	readers  map[watch.Query]map[*Job]*Group // who used which query in its last pass
	started  bool                            // Ready was called
	before   map[string]int                  // commands that the child's start waits for, by id, with their tickets
	changed  changes                         // since the child was told last
	failures []error                         // of commands, with Once
	owed     []owed                          // commands to be submitted at the end of the round
	begun    time.Time
	nagged   time.Time // when it was last logged what the first render waits for
	unkept   bool      // answers have changed since Keep was called
	kept     time.Time // when Keep was called
}

// Run renders until ctx or OnSignal ends it, which is no error, or, with Once, until everything is done. It returns an
// error when a template fails whose Fatal is set (any that fails, with Once), when a query's attempts are used up and,
// with Once, when a command fails or Timeout is over; and a [ChildExit] when there is a child, however it ended.
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
			if r.started && err == nil {
				err = ChildExit{<-r.Child.Exited()}
			}
		}
	}()
	r.begun, r.nagged = time.Now(), time.Now()
	r.readers, r.before = map[watch.Query]map[*Job]*Group{}, map[string]int{}
	for _, g := range r.Groups {
		g.reloads, g.running = map[string]int{}, map[string]int{}
		for _, j := range g.Jobs {
			j.due = true
		}
	}
	for {
		r.round(ctx)
		if err := r.fatal(); err != nil {
			return err
		}
		r.submit(ctx)
		r.tell()
		r.keep(time.Now())
		if r.done() {
			return r.result()
		}
		if over, err := r.wait(ctx); over || err != nil {
			return err
		}
	}
}

// round does all that can be done without waiting.
func (r *Runner) round(ctx context.Context) {
	now := time.Now()
	executed := false
	for _, g := range r.Groups {
		if at := g.settles(); at.After(now) {
			continue
		}
		g.first, g.last = time.Time{}, time.Time{}
		for _, j := range g.Jobs {
			if j.due {
				r.execute(g, j)
				executed = true
			}
		}
	}
	if executed {
		r.sync(ctx)
	}
	for _, g := range r.Groups {
		if g.ready(now) {
			r.stage(ctx, g)
		}
	}
}

// sync declares what is wanted: what the last pass of any job used.
func (r *Runner) sync(ctx context.Context) {
	want := watch.Set{}
	for q := range r.readers {
		want.Add(q)
	}
	r.Watcher.Sync(ctx, want)
}

// changes says what has changed for the child.
type changes struct{ files, environ bool }

func (c *changes) add(more changes) {
	c.files, c.environ = c.files || more.files, c.environ || more.environ
}

// tell calls Ready and starts the child when everything is committed for the first time, and tells it of changes later.
func (r *Runner) tell() {
	changed := r.changed
	switch {
	case !r.started && r.mayStart() && len(r.failures) == 0:
		r.started = true
		if r.Ready != nil {
			r.Ready()
		}
	case !r.started || r.Once || !changed.files && !changed.environ:
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

// execute makes a pass of j.
func (r *Runner) execute(g *Group, j *Job) {
	j.due = false
	j.passes++
	result, err := j.Execute(r.Watcher.Get)
	used := result.Used
	if err != nil || !result.Complete() {
		// What the last good pass read goes on being watched: the fix may come from there.
		used.AddAll(j.used)
	}
	r.reads(g, j, used)
	j.waiting, j.unmet = result.Missing, result.Unmet
	switch {
	case !result.Complete():
		j.ready = false
		if g.committed {
			r.Log.Info("waiting for data, the destination keeps what it has", "template", j.Name, "for", r.lacks(j))
		}
	case err != nil:
		if !j.Fatal && !r.Once && (j.err == nil || j.err.Error() != err.Error()) {
			r.Log.Error("template failed, the destination keeps what it has", "template", j.Name, "error", err)
		}
		j.err, j.ready = err, false
	default:
		j.err, j.ready = nil, true
		j.output, j.effects = append([]byte{}, result.Output...), result.Effects
		g.fresh = true
		r.Log.Debug("template executed", "template", j.Name, "bytes", len(j.output), "queries", len(used), "passes", j.passes)
	}
}

// reads notes which queries j used.
func (r *Runner) reads(g *Group, j *Job, used watch.Set) {
	for q := range j.used {
		if !used.Has(q) {
			delete(r.readers[q], j)
			if len(r.readers[q]) == 0 {
				delete(r.readers, q)
			}
		}
	}
	for q := range used {
		if r.readers[q] == nil {
			r.readers[q] = map[*Job]*Group{}
		}
		r.readers[q][j] = g
	}
	j.used = used
}

// changedQueries marks the jobs as due that a change of these queries concerns: those that read one of them, or for
// which the last missing answer came.
func (r *Runner) changedQueries(dirty watch.Set) {
	now := time.Now()
	for q := range dirty {
		for j, g := range r.readers[q] {
			if _, waited := j.waiting[q]; waited {
				delete(j.waiting, q)
				j.due = j.due || len(j.waiting) == 0
				continue
			}
			j.due = true
			if g.committed {
				g.changed(now)
			}
		}
	}
}

// wait returns when there may be something to do; over tells that the run ends here, with err or without.
func (r *Runner) wait(ctx context.Context) (over bool, err error) {
	timer := time.NewTimer(time.Until(r.nextTime()))
	defer timer.Stop()
	var exited <-chan command.Status
	if r.Child != nil {
		exited = r.Child.Exited()
	}
	select {
	case <-ctx.Done():
		return true, nil
	case status := <-exited:
		return true, ChildExit{status}
	case sig := <-r.Signals:
		return r.OnSignal(sig), nil
	case <-r.Queue.Done():
		r.commandsEnded()
	case <-r.Checks.Done():
		r.checksEnded(ctx)
	case <-r.Watcher.Changed():
		dirty := r.Watcher.Take()
		r.unkept = r.unkept || len(dirty) > 0
		r.changedQueries(dirty)
		return false, r.Watcher.GaveUp()
	case <-timer.C:
		return false, r.impatience(ctx)
	}
	return false, nil
}

// nextTime is when the runner has something to do that no event tells it of.
func (r *Runner) nextTime() time.Time {
	next := time.Now().Add(time.Hour)
	earlier := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	for _, g := range r.Groups {
		earlier(g.settles())
		earlier(g.retry)
	}
	if r.unkept && r.Keep != nil && r.started {
		earlier(r.kept.Add(keepInterval))
	}
	if !r.committed() {
		earlier(r.nagged.Add(patience))
		if r.Once && r.Timeout > 0 {
			earlier(r.begun.Add(r.Timeout))
		}
	}
	return next
}

// keepInterval is the least time between two calls of Keep.
const keepInterval = 30 * time.Second

// keep calls Keep when it is time to.
func (r *Runner) keep(now time.Time) {
	if r.Keep == nil || !r.unkept || !r.started || now.Sub(r.kept) < keepInterval {
		return
	}
	r.unkept, r.kept = false, now
	if err := r.Keep(); err != nil {
		r.Log.Warn("the answers were not kept for a start without the registry", "error", err)
	}
}

// ErrStale is what a run with Once ends with that did all it should, but from the last known data.
var ErrStale = errors.New("the registry did not answer: all was rendered from the last known data")

// patience is how long the first render may wait for data before it is logged what it waits for, and how long until it
// is logged again.
const patience = 10 * time.Second

// impatience logs what the first render waits for, and is the error of a run that has waited for too long.
func (r *Runner) impatience(ctx context.Context) error {
	now := time.Now()
	over := r.Once && r.Timeout > 0 && now.Sub(r.begun) >= r.Timeout
	if r.committed() || !over && now.Sub(r.nagged) < patience {
		return nil
	}
	r.nagged = now
	lines := r.lackLines()
	r.sync(ctx)
	if over {
		return fmt.Errorf("gave up after %s: %s", r.Timeout, strings.Join(lines, "; "))
	}
	for _, line := range lines {
		r.Log.Warn("still not rendered: " + line)
	}
	return nil
}

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
	if !r.Once || !r.quiet() || r.Child != nil && r.started {
		return false
	}
	for _, g := range r.Groups {
		if g.committed || g.err != nil {
			continue
		}
		for _, j := range g.Jobs {
			if j.err == nil && !j.ready {
				return false
			}
		}
	}
	return true
}

// result is what a run with Once ends with.
func (r *Runner) result() error {
	errs := r.failures
	for _, g := range r.Groups {
		errs = append(errs, g.err)
		for _, j := range g.Jobs {
			errs = append(errs, j.err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if r.Watcher.Stale() > 0 {
		return ErrStale
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
