package runner

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Contents that were rolled back may be good: the service may only have been restarting, or another template, for which the
// same command runs, be to blame. So they are tried again at a start, when a pause is over, and when another template that
// was rolled back is recovered; and they are tried alone, so that it is clear what is to blame.

// How long contents that were rolled back rest before they are tried again: for the first time, and at most.
const againFirst, againMost = 10 * time.Second, time.Hour

// A rollback is one that has begun and is not finished.
type rollback struct {
	why    error         // the failure of a command
	before map[*Job]held // what the destinations had
}

// rollBack brings the previous files of a group back after a command failed, and runs its commands again for them. When it
// fails midway, the commands wait until Open has finished it. It tells whether the files stay as the command has failed with.
func (r *Runner) rollBack(g *Group, why error) (stay bool) {
	if g.checked != "" {
		g.fresh = true // what is being checked was compared with the files that there are now
	}
	r.discard(g)
	g.back = &rollback{why, g.hold()}
	err := r.unread(g.Files.Rollback)
	r.warnOf(g)
	switch {
	case err == nil:
		r.wentBack(g)
		return false
	case g.inconsistent():
		r.putOff(g, fmt.Errorf("%s: rolled back half, since a command failed (%w): %w", g.Name, why, err))
		return false
	}
	g.back = nil
	err = fmt.Errorf("%s: not rolled back after a command failed (%w): %w", g.Name, why, err)
	if !r.Once && (g.err == nil || g.err.Error() != err.Error()) {
		r.Log.Error("command failed, and the previous files can't be brought back", "group", g.Name, "error", err)
	}
	g.err = err
	return true
}

// wentBack does what is to be done when the previous files are all back.
func (r *Runner) wentBack(g *Group) {
	why, before := g.back.why, g.back.before
	g.back = nil
	g.failures++
	pause := r.again.Pause(g.failures)
	if !r.Once { // which ends with it
		r.Log.Error("command failed, the previous files are back", "group", g.Name, "error", why, "tried again in", pause.Round(time.Second))
	}
	r.explainRollback(g, before)
	for _, j := range g.Jobs {
		j.stands[0] = j.stands[1]
	}
	g.publish()
	g.err = fmt.Errorf("%s: rolled back, since a command failed: %w", g.Name, why)
	g.rolledBack, g.again, g.retry = true, time.Now().Add(pause), time.Time{}
	if g.fresh { // and the other files, which have just been rolled back, belong to what is
		g.makeDue()
	}
	clear(g.reloads)
	r.changed.add(changes{files: true})
	r.addPending(g, g.Jobs, atOnce)
}

// tryAgain has contents that were rolled back be made anew when their pause is over.
func (g *Group) tryAgain(now time.Time) {
	if g.again.IsZero() || g.again.After(now) {
		return
	}
	g.again = time.Time{}
	g.makeDue()
}

func (g *Group) makeDue() {
	for _, j := range g.Jobs {
		j.due = true
	}
}

// resting tells whether what is staged was rolled back, and is not to be tried again yet.
func (g *Group) resting() bool {
	return !g.again.IsZero() && g.Files.Rejected(g.files())
}

// takenOver notes that the commands have succeeded with the files that the group has now. Where those are new ones, after a
// rollback, the group is recovered.
func (r *Runner) takenOver(g *Group) {
	if g.Files != nil {
		_ = r.confirm(g) // an error was logged
	}
	if !g.rolledBack {
		r.recovered(g)
	}
}

// recovered notes that nothing of the group is to be tried again. What else was rolled back need not rest any longer, if it was so on
// the group's account.
func (r *Runner) recovered(g *Group) {
	if g.failures == 0 {
		return
	}
	g.failures = 0
	for _, other := range r.Groups {
		if !other.again.IsZero() && other.shares(g) {
			other.again = time.Now()
		}
	}
}

// wanting are the groups that have something to commit. Those that were rolled back most often come last, or what is to
// blame would always be tried before what is not.
func (r *Runner) wanting(now time.Time) []*Group {
	var groups []*Group
	for _, g := range r.Groups {
		if g.wants(now) {
			groups = append(groups, g)
		}
	}
	slices.SortStableFunc(groups, func(a, b *Group) int { return cmp.Compare(a.failures, b.failures) })
	return groups
}

// mayCommit tells whether nothing is against a commit of g: every job has a finished output, which is of the same data as the
// others' where the destinations have none of them, and nothing is under way.
func (r *Runner) mayCommit(g *Group) bool {
	return g.checked == "" && !slices.ContainsFunc(g.Jobs, func(j *Job) bool { return !j.ready || g.rolledBack && j.due }) &&
		!(g.Rollback && r.awaits(g)) && r.inTurn(g)
}

// inTurn tells whether what is written to no file but to a stream, which others may share, comes in the order of the
// configuration. Only a run with Once keeps to it: then what comes before is committed or fails some time.
func (r *Runner) inTurn(g *Group) bool {
	if !r.Once || r.Dry || !g.isStream() {
		return true
	}
	before := r.Groups[:slices.Index(r.Groups, g)]
	return !slices.ContainsFunc(before, func(o *Group) bool {
		failed := o.err != nil || slices.ContainsFunc(o.Jobs, func(j *Job) bool { return j.err != nil })
		return o.isStream() && !o.committed && !failed
	})
}

func (g *Group) isStream() bool {
	return slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.Path == "" && !j.Environ })
}

// awaits tells whether g, which may be rolled back, has to wait for the end of a command. For its own it has, since whether
// what is there now is good shows in a moment, and a rollback must go back to something good. For another group's it has
// where either is tried again after a rollback.
func (r *Runner) awaits(g *Group) bool {
	return len(g.running) > 0 || slices.ContainsFunc(r.Groups, func(o *Group) bool {
		return o != g && g.failures+o.failures > 0 && o.underWay() && o.shares(g)
	})
}

// underWay tells whether the group is being committed, or a command that it asked for has not been run once.
func (g *Group) underWay() bool {
	for _, ticket := range g.reloads {
		if ticket == notSubmitted {
			return true
		}
	}
	return g.checked != "" || len(g.running) > 0
}

// shares tells whether a command is run for both groups.
func (g *Group) shares(o *Group) bool {
	return slices.ContainsFunc(g.Jobs, func(a *Job) bool {
		return a.id != "" && slices.ContainsFunc(o.Jobs, func(b *Job) bool { return a.id == b.id })
	})
}
