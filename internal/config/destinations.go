package config

import (
	"fmt"
	"slices"

	"lictor/internal/realpath"
)

// overwritten finds destinations that are another file of ours: what a template writes there would be lost, or that file would.
func (c Config) overwritten() []error {
	var errs []error
	taken := c.inUse()
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

// inUse says of files, by their real paths, what they are: those that we read, and those that are kept beside destinations.
func (c Config) inUse() map[string]string {
	files := map[string]string{}
	use := func(path, format string, args ...any) {
		files[realpath.Of(path)] = fmt.Sprintf(format, args...) + ": name another one"
	}
	for _, path := range c.files {
		use(path, "is a configuration file")
	}
	for _, path := range c.Data {
		use(path, "is a data file")
	}
	for _, t := range c.Templates {
		if t.Source != "" && t.Source != "-" {
			use(t.Source, "is the source of a template (%v)", t.Pos)
		}
		if t.Destination == "" {
			continue
		}
		real := realpath.Of(t.Destination)
		if t.Backup {
			use(real+".bak", "is where backup keeps the previous file of %s (%v)", t.Destination, t.Pos)
		}
		if c.mayRefuse(t) {
			use(real+".rejected", "is where content for %s is kept that is refused (%v)", t.Destination, t.Pos)
		}
	}
	return files
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
