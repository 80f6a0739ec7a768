package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"lictor/internal/command"
	"lictor/internal/config"
	"lictor/internal/realpath"
)

// foresee tells, before anything is made, what this machine lacks of what the templates name. A daemon only warns of it,
// since the user may come with a package, or the directory service be up later; so does a peer's stand-in, whose peer
// would not mind as long as the file stays as it is.
func (a *assembly) foresee() error {
	lacks := lacks(a.cfg.Templates)
	switch {
	case a.cfg.Dry:
		return nil
	case a.cfg.Once && (a.persona == config.Lictor || a.persona == config.LictorExec):
		return errors.Join(lacks...)
	}
	for _, err := range lacks {
		a.log.Warn(err.Error() + ", and its file can't be written until there is")
	}
	return nil
}

// lacks finds users, groups and programs of checks that are not there.
func lacks(templates []config.Template) []error {
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

// checkDestinations finds what would keep the templates from being written, without writing.
func checkDestinations(templates []config.Template) error {
	errs := lacks(templates)
	for _, t := range templates {
		if t.Destination == "" || t.NamesFolder() || realpath.IsStream(t.Destination) {
			continue // which Validate and newJob report
		}
		if err := fileOf(t).Check(); err != nil {
			errs = append(errs, &config.Error{Pos: t.Pos, Err: fmt.Errorf("template: %w", err)})
		}
	}
	return errors.Join(errs...)
}
