package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/config"
	"lictor/internal/environ"
	"lictor/internal/runner"
)

// newEnvCmd prints the variables that exec would add to a program's environment.
func newEnvCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env [options]",
		Short: "Print an environment taken from the registry, for scripts and containers.",
		Long: `Prints, once, the variables that lictor exec with the same options would add to a program's environment, quoted so that
they are read back exactly. -format says for whom:

  sh        export commands: eval "$(lictor env -prefix app/ -upcase -sanitize)"
  dotenv    a .env file
  json      one object
  systemd   a file for EnvironmentFile=
  docker    a file for docker run --env-file; it can not hold values of several lines

What our own environment holds is not printed. A name or value that the format can not hold is an error.`,
		Args: noArguments,
	}
	flags := bindSome(cmd, config.LictorExec, "lictor exec", []string{
		"config", "prefix", "service-query", "upcase", "sanitize", "data", "set", "default-source", "consul-addr", "consul-token", "start-timeout",
	})
	format := cmd.Flags().String("format", "sh", "sh, dotenv, json, systemd or docker.")
	cmd.RunE = func(*cobra.Command, []string) error {
		if !slices.Contains(environ.Formats, *format) {
			return &exitError{exitFlags, fmt.Errorf("flag -format: unknown format %q: want one of %s", *format, strings.Join(environ.Formats, ", "))}
		}
		return printEnviron(context.Background(), s, *format, func() (config.Config, []string, error) {
			cfg, warnings, err := config.Load(config.LictorExec, flags, os.Getenv)
			cfg.Once, cfg.Dry, cfg.Templates, cfg.PidFile = true, true, nil, ""
			return cfg, warnings, err
		})
	}
	return cmd
}

// printEnviron prints in a format what load asks for.
func printEnviron(ctx context.Context, s streams, format string, load func() (config.Config, []string, error)) (err error) {
	a, err := begin(config.Lictor, s, load) // not LictorExec, since there is no program to run
	if err != nil {
		return err
	}
	defer func() { err = a.end(err) }()
	if err := a.build(ctx); err != nil {
		return err
	}
	err = a.addEnviron(nil, func(encoded []byte) (runner.Staged, error) {
		text, err := environ.Format(format, environ.Decode(encoded))
		if err != nil {
			return nil, err
		}
		return &printed{s.out, text}, nil
	})
	if err != nil {
		return err
	}
	return a.runner.Run(ctx)
}
