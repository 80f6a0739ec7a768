package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lictor/internal/config"
)

// Commands have flags of their own, beside those of the configuration or in their place.

// bindAuthor adds the configuration's flags to a command for authors of templates. Its help only shows those that matter
// to it.
func bindAuthor(cmd *cobra.Command) *config.Flags {
	flags := bind(cmd, config.Lictor)
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "Usage: %s\n\n%s\n", cmd.UseLine(), strings.TrimSpace(cmd.Long))
		table := config.Table(config.Lictor)
		printOwnFlags(out, cmd, table)
		fmt.Fprint(out, "\nOptions of lictor, all of which work here (lictor -h lists them), such as:\n")
		for _, f := range table {
			if slices.Contains(authorFlags, f.Name) {
				fmt.Fprintf(out, "  %-26s %s\n", strings.TrimSpace("-"+f.Name+" "+f.Value), f.Help)
			}
		}
	})
	return flags
}

var authorFlags = []string{
	"config", "data", "set", "consul-addr", "consul-token", "consul-token-file", "default-left-delimiter",
	"default-right-delimiter", "start-timeout", "json",
}

// bindOwn prepares a command that has only flags of its own, which are added to it afterwards.
func bindOwn(cmd *cobra.Command) {
	cmd.Flags().BoolP("help", "h", false, "Print this help and end.")
	cmd.Flags().SetInterspersed(false)
	cmd.DisableFlagsInUseLine = true
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exitError{exitFlags, config.FlagError(err, cmd.Flags())}
	})
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "Usage: %s\n\n%s\n", cmd.UseLine(), strings.TrimSpace(cmd.Long))
		printOwnFlags(out, cmd, nil)
	})
}

// printOwnFlags prints a command's flags but those of the table, which are printed by [config.Usage].
func printOwnFlags(out io.Writer, cmd *cobra.Command, table []config.Flag) {
	title := "\nOptions of this command:\n"
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		listed := slices.ContainsFunc(table, func(t config.Flag) bool { return t.Name == f.Name })
		if listed || f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		if f.Value.Type() != "bool" && !strings.Contains(f.Usage, "`") {
			value = "VALUE"
		}
		fmt.Fprintf(out, "%s  %-16s %s\n", title, strings.TrimSpace("-"+f.Name+" "+value), text)
		title = ""
	})
}

// optionsFirst refuses options that come after an argument, where they would be taken for one.
func optionsFirst(_ *cobra.Command, args []string) error {
	for _, arg := range args {
		if len(arg) > 1 && arg[0] == '-' {
			return &exitError{exitFlags, fmt.Errorf("%s: options must come before the arguments", arg)}
		}
	}
	return nil
}
