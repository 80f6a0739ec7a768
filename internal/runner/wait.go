package runner

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lictor/internal/command"
)

// wait returns when there may be something to do; over tells that the run ends here, with err or without.
func (r *Runner) wait(ctx context.Context) (over bool, err error) {
	timer := time.NewTimer(time.Until(r.nextTime()))
	defer timer.Stop()
	var exited <-chan command.Status
	if r.Child != nil {
		exited = r.Child.Exited()
	}
	select {
	case <-ctx.Done():
		return true, nil
	case status := <-exited:
		return true, ChildExit{status}
	case sig := <-r.Signals:
		return r.OnSignal(sig), nil
	case <-r.Queue.Done():
		r.commandsEnded()
		return ctx.Err() != nil, nil
	case <-r.Checks.Done():
		if ctx.Err() != nil {
			return true, nil // nothing is committed any more
		}
		r.checksEnded(ctx)
	case <-r.Watcher.Changed():
		dirty := r.Watcher.Take()
		if r.Once && !r.started.IsZero() {
			return false, nil // the child runs with what there was
		}
		r.unkept = r.unkept || len(dirty) > 0
		r.changedQueries(dirty)
		return false, r.Watcher.GaveUp()
	case <-timer.C:
		return false, r.impatience()
	}
	return false, nil
}

// nextTime is when the runner has something to do that no event tells it of.
func (r *Runner) nextTime() time.Time {
	next := time.Now().Add(time.Hour)
	earlier := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	for _, g := range r.Groups {
		if g.checked == "" {
			earlier(r.settles(g))
			for _, j := range g.Jobs {
				if !j.heard.IsZero() && g.first.IsZero() {
					earlier(j.heard.Add(lull))
				}
				if j.due && g.first.IsZero() { // since the last round
					earlier(time.Now())
				}
			}
		}
		if r.mayCommit(g) || r.untaken(g) {
			earlier(g.retry)
		}
		earlier(g.again)
		earlier(g.unconfirmed)
	}
	if r.unkept && r.Keep != nil && !r.started.IsZero() {
		earlier(r.kept.Add(keepInterval))
	}
	if at, ok := r.submits(); ok && len(r.pending) > 0 {
		earlier(at)
	}
	if !r.committed() {
		earlier(r.nagged.Add(patience))
		if r.Timeout > 0 && r.started.IsZero() {
			earlier(r.begun.Add(r.Timeout))
		}
	}
	return next
}

// keepInterval is the least time between two calls of Keep.
const keepInterval = 30 * time.Second

// keep calls Keep when it is time to.
func (r *Runner) keep(now time.Time) {
	if r.Keep == nil || !r.unkept || r.started.IsZero() || now.Sub(r.kept) < keepInterval {
		return
	}
	r.unkept, r.kept = false, now
	if err := r.Keep(); err != nil {
		r.Log.Warn("the answers were not kept for a start without the registry", "error", err)
	}
}

// patience is how long the first render may wait for data before it is logged what it waits for, and how long until it
// is logged again.
const patience = 10 * time.Second

// impatience logs what the first render waits for, and is the error of a run that has waited for too long.
func (r *Runner) impatience() error {
	now := time.Now()
	over := r.Timeout > 0 && r.started.IsZero() && now.Sub(r.begun) >= r.Timeout
	if r.committed() || !over && now.Sub(r.nagged) < patience {
		return nil
	}
	r.nagged = now
	lines := r.lackLines()
	if over {
		return fmt.Errorf("gave up after %s: %s", r.Timeout, strings.Join(lines, "; "))
	}
	for _, line := range lines {
		r.Log.Warn("still not rendered: " + line)
	}
	return nil
}
