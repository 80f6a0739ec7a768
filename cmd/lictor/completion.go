package main

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lictor/funcs"
	"lictor/internal/config"
	"lictor/internal/environ"
	"lictor/internal/lint"
)

// A shell that completes a command line runs `lictor __complete WORD... LAST` and offers what that prints. It is cobra's, which
// knows long flags with two dashes only, so both what it is asked and what it answers are rewritten.

// completes tells whether a command line is such a request.
func completes(args []string) bool {
	return len(args) > 1 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// complete answers a request, with one dash before flags where the last word has one.
func complete(root *cobra.Command, args []string, out io.Writer) error {
	words, last := args[1:len(args)-1], args[len(args)-1]
	words, err := normalize(root, words)
	if err != nil {
		return &exitError{exitFlags, err}
	}
	single := strings.HasPrefix(last, "-") && !strings.HasPrefix(last, "--")
	if single && last != "-" {
		last = "-" + last
	}
	for _, cmd := range append(root.Commands(), root) {
		completeArguments(cmd)
		completeFlags(cmd)
	}
	var answer bytes.Buffer
	root.SetOut(&answer)
	root.SetErr(io.Discard) // where cobra explains itself
	root.SetArgs(slices.Concat(args[:1], words, []string{last}))
	err = root.Execute()
	for line := range strings.Lines(answer.String()) {
		if name, ok := strings.CutPrefix(line, "--"); ok && single {
			line = "-" + name
		}
		if _, err := io.WriteString(out, strings.ReplaceAll(line, "`", "")); err != nil { // those mark what a flag takes
			return err
		}
	}
	return err
}

// noFiles completes a word that is no file's name with those of the values that begin with it.
func noFiles(values ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, word string) (fit []string, _ cobra.ShellCompDirective) {
		for _, value := range values {
			if strings.HasPrefix(value, word) {
				fit = append(fit, value)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

// filesNamed completes a word with files of these endings, and with folders.
func filesNamed(endings ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)
}

// completeArguments has the arguments of a command completed that are no flags. Those of other commands are files of any name.
func completeArguments(cmd *cobra.Command) {
	switch cmd.Name() {
	case "lictor", "config", "env", "version":
		cmd.ValidArgsFunction = noFiles()
	case "functions":
		cmd.ValidArgsFunction = noFiles(funcs.Names()...)
	case "render", "record", "lint", "deps", "try":
		cmd.ValidArgsFunction = filesNamed("ctmpl", "tmpl", "tpl")
	case "test":
		cmd.ValidArgsFunction = filesNamed("txtar")
	}
}

// completeFlags has the values of a command's flags completed: of those that name files by files, of the others by the values
// that there are, where they can be listed.
func completeFlags(cmd *cobra.Command) {
	var codes []string
	for _, rule := range lint.Rules() {
		codes = append(codes, rule.Code)
	}
	restart := []string{"never", "on-failure", "always"}
	values := map[string][]string{
		"log-level": {"trace", "debug", "info", "warn", "error"}, "log-format": {"text", "json"},
		"exec-restart": restart, "restart": restart, "syslog-facility": slices.Sorted(maps.Keys(facilities)),
		"format": environ.Formats, "disable": codes, "enable": codes, "exec-reload": {"none", "signal", "restart"}, "default-source": {consulSource, dataSource},
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		complete := noFiles(values[f.Name]...)
		switch takes, _ := pflag.UnquoteUsage(f); {
		case f.NoOptDefVal != "":
			complete = noFiles("true", "false")
		case takes == "SIGNAL":
			complete = noFiles(config.SignalNames()...)
		case takes == "DIR":
			complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		case takes == "FILE", takes == "PATH", strings.HasPrefix(takes, "SOURCE"):
			return // any file, as is usual
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // it fails where there is one already
	})
}
