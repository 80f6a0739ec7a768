package runner

import "time"

// How often a group is committed is bounded by its MinInterval, and how often a command runs by the largest one of those that
// share it. The queue sees to the second; but what would have to wait for its reload is not committed before, so that what is
// on disk and what is reloaded stay close.

// setIntervals tells the queue how far apart the runs of each command have to be. It takes the last commit of an earlier run for a run
// of the command.
func (r *Runner) setIntervals() {
	if r.Once {
		return
	}
	intervals, last := map[string]time.Duration{}, map[string]time.Time{}
	for _, g := range r.Groups {
		for _, j := range g.Jobs {
			if j.id != "" {
				intervals[j.id] = max(intervals[j.id], g.MinInterval)
				last[j.id] = latest(last[j.id], g.commit)
			}
		}
	}
	for id, interval := range intervals {
		if interval > 0 {
			r.Queue.MinInterval(id, interval, last[id])
		}
	}
}

// earliest is when g may be committed again: when its last commit is long enough ago, and the last run of each of its
// commands. A run that is waiting will be for what is committed now as well.
func (r *Runner) earliest(g *Group) (at time.Time) {
	if !g.commit.IsZero() {
		at = g.commit.Add(g.MinInterval)
	}
	for _, j := range g.Jobs {
		if j.id == "" {
			continue
		}
		if until, waiting := r.Queue.Rests(j.id); !waiting {
			at = latest(at, until)
		}
	}
	return at
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tooSoon tells whether what is staged has to wait, since the last commit, be it of an earlier run, or the last run of a
// command is not long enough ago. A file that is missing does not wait.
func (r *Runner) tooSoon(g *Group) bool {
	at := r.earliest(g)
	if g.commit.IsZero() || !at.After(time.Now()) || !g.hasStaged() {
		return false
	}
	g.retry = at
	if !g.committed && !g.stands {
		g.stands = true
		r.Log.Info("the files of an earlier run stand until min_interval is over", "group", g.Name, "at", at.Format(time.TimeOnly))
	}
	return true
}
