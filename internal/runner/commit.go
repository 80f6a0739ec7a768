package runner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"lictor/renderer"
)

// A group that is ready goes: stage every output, check what is staged, commit it all, submit the commands. The checks run
// off the loop, so between the second and the third step the loop goes on; results.go takes it up from there.

// stage stages the outputs of a group whose jobs are all ready, and begins its checks.
func (r *Runner) stage(ctx context.Context, g *Group) {
	g.fresh, g.retry = false, time.Time{}
	for _, j := range g.Jobs {
		if j.output == nil {
			continue
		}
		staged, err := j.Stage(j.output)
		if err != nil {
			r.putOff(g, fmt.Errorf("%s: %w", j.Name, err))
			return
		}
		j.staged = staged
	}
	if g.resting() {
		r.discard(g)
		r.Log.Debug("these contents were rolled back before, and are tried again later", "group", g.Name)
		r.standBy(g)
		return
	}
	if r.tooSoon(g) {
		r.discard(g)
		return
	}
	if err := r.beginChecks(g); err != nil {
		r.putOff(g, fmt.Errorf("%s: %w", g.Name, err))
		return
	}
	r.check(ctx, g)
}

// files are the staged outputs that are files.
func (g *Group) files() []*renderer.Staged {
	var files []*renderer.Staged
	for _, j := range g.Jobs {
		if f, ok := j.staged.(*renderer.Staged); ok {
			files = append(files, f)
		}
	}
	return files
}

// hasStaged tells whether a destination of the group is to get another content.
func (g *Group) hasStaged() bool {
	return slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.staged != nil })
}

// discard drops what is staged.
func (r *Runner) discard(g *Group) {
	for _, j := range g.Jobs {
		if j.staged != nil {
			j.staged.Discard()
			j.staged = nil
		}
	}
	g.endChecks()
}

// commit puts what is staged at its destinations, and submits the commands.
func (r *Runner) commit(g *Group) {
	err := r.commitFiles(g)
	var changed []*Job
	for _, j := range g.Jobs {
		if j.staged == nil {
			continue
		}
		if _, isFile := j.staged.(*renderer.Staged); err == nil && (!isFile || g.Files == nil) {
			err = j.staged.Commit()
		}
		if err == nil {
			changed = append(changed, j)
		}
	}
	if err != nil {
		r.putOff(g, fmt.Errorf("%s: %w", g.Name, err))
		return
	}
	if len(changed) > 0 {
		for _, j := range g.Jobs {
			j.stands[1] = j.stands[0]
		}
	}
	for _, j := range changed {
		j.staged = nil
		r.changed.add(changes{files: !j.Environ, environ: j.Environ})
		r.Log.Info("rendered", "template", j.Name)
		g.commit = time.Now()
	}
	for _, j := range g.Jobs {
		if j.output != nil {
			j.nowHolds(j.output)
		}
	}
	g.publish()
	r.finish(g)
	g.committed, g.rolledBack, g.again = true, false, time.Time{}
	r.addPending(g, changed, inTime)
}

// commitFiles commits the group's files together.
func (r *Runner) commitFiles(g *Group) error {
	files := g.files()
	if g.Files == nil || len(files) == 0 {
		return nil
	}
	err := r.unread(func() error { return g.Files.Commit(files) })
	for _, f := range files {
		for _, w := range f.Warnings() {
			r.Log.Warn(w, "group", g.Name)
		}
	}
	r.warnOf(g)
	return err
}

// warnOf logs what a person should know about the group's files although nothing failed.
func (r *Runner) warnOf(g *Group) {
	for _, w := range g.Files.Warnings() {
		r.Log.Warn(w, "group", g.Name)
	}
}

// retryCommit is after how long a commit that failed (a full disk, a missing permission, a check that could not tell) is tried
// again without a change.
const retryCommit = 30 * time.Second

// putOff drops what is staged after a failure that may pass, and has it tried again.
func (r *Runner) putOff(g *Group, why error) {
	r.discard(g)
	r.failed(g, why)
	g.retry = time.Now().Add(retryCommit)
	if g.inconsistent() {
		r.withhold(g)
	}
	r.standBy(g)
}

// failed notes why a group could not be committed, and logs it when it is news.
func (r *Runner) failed(g *Group, err error) {
	if !r.Once && (g.err == nil || g.err.Error() != err.Error()) {
		message := "not committed, the destination keeps what it has"
		if g.inconsistent() {
			message = "files of the group may be partly old and partly new; its commands wait until this is fixed, which is tried again and again"
		}
		r.Log.Error(message, "group", g.Name, "error", err)
	}
	g.err = err
}

// addPending notes that the commands of the changed jobs are to be run. They are submitted at the end of the round, so that one
// that several templates share is run once.
func (r *Runner) addPending(g *Group, changed []*Job, when urgency) {
	if r.Dry {
		return
	}
	if g.Files != nil {
		g.rendered, g.unconfirmed = g.Files.Rendered(), time.Time{}
	}
	if r.runsNone(g) {
		return // nobody takes the files over, so nothing is confirmed, and the next run that runs commands does
	}
	for _, j := range changed {
		if j.id != "" {
			r.asks(g, j, when)
		}
	}
	if g.Files != nil && len(g.reloads) == 0 {
		_ = r.confirm(g) // nothing has to take the files over; an error was logged
	}
}

// notSubmitted stands for the ticket of a command that is going to be submitted at the end of the round: it is larger than
// any, since no run so far is the one that is pending.
const notSubmitted = math.MaxInt

// A pendingCommand is one that a group's commit asks for.
type pendingCommand struct {
	group *Group
	job   *Job
	when  urgency
}

// urgency says whether a command has to wait until its last run is long enough ago.
type urgency bool

const (
	inTime urgency = false
	atOnce urgency = true // it brings a service back to good files, or is pending since an earlier run
)

// submit hands the commands that commits ask for to the queue, each once, in the order of the configuration.
func (r *Runner) submit(ctx context.Context) {
	if at, ok := r.submits(); len(r.pending) == 0 || !ok || at.After(time.Now()) {
		return
	}
	slices.SortStableFunc(r.pending, func(a, b pendingCommand) int {
		return slices.Index(r.Groups, a.group) - slices.Index(r.Groups, b.group)
	})
	tickets, hurry := map[string]int{}, map[string]bool{}
	for _, o := range r.pending {
		hurry[o.job.id] = hurry[o.job.id] || o.when == atOnce
	}
	for _, o := range r.pending {
		id := o.job.id
		if r.waits(o) {
			continue
		}
		if _, done := tickets[id]; !done {
			submit := r.Queue.Submit
			if hurry[id] {
				submit = r.Queue.SubmitAtOnce
			}
			c := o.job.Command
			c.Hide = r.hide(r.runFor(id)...)
			tickets[id] = submit(ctx, id, c)
		}
		o.group.reloads[id], o.group.running[id] = tickets[id], tickets[id]
	}
	r.pending = nil
}

// confirm notes that whoever reads the group's files has taken them over. Where that fails it is tried again: before something else
// is committed, since a rollback of that would go back too far otherwise, and after a while.
func (r *Runner) confirm(g *Group) error {
	err := g.Files.Confirm(g.rendered)
	switch {
	case err == nil:
		g.unconfirmed = time.Time{}
	case g.unconfirmed.IsZero():
		r.Log.Warn("it can't be noted that the reload has succeeded, which is tried again; after a restart it would be taken to be pending", "group", g.Name, "error", err)
		fallthrough
	default:
		g.unconfirmed = time.Now().Add(retryCommit)
	}
	return err
}

// finish does what functions of the templates want done, now that their outputs stand, and forgets the outputs. What
// fails is tried again, the rest is not done twice.
func (r *Runner) finish(g *Group) {
	var errs []error
	for _, j := range g.Jobs {
		var left []func() error
		for _, do := range j.effects {
			if r.Dry {
				break
			}
			if err := do(); err != nil {
				errs, left = append(errs, fmt.Errorf("%s: %w", j.Name, err)), append(left, do)
			}
		}
		if j.effects = left; len(left) == 0 {
			j.output = nil
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		g.retry = time.Now().Add(retryCommit)
		if !r.Once && (g.err == nil || g.err.Error() != err.Error()) {
			r.Log.Error("rendered, but what the template does beside that failed", "group", g.Name, "error", err)
		}
	}
	g.err = err
}
