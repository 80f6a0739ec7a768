package runner

import (
	"context"
	"fmt"
	"time"
)

// commit stages and commits the outputs of a group whose jobs are all ready, and submits their commands. It tells
// what changed.
func (r *Runner) commit(ctx context.Context, g *Group) (changed changes) {
	staged := make([]Staged, len(g.Jobs))
	defer func() {
		for _, s := range staged {
			if s != nil {
				s.Discard()
			}
		}
	}()
	g.fresh, g.retry = false, time.Time{}
	for i, j := range g.Jobs {
		if j.output == nil {
			continue
		}
		s, err := j.Stage(j.output)
		if err != nil {
			r.failed(g, j, err)
			return changed
		}
		staged[i] = s
	}
	for i, j := range g.Jobs {
		if staged[i] == nil {
			continue
		}
		if err := staged[i].Commit(); err != nil {
			r.failed(g, j, err)
			return changed
		}
		changed.add(changes{files: !j.Environ, environ: j.Environ})
		r.Log.Info("rendered", "template", j.Name)
		r.submit(ctx, j)
	}
	for _, j := range g.Jobs {
		r.finish(j)
	}
	g.committed = true
	return changed
}

// retryCommit is after how long a commit that failed (a full disk, a missing permission) is tried again without a change.
const retryCommit = 30 * time.Second

// failed notes why a job of g could not be committed. It is tried again after a while, and when the data changes.
func (r *Runner) failed(g *Group, j *Job, err error) {
	err = fmt.Errorf("%s: %w", j.Name, err)
	if j.err == nil || j.err.Error() != err.Error() {
		r.Log.Error("not committed, the destination keeps what it has", "template", j.Name, "error", err)
	}
	j.err = err
	g.retry = time.Now().Add(retryCommit)
}

// submit hands the job's command to the queue. The same command of several jobs is one.
func (r *Runner) submit(ctx context.Context, j *Job) {
	if len(j.Command.Args) == 0 || r.Dry {
		return
	}
	r.Queue.Submit(ctx, j.Command.Key(), j.Command)
}

// finish does what functions of the template want done, now that its output stands, and forgets the output.
func (r *Runner) finish(j *Job) {
	j.err = nil
	effects := j.effects
	j.output, j.effects = nil, nil
	if r.Dry {
		return
	}
	for _, do := range effects {
		if err := do(); err != nil {
			j.err = fmt.Errorf("%s: %w", j.Name, err)
			r.Log.Error("template failed", "template", j.Name, "error", err)
			return
		}
	}
}
