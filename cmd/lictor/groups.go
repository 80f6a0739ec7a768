package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"lictor/internal/command"
	"lictor/internal/config"
	"lictor/internal/runner"
	"lictor/renderer"
)

// group puts a template's job into its commit group; a template without one is a group by itself.
func (a *assembly) group(t config.Template, job *runner.Job) {
	wait := runner.Wait{}
	if t.Wait.Enabled == config.On && !a.cfg.Once {
		wait = runner.Wait{Min: t.Wait.Min, Max: t.Wait.Max}
	}
	name := job.Name
	if t.CommitGroup != "" {
		name = t.CommitGroup
	}
	i := slices.IndexFunc(a.runner.Groups, func(g *runner.Group) bool { return g.Name == name })
	if i < 0 || t.CommitGroup == "" {
		i = len(a.runner.Groups)
		a.runner.Groups = append(a.runner.Groups, &runner.Group{Name: name, Files: &renderer.Group{}})
	}
	g := a.runner.Groups[i]
	g.Jobs = append(g.Jobs, job)
	g.Wait.Min, g.Wait.Max = max(g.Wait.Min, wait.Min), max(g.Wait.Max, wait.Max)
	g.MinInterval = max(g.MinInterval, t.MinInterval)
	g.Rollback = g.Rollback || t.Rollback
	g.Files.KeepPrevious = g.Rollback
	if job.Path != "" && !a.cfg.Dry {
		g.Files.Destinations = append(g.Files.Destinations, job.Path)
		g.Files.Remember = g.Files.Remember || a.remembers(t)
	}
}

// remembers tells whether a template's group keeps a state file, so that a restart of ours forgets neither a commit that
// was interrupted nor a reload that is pending. In consul-template's place, which keeps none, it does so where it is asked for
// something that consul-template can't do.
func (a *assembly) remembers(t config.Template) bool {
	return t.CommitGroup != "" || t.Rollback || !t.Check.IsZero() || t.MinInterval > 0 ||
		a.persona != config.ConsulTemplate && !t.Exec.Command.IsZero()
}

// openGroups says whether what earlier runs have noted can be read, and what they were interrupted in be finished or undone.
func (a *assembly) openGroups() error {
	var errs []error
	for _, g := range a.runner.Groups {
		if g.Files == nil {
			continue
		}
		if err := g.Files.Open(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g.Name, err))
		}
	}
	return errors.Join(errs...)
}

// The names by which a check command finds in its environment what it is to check.
const stagedVariable, stagedFolderVariable = "LICTOR_STAGED", "LICTOR_STAGED_DIR"

// checkGrace is how long a check that is stopped may take to end: it has nothing to lose.
const checkGrace = 500 * time.Millisecond

// check makes the check command of a template; nil when there is none.
func (a *assembly) check(t config.Template) func(staged, folder string) command.Command {
	if t.Check.IsZero() {
		return nil
	}
	return func(staged, folder string) command.Command {
		c := command.Command{Shell: t.Check.Shell, Timeout: t.CheckTimeout, Grace: checkGrace,
			Env: append(a.environ(os.Environ(), a.cfg.CommandEnv, t.Exec.Env), stagedFolderVariable+"="+folder)}
		if !ofGroup(t) {
			c.Env = append(c.Env, stagedVariable+"="+staged)
		}
		if t.Check.Shell {
			staged, folder = shellQuote(staged), shellQuote(folder)
		}
		for _, arg := range t.Check.Args {
			c.Args = append(c.Args, command.FillIn(arg, staged, folder))
		}
		return c
	}
}

// ofGroup tells whether a template's check is about its whole group: it names the folder, and not the template's own file.
// Where several templates of the group have that check it is one command then, which need run only once.
func ofGroup(t config.Template) bool {
	const own, all = "\x00", "\x01"
	text := command.FillIn(strings.Join(t.Check.Args, " "), own, all)
	text = strings.NewReplacer(stagedFolderVariable, all, stagedVariable, own).Replace(text)
	return t.CommitGroup != "" && strings.Contains(text, all) && !strings.Contains(text, own)
}

// shellQuote writes s as one word for a shell: as it is where that does, so that it may also stand within quotes.
func shellQuote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// plain are the characters that mean nothing to a shell, within a path.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:,"

// checkMarks finds {{...}} in checks that stand for nothing, and in commands those that stand for something in checks, which
// would be handed to the program as they are.
func checkMarks(templates []config.Template) error {
	var errs []error
	for _, t := range templates {
		for _, arg := range t.Check.Args {
			if strings.Contains(command.FillIn(arg, "", ""), "{{") {
				errs = append(errs, &config.Error{Pos: t.Pos, Err: fmt.Errorf("template: check: unknown mark in %q: there are {{.Staged}} and {{.StagedDir}}", arg)})
			}
		}
		for _, arg := range t.Exec.Command.Args {
			if command.FillIn(arg, "", "") != arg {
				errs = append(errs, &config.Error{Pos: t.Pos, Err: fmt.Errorf("template: command: %q has a mark that only checks have: when the command runs, the file is at its destination", arg)})
			}
		}
	}
	return errors.Join(errs...)
}
