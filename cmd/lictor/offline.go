package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/config"
	"lictor/internal/engine"
	"lictor/internal/oneshot"
	"lictor/watch"
	"lictor/watch/file"
)

// Here is what the commands for authors of templates share (render, record, deps, try): one template at a time, rendered
// once, and no registry asked unless the command line names one.

// authorCommands are the commands for authors of templates, and for CI.
func authorCommands(s streams) []*cobra.Command {
	return []*cobra.Command{newRenderOnceCmd(s), newRecordCmd(s), newTestCmd(s), newLintCmd(s), newDepsCmd(s), newTryCmd(s)}
}

// newBench loads the configuration of such a command. Arguments are further templates.
func newBench(s streams, flags *config.Flags, args []string) (*assembly, error) {
	cfg, warnings, err := config.Load(config.Lictor, flags, os.Getenv)
	if err != nil {
		return nil, &exitError{exitConfig, err}
	}
	cfg.Once, cfg.Dry = true, true
	cfg.LogFile.Path, cfg.Syslog.Enabled = "", config.Off // a person or a CI job reads standard error
	if !cfg.IsSet("log_level") {
		cfg.LogLevel = "warn"
	}
	if slices.Contains(args, "") {
		return nil, &exitError{exitFlags, errors.New("a template's name is empty: is a variable of the shell not set?")}
	}
	if len(args) > 0 {
		cfg.Templates = named(cfg, args)
	}
	a := &assembly{cfg: cfg, persona: config.Lictor, streams: s}
	if err := a.openLog(); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	warnAll(a.log, append(warnings, doubtLists(cfg)...))
	return a, nil
}

// named picks templates by their file's name: as the configuration has them, or with defaults where it does not.
func named(cfg config.Config, names []string) []config.Template {
	var picked []config.Template
	for _, name := range names {
		i := slices.IndexFunc(cfg.Templates, func(t config.Template) bool { return t.Source == name })
		if i >= 0 {
			picked = append(picked, cfg.Templates[i])
			continue
		}
		picked = append(picked, config.Template{
			Source: name, LeftDelimiter: cfg.DefaultDelimiters.Left, RightDelimiter: cfg.DefaultDelimiters.Right, PluginTimeout: cfg.PluginTimeout,
		})
	}
	return picked
}

// oneTemplate is the template of a command that works on one.
func (a *assembly) oneTemplate() (config.Template, error) {
	switch n := len(a.cfg.Templates); n {
	case 1:
		return a.cfg.Templates[0], nil
	case 0:
		return config.Template{}, &exitError{exitFlags, errors.New("no template: name its file, or - for standard input")}
	default:
		return config.Template{}, &exitError{exitFlags, fmt.Errorf("%d templates: name the one that is meant", n)}
	}
}

// asksRegistry tells whether the command line itself names a registry. That a file or the environment does is not enough:
// a test must not depend on what runs beside it.
func (a *assembly) asksRegistry() bool {
	return strings.HasPrefix(a.cfg.At("consul.address").File, "flag ")
}

// hasData tells whether data files or assignments answer the queries.
func (a *assembly) hasData() bool { return len(a.cfg.Data) > 0 || len(a.cfg.Set) > 0 }

// fixedSource makes what answers the queries: the data as it is now, the registry that the command line names, or nothing.
func (a *assembly) fixedSource() (watch.Source, error) {
	if a.hasData() || a.asksRegistry() {
		return a.routed(func() (watch.Source, error) {
			data, err := file.Load(a.cfg.Set, a.cfg.Data...)
			if err != nil {
				return nil, lines(err)
			}
			return fixed(data)
		})
	}
	data, err := file.Load(nil)
	if err != nil {
		return nil, err
	}
	return onlyData(data)
}

// onlyData answers from data in place of every source, and from local files.
func onlyData(data *file.Data) (watch.Source, error) {
	source, err := fixed(data)
	if err != nil {
		return nil, err
	}
	return route(map[string]watch.Source{dataSource: source, consulSource: source}, dataSource), nil
}

func fixed(data *file.Data) (watch.Source, error) {
	source, err := file.NewFixed(data)
	if err != nil {
		return nil, lines(err)
	}
	return source, nil
}

// lines takes an error of several lines apart, since each has a place of its own.
func lines(err error) error {
	var errs []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		errs = append(errs, errors.New(line))
	}
	return errors.Join(errs...)
}

// render renders a template once.
func (a *assembly) render(ctx context.Context, source watch.Source, t *engine.Template) (oneshot.Rendering, error) {
	w := watch.New(source, a.log)
	w.MaxAge, w.Retry = a.cfg.MaxStale, a.retry()
	defer w.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if limit := a.cfg.StartTimeout; limit > 0 {
		var stop func()
		ctx, stop = context.WithTimeoutCause(ctx, limit, fmt.Errorf("gave up after %s", limit))
		defer stop()
	}
	return oneshot.Render(ctx, w, t)
}

// newRenderOnceCmd renders a template to standard output.
func newRenderOnceCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render [options] TEMPLATE",
		Short: "Render a template to standard output, from data files.",
		Long: `Renders a template to standard output and ends. The data is that of -data files, layered in their order, and of -set
kv/PATH=VALUE over them. Without either no registry is asked, and there is no data, unless -consul names one. What a
template needs and the data does not have is an error. With -config and a template's name, its settings are used.`,
		Args: optionsFirst,
	}
	flags := bindAuthor(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a, err := newBench(s, flags, args)
		if err != nil {
			return err
		}
		return a.renderToStdout(context.Background())
	}
	return cmd
}

func (a *assembly) renderToStdout(ctx context.Context) error {
	t, err := a.oneTemplate()
	if err != nil {
		return err
	}
	tmpl, err := a.parse(ctx, t)
	if err != nil {
		return err
	}
	source, err := a.fixedSource()
	if err != nil {
		return err
	}
	done, err := a.render(ctx, source, tmpl)
	if err != nil {
		if !a.hasData() && !a.asksRegistry() {
			all := joined(err)
			last := &all[len(all)-1]
			*last = fmt.Errorf("%w; there is no data: give it with -data FILE, -set kv/PATH=VALUE or -consul ADDRESS", *last)
			err = errors.Join(all...)
		}
		return err
	}
	a.tellWarnings(tmpl, done.Warnings, nil)
	_, err = a.streams.out.Write(done.Output)
	return err
}
