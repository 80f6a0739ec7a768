package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"lictor/internal/command"
	"lictor/internal/config"
	"lictor/internal/lint"
	"lictor/internal/realpath"
	"lictor/renderer"
	"lictor/watch/file"
)

// Here is what `config -check` looks at beside what a start puts together: what a start opens or waits for, on this machine.

// checkStart finds what would keep a start from going on to all of its work, without writing or running anything.
func (a *assembly) checkStart() error {
	errs := []error{a.checkLogs(), a.checkFiles(), a.checkData(), a.checkCalls(), a.checkPrograms(), checkDestinations(a.cfg.Templates)}
	if a.makesEnvironment() {
		errs = append(errs, a.addEnviron(os.Environ(), nil))
	} else {
		errs = append(errs, a.idle())
	}
	return errors.Join(errs...)
}

// at gives an error the place of an option.
func (a *assembly) at(option string, err error) error {
	if err == nil {
		return nil
	}
	return &config.Error{Pos: a.cfg.At(option), Err: fmt.Errorf("%s: %w", option, err)}
}

// checkLogs tells whether the logs can be opened.
func (a *assembly) checkLogs() error {
	var errs []error
	if a.cfg.LogFile.Path != "" {
		log := newLogFile(a.cfg.LogFile, a.persona.String())
		errs = append(errs, a.at("log_file.path", mayWrite(log.at(log.path))))
	}
	if a.cfg.Syslog.Enabled == config.On {
		w, err := dialSyslog(a.cfg.Syslog)
		if err == nil {
			w.Close()
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return &exitError{exitConfig, err}
	}
	return nil
}

// checkFiles tells whether the process file can be written and the token be read.
func (a *assembly) checkFiles() error {
	errs := []error{a.checkTokenFile()}
	if a.cfg.PidFile != "" {
		errs = append(errs, a.at("pid_file", mayWrite(pidFile(a.cfg.PidFile).file())))
	}
	return errors.Join(errs...)
}

// mayWrite tells why what is to be written at a path can't be.
func mayWrite(file renderer.File) error {
	stream, err := file.Stream()
	if err != nil || stream != nil {
		return err
	}
	return file.Check()
}

// checkData reads the data files. A daemon waits until a broken one is fixed.
func (a *assembly) checkData() error {
	if !a.hasData() || a.cfg.Once { // which newData has read
		return nil
	}
	if _, err := file.Load(a.cfg.Set, a.cfg.Data...); err != nil {
		return lines(err)
	}
	return nil
}

// checkQueries finds queries that are written out in templates and are none. A peer only finds those that it comes to.
func (a *assembly) checkQueries() error {
	return a.failingCalls(func(f lint.Failing) bool { return f.Query && (f.Certain || !isPeer(a.persona)) })
}

// checkCalls finds calls in templates that fail whatever the data says. Of one that stands in a branch, which may be there for
// another place, it only warns, unless it is a mistake wherever it stands.
func (a *assembly) checkCalls() error {
	return a.failingCalls(func(f lint.Failing) bool { return f.Query || f.Certain })
}

// failingCalls are the calls in templates that can't work and that are wrong; others are warned of.
func (a *assembly) failingCalls(wrong func(lint.Failing) bool) error {
	var errs []error
	for _, t := range a.cfg.Templates {
		source, err := a.sourceOf(t)
		if err != nil {
			continue // which addTemplates reports
		}
		calls, err := lint.FailingCalls(source)
		if err != nil {
			continue // the same
		}
		for _, call := range calls {
			err := fmt.Errorf("%s:%v: %w", source.Name, call.At, call.Err)
			if wrong(call) {
				errs = append(errs, err)
			} else {
				a.log.Warn(err.Error() + "; the template fails when it comes to this call")
			}
		}
	}
	return errors.Join(errs...)
}

// checkPrograms finds programs that are not there, of those that are run without a shell.
func (a *assembly) checkPrograms() error {
	if a.cfg.NoCommands {
		return nil
	}
	find := func(pos config.Pos, what string, c config.Command) error {
		if c.IsZero() || c.Shell {
			return nil
		}
		if _, err := exec.LookPath(c.Args[0]); err != nil {
			return &config.Error{Pos: pos, Err: fmt.Errorf("%s: %w", what, &command.StartError{Command: c.Args[0], Err: err})}
		}
		return nil
	}
	var errs []error
	if a.runsProgram() {
		errs = append(errs, find(a.cfg.At("exec.command"), "exec.command", a.cfg.Exec.Command))
	}
	for _, t := range a.cfg.Templates {
		if t.Exec.Enabled != config.Off {
			errs = append(errs, find(t.Pos, "template: command", t.Exec.Command))
		}
	}
	return errors.Join(errs...)
}

// checkDestinations finds what would keep the templates from being written, without writing.
func checkDestinations(templates []config.Template) error {
	errs := notThere(templates)
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
