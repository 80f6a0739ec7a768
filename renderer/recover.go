package renderer

import (
	"errors"
	"fmt"
)

// What a failure or a crash has left half done is ended before anything else is done to the group's files: a commit whose
// files are all in place is finished, any other is undone, and a rollback is finished. Until then the group is Interrupted.

// errInterrupted is for what can't be done to files of which some may be old and some new.
var errInterrupted = errors.New("an earlier commit or rollback of the group was interrupted, and has to be finished or undone first")

// errChanged is for what was prepared for other files than there are now.
var errChanged = errors.New("another lictor has written files of the group meanwhile, with which these have to be compared first")

// Interrupted tells whether a commit or a rollback has stopped in the middle, so that some of the group's files may be old
// and some new. [Group.Open] tries again to end it.
func (g *Group) Interrupted() bool { return g.unrecovered || g.state.Phase != idle }

// recover ends what was interrupted, and learns what another program has done to the files.
func (g *Group) recover() error {
	if other, err := g.writtenByOthers(); err != nil || other == nil && !g.dirty && !g.Interrupted() {
		return err
	}
	leave, _, err := g.enter()
	if err != nil {
		return err
	}
	defer leave()
	return g.finishOrUndo()
}

// finishOrUndo finishes or undoes what a crash or an error left half done.
func (g *Group) finishOrUndo() error {
	switch g.state.Phase {
	case rollingBack:
		return g.rollBack()
	case committing:
		all, some := true, false
		for _, m := range g.state.Members {
			if m.Next == "" {
				continue
			}
			is, err := m.isNext(g.faults)
			if err != nil {
				return err
			}
			all, some = all && is, some || is || m.InPlace
		}
		if !all {
			if some {
				g.seen()
			}
			return g.undo()
		}
		g.finish()
	}
	return nil
}

// seen notes that somebody may have read files of which some were new and some old, and leaves a reload pending also when they are
// old again. It is saved before they are, or a crash would forget it; but that it can't be keeps nothing from being recovered.
func (g *Group) seen() {
	g.state.Rendered = hash([]byte(g.state.Rendered + " seen"))
	_ = g.save() // and once more when the files are recovered
}

// undo takes back the commit under way, whatever there is of it.
func (g *Group) undo() error {
	for _, m := range g.state.Members {
		if m.Next == "" {
			continue
		}
		err := m.undo(g.faults)
		switch {
		case err != nil && g.state.Phase == idle:
			g.warn("a hidden file is left beside %s: %v", m.Path, err) // nothing else was changed yet
		case err != nil:
			g.seen()
			return fmt.Errorf("the files of the group don't belong together now, since undoing failed: %w", err)
		case m.Undo == lost && m.held == nil:
			g.warn("%s can't be taken back, since nothing could be kept beside it: it may not belong to the group's other files until the next commit", m.Path)
		}
	}
	for _, m := range g.state.Members {
		m.Next, m.Undo, m.held = "", nothing, nil
	}
	g.settle()
	return nil
}

// finish ends a commit whose files are all in place.
func (g *Group) finish() {
	for _, m := range g.state.Members {
		if m.Next == "" {
			continue
		}
		if err := m.promote(g.faults); err != nil && m.Previous == lost {
			g.warn("%s can't be rolled back, since what it had could not be kept: %v", m.Path, err)
		} else if err != nil {
			g.warn("a hidden file is left beside %s: %v", m.Path, err)
		}
		m.Hash, m.Next, m.Undo, m.Rejected, m.held = m.Next, "", nothing, "", nil
	}
	g.state.Rendered = g.state.Next
	g.settle()
}

// settle notes that nothing is under way. Where that can't be saved it is before anything else is done, and a crash before
// that has the same done to the files again.
func (g *Group) settle() {
	if g.state.Phase == idle {
		g.state.durable = false
		return // it was never said to be
	}
	g.state.Phase, g.state.Next = idle, ""
	if err := g.save(); err != nil {
		g.warn("what was done to the files could not be noted, and a restart may take it to be unfinished: %v", err)
		return
	}
	g.state.durable = false
}
