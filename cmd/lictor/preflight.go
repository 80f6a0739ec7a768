package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"lictor/internal/command"
	"lictor/internal/config"
)

// preflight tells, before anything is made, what a run would come to: that there is nothing to do, and what this machine lacks
// of what the templates name. Of the latter a daemon only warns, since the user may come with a package, or the directory
// service be up later; so does a peer's stand-in, whose peer would not mind as long as the file stays as it is.
func (a *assembly) preflight() error {
	if err := a.idle(); err != nil {
		return err
	}
	missing := notThere(a.cfg.Templates)
	switch {
	case a.cfg.Dry, a.cfg.ParseOnly:
		return nil
	case a.cfg.Once && !isPeer(a.persona):
		return errors.Join(missing...)
	}
	for _, err := range missing {
		a.log.Warn(err.Error() + ", and its file can't be written until there is")
	}
	return nil
}

// runsProgram tells whether there is a program to be run and supervised.
func (a *assembly) runsProgram() bool {
	return !a.cfg.Exec.Command.IsZero() && a.cfg.Exec.Enabled != config.Off && !a.cfg.NoCommands
}

// makesEnvironment tells whether keys or services are to become variables.
func (a *assembly) makesEnvironment() bool { return len(a.cfg.Prefixes)+len(a.cfg.Services) > 0 }

// idle says that there is nothing to do: most likely the file that was meant was not read. The peers run on, and so do we in
// their place.
func (a *assembly) idle() error {
	c := a.cfg
	if len(c.Templates) > 0 || a.runsProgram() || a.execMode() && a.makesEnvironment() {
		return nil
	}
	const nothing = "there is no template and no program, so there is nothing to do"
	if isPeer(a.persona) {
		if !c.Once {
			a.log.Warn(nothing)
		}
		return nil
	}
	return &exitError{exitConfig, errors.New(nothing + ": name one with -template or -exec, or a file that does with -config")}
}

// notThere finds users, groups and programs of checks that are not there.
func notThere(templates []config.Template) []error {
	var errs []error
	for _, t := range templates {
		if err := fileOf(t).CheckOwner(); err != nil {
			errs = append(errs, &config.Error{Pos: t.Pos, Err: fmt.Errorf("template: %s", strings.ReplaceAll(err.Error(), "\n", "; "))})
		}
		if t.Check.IsZero() || t.Check.Shell || strings.Contains(t.Check.Args[0], "{{") {
			continue
		}
		if _, err := exec.LookPath(t.Check.Args[0]); err != nil {
			errs = append(errs, &config.Error{Pos: t.Pos, Err: fmt.Errorf("template: check: %w", &command.StartError{Command: t.Check.Args[0], Err: err})})
		}
	}
	return errs
}
