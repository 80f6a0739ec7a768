package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lictor/internal/config"
)

// Commands have flags of their own, beside those of the configuration or in their place.

// bindAuthor adds the configuration's flags to a command for authors of templates.
func bindAuthor(cmd *cobra.Command) *config.Flags {
	return bindSome(cmd, config.Lictor, "lictor", []string{
		"config", "data", "set", "default-source", "consul-addr", "consul-token", "consul-token-file", "default-left-delimiter",
		"default-right-delimiter", "start-timeout", "json",
	})
}

// bindSome adds the flags of another command, the owner, to a command whose help only shows its own and those that matter to it.
func bindSome(cmd *cobra.Command, p config.Persona, owner string, shown []string) *config.Flags {
	flags := bind(cmd, p)
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		out := cmd.OutOrStdout()
		printAbout(out, cmd)
		table := config.Table(p)
		printOwnFlags(out, cmd, table)
		fmt.Fprintf(out, "\nOptions of %s, all of which work here (%s -h lists them), such as:\n", owner, owner)
		for _, f := range table {
			if slices.Contains(shown, f.Name) {
				fmt.Fprintf(out, "  %-26s %s\n", strings.TrimSpace("-"+f.Name+" "+f.Value), f.Help)
			}
		}
	})
	return flags
}

// printAbout prints the head of a command's help: how it is called, what it does, and the commands below it.
func printAbout(out io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(out, "Usage: %s\n\n%s\n", strings.TrimSuffix(cmd.UseLine(), " [flags]"), strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)))
	title := "\nCommands:\n"
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(out, "%s  %-14s %s\n", title, c.Name(), c.Short)
			title = ""
		}
	}
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
		printAbout(out, cmd)
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
