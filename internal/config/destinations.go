package config

import (
	"fmt"
	"slices"
	"strings"

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
		if realpath.IsStream(t.Destination) {
			errs = append(errs, t.meaninglessOnStream()...)
			continue // several can write there
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

// meaninglessOnStream finds options that are about replacing a file, in a template whose destination is written to instead.
func (t Template) meaninglessOnStream() []error {
	var given []string
	for _, o := range []struct {
		name  string
		given bool
	}{
		{"backup", t.Backup}, {"check", !t.Check.IsZero()}, {"commit_group", t.CommitGroup != ""}, {"group", t.Group != ""},
		{"in_place", t.InPlace}, {"perms", t.Perms != 0}, {"rollback", t.Rollback}, {"user", t.User != ""},
	} {
		if o.given {
			given = append(given, o.name)
		}
	}
	if len(given) == 0 {
		return nil
	}
	return []error{&Error{t.Pos, fmt.Errorf("template: destination %s is written to, and not replaced as a file is: leave out %s", t.Destination, strings.Join(given, ", "))}}
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
