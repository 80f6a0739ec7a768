package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"lictor/internal/config"
	"lictor/internal/spell"
)

// version is what -version prints. The build may set it.
var version = "v0.1.0-dev"

// peerVersions are the versions of the tools whose place we take, for scripts that look at -version.
var peerVersions = map[config.Persona]string{config.ConsulTemplate: "v0.42.1", config.Envconsul: "v0.13.4"}

// streams are what a command reads and writes.
type streams struct {
	in       *os.File
	out, err io.Writer
	// readIn returns all of in, also when it is called again: a template from there has to last for every reload.
	readIn func() ([]byte, error)
}

// run runs the command line as the program that it was called as, and returns the exit code.
func run(name string, args []string, s streams) int {
	s.readIn = sync.OnceValues(func() ([]byte, error) { return io.ReadAll(s.in) })
	root := newRootCmd(s)
	switch p := personaOf(filepath.Base(name)); p {
	case config.ConsulTemplate:
		root = newRenderCmd(s, p)
	case config.Envconsul:
		root = newExecCmd(s, p)
	}
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	if completes(args) && root.HasSubCommands() {
		return report(s.err, complete(root, args, s.out))
	}
	args, err := normalize(root, args)
	if err != nil {
		return report(s.err, &exitError{exitFlags, err})
	}
	root.SetArgs(args)
	return report(s.err, root.Execute())
}

// newRootCmd is the tree of lictor's own commands. Without one it renders templates, as consul-template does.
func newRootCmd(s streams) *cobra.Command {
	root := newRenderCmd(s, config.Lictor)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddCommand(
		newExecCmd(s, config.LictorExec),
		newEnvCmd(s),
		newFunctionsCmd(s),
		newConfigCmd(s),
		newDemoCmd(s),
		newVersionCmd(s),
	)
	root.AddCommand(authorCommands(s)...)
	return root
}

// normalize rewrites single-dash long flags for pflag. The command that is named first decides which flags there are.
func normalize(cmd *cobra.Command, args []string) ([]string, error) {
	var path []string
	for len(args) > 0 {
		next := child(cmd, args[0])
		if next == nil {
			break
		}
		cmd, path, args = next, append(path, args[0]), args[1:]
	}
	if cmd.DisableFlagParsing {
		return append(path, args...), nil
	}
	cmd.InitDefaultHelpFlag()
	args = config.NormalizeArgs(args, cmd.Flags())
	if cmd.Name() == config.Envconsul.String() { // which runs a program of that name
		return append(path, args...), nil
	}
	return append(path, args...), config.StrayValue(args, cmd.Flags(), cmd.Name() == "exec")
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}

// bind adds the persona's flags to cmd, and what goes with them: help by group, and our own words for mistakes.
func bind(cmd *cobra.Command, p config.Persona) *config.Flags {
	flags := config.Bind(cmd.Flags(), p)
	cmd.Flags().BoolP("help", "h", false, "Print this help and end.")
	cmd.DisableFlagsInUseLine = true
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exitError{exitFlags, config.FlagError(err, cmd.Flags())}
	})
	cmd.SetHelpFunc(func(of *cobra.Command, _ []string) {
		out := of.OutOrStdout()
		printAbout(out, of)
		if of != cmd { // one below it, which does not have its flags
			printOwnFlags(out, of, nil)
			return
		}
		printOwnFlags(out, cmd, config.Table(p))
		config.Usage(out, p) //nolint:errcheck // nobody is left to tell
	})
	return flags
}

// printVersion prints the version; in a peer's place its own first, for scripts that compare it.
func printVersion(out io.Writer, p config.Persona) error {
	var err error
	if peer, ok := peerVersions[p]; ok {
		_, err = fmt.Fprintf(out, "%s %s (lictor %s)\n", p, peer, version)
	} else {
		_, err = fmt.Fprintf(out, "lictor %s\n", version)
	}
	return err
}

func newVersionCmd(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version.", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return printVersion(s.out, config.Lictor) },
	}
}

// noArguments refuses arguments that are no flags, in the peer's words, unless the first looks like a command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	switch near := spell.Closest(args[0], names); {
	case near != "":
		return &exitError{exitFlags, fmt.Errorf("unknown command %q: did you mean %q?", args[0], near)}
	case len(names) > 0 && cmd.Flags().NFlag() == 0:
		return &exitError{exitFlags, fmt.Errorf("unknown command %q: there are %s", args[0], strings.Join(names, ", "))}
	}
	return &exitError{exitFlags, fmt.Errorf("extra args: %q: flags must come first, and nothing may follow them", args)}
}

// Exit codes. Those from 12 on are consul-template's, so that a unit file or script that knows them goes on working.
const (
	exitOK          = 0
	exitInterrupted = 12  // ended by a signal, as consul-template and envconsul
	exitFlags       = 13  // the command line is wrong
	exitRuntime     = 14  // a template, a command, a destination or the registry failed
	exitConfig      = 15  // a configuration file is wrong
	exitStale       = 16  // -once with -cache: all is done, but from last known data, since the registry did not answer or a guard holds back what it said
	exitSignalled   = 255 // called as a peer: a signal ended the program
)

// exitError is an error with the code to exit with. A nil err exits silently, one of an [ending] is no failure.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// report prints err and returns the exit code. What ends a run that has a log is told there, by [assembly.end].
func report(w io.Writer, err error) int {
	code, lines := lastLines(err)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	return code
}

// lastLines is what is to be said of an error that ends the program, one line for each of the errors that it joins, and the
// exit code: that of the first which has one.
func lastLines(err error) (code int, lines []string) {
	if err == nil {
		return exitOK, nil
	}
	code = exitRuntime
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
		if err == error(e) {
			err = e.err // which may be none
		}
	} else if strings.HasPrefix(err.Error(), "unknown command") {
		code = exitFlags // cobra has no type for it
	}
	if err != nil {
		for _, e := range joined(err) {
			lines = append(lines, "lictor: "+strings.ReplaceAll(e.Error(), "\n", " "))
		}
	}
	return code, lines
}

// joined takes apart what errors.Join put together.
func joined(err error) []error {
	if e, ok := err.(*exitError); ok && e.err != nil {
		return joined(e.err)
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range j.Unwrap() {
			all = append(all, joined(e)...)
		}
		return all
	}
	return []error{err}
}

// isPeer tells whether we take another tool's place.
func isPeer(p config.Persona) bool { return p == config.ConsulTemplate || p == config.Envconsul }

// personaOf is the tool as which we were called.
func personaOf(name string) config.Persona {
	switch name {
	case "consul-template":
		return config.ConsulTemplate
	case "envconsul":
		return config.Envconsul
	}
	return config.Lictor
}
