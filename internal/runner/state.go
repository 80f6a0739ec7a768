package runner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lictor/renderer"
)

// A State sums up how things stand, for people. It is derived from what the groups and the watcher are, whenever somebody asks.
type State struct {
	Files       int                  // how many there are
	Behind      map[trouble][]string // those that do not have what their templates say, by the reason
	Environment trouble              // why the program's environment is behind
	Pending     int                  // commands that have failed and are to be run again
	Held        int                  // answers that a guard holds back
	Failing     bool                 // queries go without an answer
}

// A trouble is why a destination does not have what its template says.
type trouble string

const (
	failed      trouble = "failed to render"
	refused     trouble = "refused by a check"
	rolledBack  trouble = "rolled back, since a command failed"
	uncommitted trouble = "not committed"
	waiting     trouble = "waiting for data"
	pending     trouble = "not rendered yet"
)

var troubles = []trouble{failed, refused, rolledBack, uncommitted, waiting, pending}

// A refusedError is a group's error when a check has failed.
type refusedError struct {
	group string
	why   error
}

func (e refusedError) Error() string { return fmt.Sprintf("%s: check failed: %s", e.group, e.why) }
func (e refusedError) Unwrap() error { return e.why }

// trouble is why the destination of a job of the group is behind, or "".
func (g *Group) trouble(j *Job) trouble {
	_, isRefused := g.err.(refusedError)
	switch {
	case j.err != nil:
		return failed
	case isRefused:
		return refused
	case g.failures > 0 && (g.rolledBack || len(g.reloads) > 0): // in the latter case it is being tried again
		return rolledBack
	case g.err != nil:
		return uncommitted
	case !j.ready:
		return waiting
	case !g.committed:
		return pending
	}
	return ""
}

// failing lists the commands, by id, that have failed and are to be run again.
func (g *Group) failing() (ids []string) {
	for id := range g.reloads {
		if _, runs := g.running[id]; !runs && g.reloads[id] != notSubmitted {
			ids = append(ids, id)
		}
	}
	return ids
}

// State sums up how things stand. It is for the goroutine of Run, and so for OnSignal and Report.
func (r *Runner) State() State {
	s := State{Behind: map[trouble][]string{}, Held: r.Watcher.Withheld(), Failing: r.Watcher.Failing()}
	pending := map[string]bool{}
	for _, g := range r.Groups {
		for _, j := range g.Jobs {
			why := g.trouble(j)
			if j.Environ {
				s.Environment = why
				continue
			}
			s.Files++
			if why != "" {
				s.Behind[why] = append(s.Behind[why], cmp.Or(j.Path, j.Name))
			}
		}
		for _, id := range g.failing() {
			pending[id] = true
		}
	}
	s.Pending = len(pending)
	return s
}

// String is all of it on one line: "12 files current", or what is wrong, such as "1 of 12 files refused by a check:
// /etc/haproxy/haproxy.cfg; a reload is pending".
func (s State) String() string {
	var parts []string
	for _, why := range troubles {
		if names := s.Behind[why]; len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%d of %s %s: %s", len(names), count(s.Files, "file"), why, some(names)))
		}
	}
	switch {
	case len(parts) > 0:
	case s.Files > 0:
		parts = append(parts, count(s.Files, "file")+" current")
	case s.Environment == "":
		parts = append(parts, "current")
	}
	if s.Environment != "" {
		parts = append(parts, "environment "+string(s.Environment))
	}
	if s.Pending > 0 {
		parts = append(parts, count(s.Pending, "reload")+" pending")
	}
	if s.Held > 0 {
		parts = append(parts, count(s.Held, "answer")+" held back by a guard")
	}
	if s.Failing {
		parts = append(parts, "queries fail")
	}
	return strings.Join(parts, "; ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// some lists a few of many.
func some(names []string) string {
	const most = 3
	if len(names) > most {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}

// report tells how things stand, when that has changed.
func (r *Runner) report() {
	if r.Report == nil {
		return
	}
	if s := r.State(); s.String() != r.reported {
		r.reported = s.String()
		r.Report(s)
	}
}

// settle says it when something was wrong with a group and it recovered, which nothing else may tell: its data may just
// have become again what the destinations have. What was refused, by an earlier run too, is removed then, so that there is a
// NAME.rejected only while something is refused.
func (r *Runner) settle() {
	if r.Dry {
		return
	}
	for _, g := range r.Groups {
		if why := g.ailment(); why != "" {
			g.wrong, g.tidy = why, false
			continue
		}
		if g.tidy && g.wrong == "" || !g.well() {
			continue
		}
		if g.wrong != "" {
			r.Log.Info("recovered", "destination", some(g.names()), "was", g.wrong)
		}
		g.wrong, g.tidy = "", true
		r.recovered(g)
		if g.mayRefuse() {
			r.dropRejected(g)
		}
	}
}

// ailment is what is wrong with the group, "" for nothing. To wait is nothing wrong.
func (g *Group) ailment() string {
	for _, j := range g.Jobs {
		if why := g.trouble(j); why != "" && why != waiting && why != pending {
			return string(why)
		}
	}
	if len(g.failing()) > 0 {
		return "a command failed"
	}
	return ""
}

// well tells whether the destinations have what the templates say, and whoever reads them has taken it over.
func (g *Group) well() bool {
	return g.committed && !g.fresh && g.checked == "" && g.retry.IsZero() && len(g.reloads) == 0 &&
		!slices.ContainsFunc(g.Jobs, func(j *Job) bool { return !j.ready })
}

// names are the destinations of the group.
func (g *Group) names() (names []string) {
	for _, j := range g.Jobs {
		names = append(names, cmp.Or(j.Path, j.Name))
	}
	return names
}

// mayRefuse tells whether contents of the group can be refused or rolled back.
func (g *Group) mayRefuse() bool {
	return g.Rollback || slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.Check != nil })
}

func (r *Runner) dropRejected(g *Group) {
	for _, j := range g.Jobs {
		if j.Path == "" {
			continue
		}
		if err := renderer.DropRejected(j.Path); err != nil {
			r.Log.Warn("what was refused before could not be removed", "template", j.Name, "error", err)
		}
	}
}
