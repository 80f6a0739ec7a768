package runner

import (
	"os"
	"time"
)

// What an earlier run has left: a reload that is pending, files that are good enough to begin with, and when they were
// written.

// resume goes on where an earlier run left off, or this one when something was interrupted. A reload that is pending does not
// wait for the templates: the files that it is pending for are there, and a template may wait for its data for ever. Until it has
// succeeded nothing of the group is touched: files that were left half committed may be hard to tell from good ones.
func (r *Runner) resume(g *Group) error {
	first := !g.resumed
	if r.Dry || g.Files == nil && !first {
		return nil
	}
	if g.Files != nil {
		before := g.inconsistent()
		err := r.unread(g.Files.Open)
		r.warnOf(g)
		if err != nil {
			return err
		}
		if before {
			r.Log.Warn("the files of the group belong together again", "group", g.Name)
			g.err = nil
			r.release()
		}
	}
	g.resumed = true
	if first && !r.Once {
		g.commit = g.written()
		if r.childFirst() && g.Rollback { // or the child would be started with contents that have failed before
			g.again = time.Now().Add(r.again.Pause(1))
		}
	}
	switch {
	case g.Files == nil:
	case first && g.Files.Pending():
		r.Log.Warn("the reload of an earlier run is still pending", "group", g.Name)
		r.addPending(g, g.Jobs, atOnce)
	case first:
		g.rendered = g.Files.Rendered()
	case g.back != nil:
		r.wentBack(g)
	case g.rendered != g.Files.Rendered():
		r.becameOthers(g)
	}
	return nil
}

// written is when the newest of the group's files was written, and zero where one is missing, which is not to wait.
func (g *Group) written() (at time.Time) {
	for _, j := range g.Jobs {
		info, err := os.Stat(j.Path)
		if j.Path == "" || err != nil {
			return time.Time{}
		}
		if info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	if now := time.Now(); at.After(now) {
		return now // a clock was set back
	}
	return at
}

// standBy has a group that can't be committed for the first time go on with the files of an earlier run, where they are all
// there, and known to be whole: neither a bad value nor a full disk may keep a service from starting with the good files that
// it has.
func (r *Runner) standBy(g *Group) {
	if r.Once || g.committed || g.stands || !g.resumed || g.inconsistent() || g.written().IsZero() {
		return
	}
	g.stands = true
	r.Log.Warn("the files of an earlier run stand until this is fixed", "group", g.Name)
}
