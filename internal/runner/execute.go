package runner

import (
	"context"
	"maps"
	"reflect"
	"time"

	"lictor/watch"
)

// sync declares what is wanted, when it has changed: what the last pass of any job used.
func (r *Runner) sync(ctx context.Context) {
	if !r.rewired {
		return
	}
	r.rewired = false
	want := watch.Set{}
	for q := range r.readers {
		want.Add(q)
	}
	r.Watcher.Sync(ctx, want)
}

// execute makes a pass of j.
func (r *Runner) execute(g *Group, j *Job) {
	j.due, j.heard = false, time.Time{}
	j.passes++
	j.stale = false
	result, err := j.Execute(j.noting(func(q watch.Query) (any, bool) {
		answer, ok, stale := r.Watcher.Read(q)
		j.stale = j.stale || stale
		return answer, ok
	}))
	used := result.Used
	if err != nil || !result.Complete() {
		// What the last good pass read goes on being watched: the fix may come from there.
		used = maps.Clone(used)
		used.AddAll(j.good)
	}
	r.reads(g, j, used)
	j.waiting, j.unmet, j.failed = result.Missing, result.Unmet, result.Failed
	switch {
	case !result.Complete():
		j.ready = false
		if g.committed {
			r.Log.Info("waiting for data, the destination keeps what it has", "template", j.Name, "for", r.missing(j))
		}
	case err != nil:
		if r.mayRecover(j) && (j.err == nil || j.err.Error() != err.Error()) {
			r.Log.Error("template failed, the destination keeps what it has", "template", j.Name, "error", err)
		}
		j.err, j.ready = err, false
		r.standBy(g)
	default:
		j.err, j.ready, j.good, j.read = nil, true, used, j.asked
		g.publish()
		j.output, j.effects = notNil(result.Output), result.Effects
		g.fresh = true
		r.Log.Debug("template executed", "template", j.Name, "bytes", len(j.output), "queries", len(used), "passes", j.passes)
	}
}

// reads notes which queries j used.
func (r *Runner) reads(g *Group, j *Job, used watch.Set) {
	if same(used, j.used) {
		return
	}
	for q := range j.used {
		if !used.Has(q) {
			delete(r.readers[q], j)
			if len(r.readers[q]) == 0 {
				delete(r.readers, q)
				r.rewired = true
			}
		}
	}
	for q := range used {
		if j.used.Has(q) {
			continue
		}
		if r.readers[q] == nil {
			r.readers[q] = map[*Job]*Group{}
			r.rewired = true
		}
		r.readers[q][j] = g
	}
	j.used = used
}

// same tells whether both are one set in memory, as they are when a template asks what it asked before.
func same(a, b watch.Set) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }

// lull is after how long without another answer a template that waits for several makes a pass with those that came: the
// rest may have been asked for only because they were missing, and may never come.
const lull = time.Second

// changedQueries marks the jobs as due that a change of these queries concerns: those that read one of them, or for
// which the last missing answer came.
func (r *Runner) changedQueries(dirty watch.Set) {
	now := time.Now()
	for q := range dirty {
		for j, g := range r.readers[q] {
			if _, waited := j.waiting[q]; waited {
				delete(j.waiting, q)
				j.due = j.due || len(j.waiting) == 0
				j.heard = now
				continue
			}
			j.due = true
			if g.committed {
				g.changed(now)
			}
		}
	}
}

// notNil is output, or an empty one in place of nil, which means that there is none to be committed.
func notNil(output []byte) []byte {
	if output == nil {
		return []byte{}
	}
	return output
}
