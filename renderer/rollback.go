package renderer

import (
	"errors"
	"fmt"
	"slices"
)

// CanRollback tells whether there is something that Rollback would bring back: where there was no file at all, it would only take
// away what there is now, and the service may just not have been started yet. Where one file can't come back, since nothing
// could be kept beside it, none does.
func (g *Group) CanRollback() bool {
	has := func(k kept) bool {
		return slices.ContainsFunc(g.state.Members, func(m *member) bool { return m.Previous == k })
	}
	return has(aFile) && !has(lost)
}

// Rollback brings back, with owner and mode, the contents that were confirmed last, and keeps what is there now as
// NAME.rejected, where it can. For what came back a reload is pending. After an error nothing was changed, unless the group is
// Interrupted then: Open goes on where the Rollback, or a crash, left off.
func (g *Group) Rollback() error {
	leave, err := g.enterWhole()
	if err != nil {
		return err
	}
	defer leave()
	if !g.CanRollback() {
		return errors.New("there are no previous contents to go back to")
	}
	for _, m := range g.state.Members {
		if err := m.canRollBack(g.faults); err != nil {
			return fmt.Errorf("can't roll back: %w", err)
		}
	}
	g.state.Phase, g.state.durable = rollingBack, true
	if err := g.save(); err != nil {
		g.state.Phase = idle
		return err
	}
	return g.rollBack()
}

// rollBack does what there is to do of the rollback under way.
func (g *Group) rollBack() error {
	for _, m := range g.state.Members {
		unkept, err := m.rollBack(g.faults)
		if err != nil {
			return fmt.Errorf("rolling back: %w", err)
		}
		if unkept != nil {
			g.warn("what %s had is not kept as %s.rejected: %v", m.Path, m.Path, unkept)
		}
	}
	for _, m := range g.state.Members {
		if m.Previous != nothing {
			m.Rejected, m.Hash, m.Previous = m.Hash, "", nothing
		}
	}
	g.state.Rendered = hash([]byte(g.state.Rendered + " rolled back"))
	g.settle()
	return nil
}
