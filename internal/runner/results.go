package runner

import (
	"context"
	"slices"

	"lictor/internal/command"
)

// checksEnded takes in how checks ended: the next one follows, or the commit, or the attempt ends here.
func (r *Runner) checksEnded(ctx context.Context) {
	for _, done := range r.Checks.Take() {
		for _, g := range r.Groups {
			switch {
			case g.Name != done.ID || g.checked == "":
			case done.Err != nil:
				r.refuse(g, done.Err)
			default:
				r.check(ctx, g)
			}
		}
	}
}

// commandsEnded takes in how commands ended. The queue runs those that failed again, except with Once.
func (r *Runner) commandsEnded() {
	for _, done := range r.Queue.Take() {
		if ticket, ok := r.before[done.ID]; ok && done.Ticket >= ticket {
			delete(r.before, done.ID)
		}
		rolledBack := false
		for _, g := range r.Groups {
			ticket, waits := g.reloads[done.ID]
			if done.Ticket >= g.running[done.ID] {
				delete(g.running, done.ID)
			}
			switch {
			case !waits || done.Ticket < ticket:
			case done.Err == nil:
				delete(g.reloads, done.ID)
				if len(g.reloads) == 0 {
					r.takenOver(g)
				}
			case g.Rollback && g.Files.CanRollback():
				rolledBack = r.rollBack(g, done.Err) || rolledBack
			}
		}
		switch {
		case done.Err == nil:
		case r.Once:
			r.failures = append(r.failures, done.Err)
		case !rolledBack:
			r.Log.Error("command failed, it is owed", "error", done.Err, "attempt", done.Attempt, "again in", done.Pause)
		}
	}
}

// quiet tells whether no command and no check is under way.
func (r *Runner) quiet() bool { return !r.Queue.Busy() && !r.Checks.Busy() }

// mayStart tells whether every group is at its destination, or stands by, and the commands of the first commits have each
// been run, which comes before the child's start.
func (r *Runner) mayStart() bool {
	return len(r.before) == 0 && len(r.owed) == 0 &&
		!slices.ContainsFunc(r.Groups, func(g *Group) bool { return !g.committed && !g.stands })
}

// ChildExit is how a run ends whose child has ended, also when it ended with success.
type ChildExit struct{ command.Status }

func (e ChildExit) Error() string { return "the child " + e.Status.String() }
