package runner

import (
	"fmt"
	"slices"
	"time"
)

// When a commit or a rollback fails midway, and taking it back fails too, some files of a group are old and some new. That is
// recovered as soon as it can be; until then nobody is told to read them: no command of the group is run, also not for other
// groups, and the child neither starts nor hears of changes.

// inconsistent tells whether files of the group may be partly old and partly new.
func (g *Group) inconsistent() bool { return g.Files != nil && g.Files.Interrupted() }

// whole tries to recover what there is to be recovered in a group, and tells whether something may be staged: not when that has failed,
// and not yet when its files have become others, with which all its outputs have to be compared.
func (r *Runner) whole(g *Group) bool {
	rendered, first := g.rendered, !g.resumed
	err := r.resume(g)
	if err == nil && !g.unconfirmed.IsZero() {
		err = r.confirm(g)
	}
	if err != nil {
		g.fresh = false
		r.putOff(g, fmt.Errorf("%s: %w", g.Name, err))
		return false
	}
	return first || g.rendered == rendered
}

// untaken tells whether there is something to be taken up in a group, also while it may not be committed.
func (r *Runner) untaken(g *Group) bool { return !r.Dry && (!g.resumed || g.inconsistent()) }

// unread has no command begin while files are being replaced: it could read some new and some old ones.
func (r *Runner) unread(do func() error) error {
	r.Queue.Hold()
	defer r.Queue.Resume()
	return do()
}

// withhold takes the commands of a group out of the queue. They are pending, whoever has asked for them.
func (r *Runner) withhold(g *Group) {
	for _, j := range g.Jobs {
		id := j.id
		if id == "" {
			continue
		}
		r.Queue.Drop(id)
		for _, o := range r.Groups {
			if ticket, pending := o.reloads[id]; pending && ticket != notSubmitted {
				o.reloads[id] = notSubmitted
				r.pending = append(r.pending, pendingCommand{o, j, atOnce})
			}
		}
	}
}

// waits tells whether a command may not be run now, since it would read files that don't belong together. It goes on waiting,
// but with Once, which waits for nothing.
func (r *Runner) waits(o pendingCommand) bool {
	i := slices.IndexFunc(r.Groups, func(g *Group) bool { return g.inconsistent() && g.runs(o.job.id) })
	switch {
	case i < 0:
		return false
	case r.Once:
		r.failures = append(r.failures, fmt.Errorf("%s: its command was not run, since the files of %s don't belong together", o.group.Name, r.Groups[i].Name))
	default:
		r.withheld = append(r.withheld, o)
	}
	return true
}

// release has the commands that waited be submitted, those of them that need not wait any longer.
func (r *Runner) release() {
	r.pending = append(r.pending, r.withheld...)
	r.withheld = nil
}

// runs tells whether a command of the group has this id.
func (g *Group) runs(id string) bool {
	return slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.id == id })
}

// becameOthers notes that the files are others than the group has put there: an interrupted commit was ended, or another lictor
// has committed some. All outputs are made anew, and compared with them.
func (r *Runner) becameOthers(g *Group) {
	g.rendered = g.Files.Rendered()
	g.rolledBack, g.retry = true, time.Time{}
	g.makeDue()
	r.changed.add(changes{files: true})
	if g.Files.Pending() {
		r.Log.Warn("files of the group have been replaced or restored, and its commands are run for them", "group", g.Name)
		r.addPending(g, g.Jobs, atOnce)
	}
}
