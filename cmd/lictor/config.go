package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"lictor/internal/config"
)

// newConfigCmd shows and checks the configuration.
func newConfigCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [options]",
		Short: "Print the effective configuration, or check it.",
		Long: `Prints the configuration as YAML after all files, flags and environment variables were read, with a comment that says
where each option was set. Secrets are redacted. With -check it prints nothing but mistakes: all of those in the
configuration, the templates and the destinations.`,
		Args: noArguments,
	}
	flags := bind(cmd, config.Lictor)
	check := cmd.Flags().Bool("check", false, "Check configuration, templates and destinations instead of printing.")
	cmd.RunE = func(*cobra.Command, []string) error {
		load := func() (config.Config, []string, error) { return config.Load(config.Lictor, flags, os.Getenv) }
		if *check {
			return checkConfig(s, load)
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

// checkConfig puts everything together as a run would, and stops there. What keeps the destinations from being written is
// told beside all other mistakes.
func checkConfig(s streams, load func() (config.Config, []string, error)) error {
	var templates []config.Template
	a, err := assemble(context.Background(), config.Lictor, s, func() (config.Config, []string, error) {
		cfg, warnings, err := load()
		if err == nil {
			templates = cfg.Templates
		}
		cfg.LogFile.Path, cfg.Syslog.Enabled = "", config.Off // checking leaves nothing behind
		return cfg, warnings, err
	})
	if err == nil {
		defer a.close()
	}
	return errors.Join(err, checkDestinations(templates))
}
