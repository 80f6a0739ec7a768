package runner

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"lictor/internal/command"
	"lictor/renderer"
)

// beginChecks collects the checks of a group of which something is staged, and lays out the folder that they may look at.
// A check runs also where its own job's file stays as it is, since it may be about the whole group; those of several jobs that
// are one command run once.
func (r *Runner) beginChecks(g *Group) error {
	if r.Dry || !g.hasStaged() {
		return nil
	}
	for _, j := range g.Jobs {
		if j.Check == nil {
			continue
		}
		r.warnOfBlindSpots(g)
		if g.checked == "" {
			if err := r.layOut(g); err != nil {
				return fmt.Errorf("the folder %s for the check of what is staged: %w", stagedFolder, err)
			}
		}
		path := j.Path
		if j.staged != nil {
			path = j.staged.Path()
		}
		g.addCheck(j.Check(path, g.checked))
	}
	return nil
}

func (g *Group) addCheck(c command.Command) {
	same := slices.IndexFunc(g.checks, func(other command.Command) bool { return other.Key() == c.Key() })
	if same < 0 {
		g.checks = append(g.checks, c)
		return
	}
	g.checks[same].Timeout = max(g.checks[same].Timeout, c.Timeout)
}

// endChecks forgets the checks and removes their folder, which holds only links.
func (g *Group) endChecks() {
	if g.checked != "" {
		os.RemoveAll(g.checked)
	}
	g.checks, g.checked = nil, ""
}

// check submits the next check of a group, or commits it when none is left.
func (r *Runner) check(ctx context.Context, g *Group) {
	if len(g.checks) == 0 {
		g.endChecks()
		r.commit(g)
		return
	}
	c := g.checks[0]
	c.Hide = r.hide(g)
	g.check = r.Checks.Submit(ctx, g.Name, c)
	g.checks = g.checks[1:]
}

// refuse ends an attempt to commit whose check failed. The destinations stay as they are; the next change tries again, and
// so does some time where the check could not tell. The reason is logged with the first of the refused files.
func (r *Runner) refuse(g *Group, why error) {
	undecided := command.Undecided(why) && !r.Once
	reason := []any{"error", why}
	if undecided {
		reason = append(reason, "again in", retryCommit)
	}
	for _, j := range g.Jobs {
		f, ok := j.staged.(*renderer.Staged)
		if !ok {
			continue
		}
		now := j.holds()
		kept, err := f.Reject()
		if err != nil {
			r.Log.Warn("the rejected content could not be kept", "template", j.Name, "error", err)
		}
		j.staged = nil
		if news := j.isNews(f.Content()) || j.undecided != undecided; !news {
			r.Log.Debug("check failed again, with the same content", "template", j.Name, "error", why)
			continue
		}
		j.undecided = undecided
		says := "refused along with it, the destination keeps what it has"
		if reason != nil {
			says = "check failed, the destination keeps what it has"
		}
		r.Log.Error(says, slices.Concat([]any{"template", j.Name}, reason,
			j.describe(refusal{target: now.target, old: now.content, new: f.Content(), kept: kept, harmless: j.open()}))...)
		reason = nil
	}
	r.discard(g)
	g.err = refusedError{g.Name, why}
	if undecided {
		g.retry = time.Now().Add(retryCommit)
	}
	r.standBy(g)
}
