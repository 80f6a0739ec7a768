package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"lictor/renderer"
)

// beginChecks collects the checks of a group of which something is staged, and lays out the folder that they may look at.
// A check runs also where its own job's file stays as it is, since it may be about the whole group.
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
			if err := g.layOut(); err != nil {
				return fmt.Errorf("the folder %s for the check of what is staged: %w", stagedFolder, err)
			}
		}
		path := j.Path
		if j.staged != nil {
			path = j.staged.Path()
		}
		g.checks = append(g.checks, j.Check(path, g.checked))
	}
	return nil
}

// layOut links the files of the group, staged ones where there are, below a folder as they lie below the root.
func (g *Group) layOut() (err error) {
	if g.checked, err = g.makeStagedFolder(); err != nil {
		return err
	}
	for _, j := range g.Jobs {
		if j.Path == "" {
			continue
		}
		path, err := filepath.Abs(j.Path)
		if err != nil {
			return err
		}
		content := path
		if j.staged != nil {
			if content, err = filepath.Abs(j.staged.Path()); err != nil {
				return err
			}
		}
		link := filepath.Join(g.checked, path)
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			return err
		}
		if err := os.Symlink(content, link); err != nil {
			return err
		}
	}
	return nil
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
	r.Checks.Submit(ctx, g.Name, g.checks[0])
	g.checks = g.checks[1:]
}

// refuse ends an attempt to commit whose check failed. The destinations stay as they are; the next change tries again.
func (r *Runner) refuse(g *Group, why error) {
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
		if !j.isNews(f.Content()) {
			r.Log.Debug("check failed again, with the same content", "template", j.Name, "error", why)
			continue
		}
		r.Log.Error("check failed, the destination keeps what it has", append([]any{"template", j.Name, "error", why},
			j.describe(refusal{target: now.target, old: now.content, new: f.Content(), kept: kept, harmless: j.open()})...)...)
	}
	r.discard(g)
	g.err = fmt.Errorf("%s: check failed: %w", g.Name, why)
	r.standBy(g)
}
