package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"text/template"

	"github.com/coreos/go-systemd/v22/daemon"

	"lictor/funcs"
	"lictor/internal/command"
	"lictor/internal/config"
	"lictor/internal/engine"
	"lictor/internal/retry"
	"lictor/internal/runner"
	"lictor/internal/spell"
	"lictor/renderer"
	"lictor/watch"
)

// An assembly is everything that one configuration asks for, put together and checked, and not running yet.
type assembly struct {
	cfg     config.Config
	persona config.Persona
	streams streams
	sinks   *sinks
	log     *slog.Logger

	runner      *runner.Runner
	child       *command.Child
	environment *runner.Job // makes the child's environment; nil outside exec mode
	plan        *plan       // of a dry run, else nil

	killSignal, reloadSignal os.Signal
	ending                   <-chan os.Signal // see catchEnd
	ended                    error            // that a signal has come that ends us, once stopped has seen it
}

// assemble loads a configuration and puts together what it asks for. All mistakes that can be found without asking the
// registry are found here, before anything is written or run.
func assemble(ctx context.Context, p config.Persona, s streams, load func() (config.Config, []string, error)) (*assembly, error) {
	a, err := begin(p, s, load)
	if err != nil {
		return nil, err
	}
	if err := a.build(ctx); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// begin loads a configuration and opens its log.
func begin(p config.Persona, s streams, load func() (config.Config, []string, error)) (*assembly, error) {
	cfg, warnings, err := load()
	if err != nil {
		return nil, &exitError{exitConfig, err}
	}
	if err := checkPlan(&cfg); err != nil {
		return nil, err
	}
	a := &assembly{cfg: cfg, persona: p, streams: s}
	if cfg.Dry {
		a.plan = &plan{out: s.out, diff: cfg.Diff, asJSON: cfg.JSON, exitCode: cfg.ExitCode, ordered: cfg.Once}
	}
	if err := a.openLog(); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	warnAll(a.log, append(warnings, doubtLists(cfg)...))
	return a, nil
}

// build puts together what the configuration asks for. It goes on after a mistake, so that all are reported at once.
func (a *assembly) build(ctx context.Context) error {
	cfg := a.cfg
	if cfg.KillSignal != 0 {
		a.killSignal = syscall.Signal(cfg.KillSignal)
	}
	if cfg.ReloadSignal != 0 {
		a.reloadSignal = syscall.Signal(cfg.ReloadSignal)
	}
	invalid := a.mistakes(errors.Join(cfg.Validate(), checkMarks(cfg.Templates)))
	source, err := a.newSource()
	a.runner = &runner.Runner{
		Watcher: watch.New(source, a.log),
		Queue:   command.NewQueue(a.commandLog()),
		Checks:  command.NewQueue(a.log),
		Log:     a.log,
		Once:    cfg.Once, Patient: a.patient(), Dry: cfg.Dry, Timeout: cfg.StartTimeout,
		Ready:   a.ready,
		Secrets: []string{cfg.Consul.Token.Reveal(), cfg.Consul.Auth.Password.Reveal()},
	}
	if os.Getenv("NOTIFY_SOCKET") != "" {
		a.runner.Report = a.report
	}
	a.runner.Watcher.MaxAge, a.runner.Watcher.Closest = cfg.MaxStale, spell.Closest
	for _, g := range cfg.Guards {
		a.runner.Watcher.Guards = append(a.runner.Watcher.Guards, watch.Guard{
			Services: g.Services, Queries: g.Queries, MaxShrink: float64(g.MaxShrink), MinInstances: g.MinInstances, Hold: g.Hold,
			Where: g.Pos.String(),
		})
	}
	if cfg.Cache != "" && !cfg.Dry {
		a.useCache()
	}
	a.runner.Watcher.Retry = a.retry()
	if !cfg.Once {
		a.runner.Queue.Retry = reloadRetry
	}
	return errors.Join(invalid, err, a.addTemplates(ctx), a.addChild())
}

// patient tells whether a run with -once waits for better data of templates that fail: those that may, in consul-template's place.
func (a *assembly) patient() bool {
	return isPeer(a.persona) && slices.ContainsFunc(a.cfg.Templates, func(t config.Template) bool { return t.ErrorFatal == config.Off })
}

// mistakes gives mistakes in the templates and other blocks of a file the exit code of a wrong configuration. The peers,
// which find these later, end with that of a failure.
func (a *assembly) mistakes(err error) error {
	inFile := func(err error) bool {
		at, ok := errors.AsType[*config.Error](err)
		return ok && at.Pos.Line > 0
	}
	if isPeer(a.persona) || !slices.ContainsFunc(joined(err), inFile) {
		return err
	}
	return &exitError{exitConfig, err}
}

// ready tells systemd, where it started us and asked for that, that everything is rendered for the first time. From now on
// an environment that can't be made is no reason to end a program that runs.
func (a *assembly) ready() {
	if a.environment != nil {
		a.environment.Fatal = false
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		a.log.Warn("systemd was not told that we are ready", "error", err)
	}
}

// report tells systemd how things stand, for `systemctl status`. Where that fails, ready has said so, or will.
func (a *assembly) report(s runner.State) {
	_, _ = daemon.SdNotify(false, "STATUS="+s.String())
}

// retry is the policy for queries that fail. The daemon tries for ever unless it is told otherwise.
func (a *assembly) retry() watch.Retry {
	c := a.cfg.Consul.Retry
	r := watch.Retry{Attempts: c.Attempts, Backoff: retry.Backoff{First: c.Backoff, Most: c.MaxBackoff}, PermanentIsFinal: a.cfg.Once}
	if !c.Enabled {
		r.Attempts = -1
	}
	return r
}

// addTemplates parses every template, and groups those that are committed together.
func (a *assembly) addTemplates(ctx context.Context) error {
	var errs []error
	for _, t := range a.cfg.Templates {
		if (t.Source == "") == (t.Contents == "") {
			continue // which Validate reports
		}
		job, err := a.newJob(ctx, t)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a.group(t, job)
	}
	return errors.Join(errs...)
}

// newJob makes a job of a template.
func (a *assembly) newJob(ctx context.Context, t config.Template) (*runner.Job, error) {
	job := &runner.Job{
		Path:    t.Destination,
		Check:   a.check(t),
		Command: a.command(t.Exec),
		Fatal:   t.ErrorFatal == config.On,
		LogDiff: map[string]runner.LogDiff{"always": runner.LogDiffAlways, "never": runner.LogDiffNever}[t.LogDiff],
	}
	name, text, err := a.read(t)
	if err != nil {
		return nil, err
	}
	tmpl, err := a.parseNoting(ctx, t, name, text, job.ReadOutside)
	if err != nil {
		return nil, err
	}
	job.Name, job.Execute = fmt.Sprintf("%s => %s", tmpl.Name(), t.Destination), a.telling(tmpl)
	file := fileOf(t)
	stream, err := a.stream(file)
	if err != nil {
		return nil, &config.Error{Pos: t.Pos, Err: fmt.Errorf("template: %w", err)}
	}
	if stream != nil {
		job.Path, file.Path = "", "" // there is no file
	}
	if a.plan != nil {
		change, runs := a.plan.expect(tmpl.Name(), t), job.Command.String()
		if a.cfg.NoCommands {
			runs = ""
		}
		job.Stage = func(output []byte) (runner.Staged, error) {
			return a.plan.preview(change, runs, file, output)
		}
		return job, nil
	}
	if stream != nil {
		job.Stage = func(output []byte) (runner.Staged, error) {
			if staged := stream.Stage(output); staged != nil {
				return staged, nil
			}
			return nil, nil // a nil *StagedWrite must become a nil interface
		}
		return job, nil
	}
	job.Stage = func(output []byte) (runner.Staged, error) {
		staged, err := file.Stage(output)
		if staged == nil {
			return nil, err // a nil *Staged must become a nil interface
		}
		return staged, err
	}
	return job, nil
}

// stream is the destination where that is written to and not replaced, else nil.
func (a *assembly) stream(file renderer.File) (*renderer.Stream, error) {
	if a.cfg.ParseOnly {
		return nil, nil
	}
	return a.openStream(file)
}

// parse reads and parses a template.
func (a *assembly) parse(ctx context.Context, t config.Template) (*engine.Template, error) {
	name, text, err := a.read(t)
	if err != nil {
		return nil, err
	}
	return a.parseText(ctx, t, name, text)
}

func (a *assembly) parseText(ctx context.Context, t config.Template, name, text string) (*engine.Template, error) {
	return a.parseNoting(ctx, t, name, text, func(string) {})
}

// parseNoting parses a template, and has outside called when it reads something beside the answers to its queries: the
// value of a variable of the environment, or what a program prints, which is not known then.
func (a *assembly) parseNoting(ctx context.Context, t config.Template, name, text string, outside func(value string)) (*engine.Template, error) {
	env := func(name string) (string, bool) {
		value, ok := a.lookupEnv(name)
		outside(value)
		return value, ok
	}
	return engine.Parse(name, text, engine.Options{Left: t.LeftDelimiter, Right: t.RightDelimiter, ErrorOnMissingKey: t.ErrorOnMissingKey},
		func(p *engine.Pass) template.FuncMap {
			return funcs.Map(ctx, notingPass{p, outside}, funcs.Options{
				Denylist: t.FunctionDenylist, Sandbox: t.SandboxPath, PluginTimeout: t.PluginTimeout,
				Debug: a.streams.out, Env: env, WriteFile: a.writeFile, Sources: a.sourceNames(),
			})
		})
}

// A notingPass calls outside when a function wants to run a program.
type notingPass struct {
	*engine.Pass
	outside func(value string)
}

func (p notingPass) Confirm() bool { p.outside(""); return p.Pass.Confirm() }

// fileOf is where a template is rendered to.
func fileOf(t config.Template) renderer.File {
	return renderer.File{
		Path: t.Destination, Mode: os.FileMode(t.Perms), User: string(t.User), Group: string(t.Group),
		Backup: t.Backup, NoMakeDirs: !t.CreateDestDirs, InPlace: t.InPlace,
	}
}

// read returns a template's text and what errors call it.
func (a *assembly) read(t config.Template) (name, text string, err error) {
	switch t.Source {
	case "":
		return "contents of " + t.Pos.String(), t.Contents, nil
	case "-":
		if a.persona == config.Lictor || a.persona == config.LictorExec {
			b, err := a.streams.readIn()
			if err != nil {
				err = fmt.Errorf("failed to read template: standard input: %w", err)
			}
			return "standard input", string(b), err
		}
	}
	b, err := os.ReadFile(t.Source)
	if err != nil {
		return "", "", &config.Error{Pos: t.Pos, Err: fmt.Errorf("failed to read template: %w", err)}
	}
	return t.Source, string(b), nil
}
