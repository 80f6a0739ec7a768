package config

import (
	"fmt"
	"slices"

	"lictor/internal/realpath"
)

// overwritten finds destinations that are another file of ours: what a template writes there would be lost, or that file would.
func (c Config) overwritten() []error {
	var errs []error
	taken := map[string]string{} // what a file is, by its real path
	for _, t := range c.Templates {
		if t.Destination == "" {
			continue
		}
		if t.Backup {
			taken[realpath.Of(t.Destination)+".bak"] = fmt.Sprintf("is where backup keeps the previous file of %s (%v): name another one", t.Destination, t.Pos)
		}
		if c.mayRefuse(t) {
			taken[realpath.Of(t.Destination)+".rejected"] = fmt.Sprintf("is where content for %s is kept that is refused (%v): name another one", t.Destination, t.Pos)
		}
	}
	for _, t := range c.Templates {
		if t.Destination == "" {
			continue
		}
		path := realpath.Of(t.Destination)
		if what, ok := taken[path]; ok {
			errs = append(errs, &Error{t.Pos, fmt.Errorf("template: destination %s %s", t.Destination, what)})
			continue
		}
		taken[path] = fmt.Sprintf("is already written by %s (%v)", t.name(), t.Pos)
	}
	return errs
}

// together tells whether two templates are committed together.
func together(a, b Template) bool {
	return a.Destination == b.Destination || a.CommitGroup != "" && a.CommitGroup == b.CommitGroup
}

// mayRefuse tells whether content of the template can be refused or rolled back, and is kept beside the destination then.
func (c Config) mayRefuse(t Template) bool {
	return slices.ContainsFunc(c.Templates, func(o Template) bool { return together(t, o) && (!o.Check.IsZero() || o.Rollback) })
}

// idleRollbacks finds templates that ask for a rollback where no command can fail.
func (c Config) idleRollbacks() []error {
	var errs []error
	for _, t := range c.Templates {
		runs := func(o Template) bool {
			return together(t, o) && !o.Exec.Command.IsZero() && o.Exec.Enabled != Off
		}
		if t.Rollback && !slices.ContainsFunc(c.Templates, runs) {
			errs = append(errs, &Error{t.Pos, fmt.Errorf("template: %s: rollback: there is no command whose failure would bring the previous file back", t.name())})
		}
	}
	return errs
}
