package config

import (
	"fmt"
	"slices"

	"lictor/internal/realpath"
)

// overwritten finds destinations that are another file of ours: what a template writes there would be lost, or that file would.
func (c Config) overwritten() []error {
	var errs []error
	taken := c.kept()
	for _, t := range c.Templates {
		if t.Destination == "" {
			continue
		}
		path := realpath.Of(t.Destination)
		what, ok := taken[path]
		if t.readsFile() && realpath.Of(t.Source) == path {
			what, ok = "is its own source: name another one", true
		}
		if ok {
			errs = append(errs, &Error{t.Pos, fmt.Errorf("template: destination %s %s", t.Destination, what)})
			continue
		}
		taken[path] = fmt.Sprintf("is already written by %s (%v)", t.name(), t.Pos)
	}
	return errs
}

// kept says of the files that are kept beside destinations, by their real paths, what they are.
func (c Config) kept() map[string]string {
	files := map[string]string{}
	for _, t := range c.Templates {
		if t.Destination == "" {
			continue
		}
		real := realpath.Of(t.Destination)
		if t.Backup {
			files[real+".bak"] = fmt.Sprintf("is where backup keeps the previous file of %s (%v): name another one", t.Destination, t.Pos)
		}
		if c.mayRefuse(t) {
			files[real+".rejected"] = fmt.Sprintf("is where content for %s is kept that is refused (%v): name another one", t.Destination, t.Pos)
		}
	}
	return files
}

// readsFile tells whether the template is read from a file.
func (t Template) readsFile() bool { return t.Source != "" && t.Source != "-" }

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
