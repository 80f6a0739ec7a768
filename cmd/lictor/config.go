package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/config"
)

// newConfigCmd shows and checks the configuration.
func newConfigCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [options]",
		Short: "Print the effective configuration, or check it.",
		Long: `Prints the configuration as YAML after all files, flags and environment variables were read, with a comment that says
where each option was set. Secrets are redacted. With -check it does what a start does, up to asking the registry, writes
and runs nothing, and reports all mistakes in the configuration, the templates, the data files and the destinations;
"ok: 2 templates, 1 group" and exit code 0 say that there are none.`,
		Args: noArguments,
	}
	flags := bindSome(cmd, config.Lictor, "lictor", []string{"config", "template", "data", "set", "consul-addr", "log-level"})
	check := cmd.Flags().Bool("check", false, "Check configuration, templates and destinations instead of printing.")
	cmd.RunE = func(*cobra.Command, []string) error {
		load := func() (config.Config, []string, error) { return config.Load(config.Lictor, flags, os.Getenv) }
		if *check {
			return checkConfig(context.Background(), s, load)
		}
		cfg, warnings, err := load()
		if err != nil {
			return &exitError{exitConfig, err}
		}
		for _, w := range warnings {
			fmt.Fprintf(s.err, "lictor: warning: %s\n", w)
		}
		return cfg.Effective(s.out)
	}
	return cmd
}

// checkConfig puts everything together as a start would, up to asking the registry, and then looks at what a start would
// come to. It writes and runs nothing, so that a log is not opened either.
func checkConfig(ctx context.Context, s streams, load func() (config.Config, []string, error)) error {
	var whole config.Config
	a, err := begin(config.Lictor, s, func() (config.Config, []string, error) {
		cfg, warnings, err := load()
		whole = cfg
		cfg.LogFile.Path, cfg.Syslog.Enabled = "", config.Off
		return cfg, warnings, err
	})
	if err != nil {
		return err
	}
	a.cfg.LogFile, a.cfg.Syslog = whole.LogFile, whole.Syslog
	if err := errors.Join(a.build(ctx), a.checkStart()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "ok: %s\n", a.contents())
	return err
}

// contents counts what there is to do.
func (a *assembly) contents() string {
	var parts []string
	count := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	groups := map[string]bool{}
	for _, t := range a.cfg.Templates {
		if t.CommitGroup != "" {
			groups[t.CommitGroup] = true
		}
	}
	count(len(a.cfg.Templates), "template", "templates")
	count(len(groups), "group", "groups")
	count(len(a.cfg.Prefixes), "prefix", "prefixes")
	count(len(a.cfg.Services), "service", "services")
	if a.runsProgram() {
		count(1, "program", "")
	}
	return strings.Join(parts, ", ")
}
