package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lictor/internal/cases"
	"lictor/renderer"
)

// exitDiffers is what commands exit with that found what they look for: cases that failed, findings, and so on.
const exitDiffers = 1

// testOptions are the flags of lictor test.
type testOptions struct {
	update, verbose, asJSON bool
	only, junit             string
	parallel                int
}

// newTestCmd runs the tests of templates.
func newTestCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test [options] [FOLDER|CASE...]",
		Short: "Test templates: render cases and compare.",
		Long: `Runs the cases (*.txtar) in a folder and all below it, this one if none is named. A case holds or names a template, its data,
and the output or the error that is wanted; no registry is asked. It ends with 1 when a case fails. How to write cases is
in docs/testing-templates.md.`,
		Args: optionsFirst,
	}
	bindOwn(cmd)
	var o testOptions
	cmd.Flags().BoolVar(&o.update, "update", false, "Write what comes out into the cases, as what is wanted.")
	cmd.Flags().StringVar(&o.only, "run", "", "Run only the cases whose names match `REGEXP`.")
	cmd.Flags().BoolVar(&o.verbose, "v", false, "List the cases that pass, too.")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "Print the results as JSON.")
	cmd.Flags().StringVar(&o.junit, "junit", "", "Write the results as JUnit XML to `FILE`.")
	cmd.Flags().IntVar(&o.parallel, "parallel", 0, "Run `N` cases at a time; 0 is as many as there are processors.")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if len(args) == 0 {
			args = []string{"."}
		}
		return runCases(ctx, s, args, o)
	}
	return cmd
}

func runCases(ctx context.Context, s streams, paths []string, o testOptions) error {
	var only *regexp.Regexp
	if o.only != "" {
		var err error
		if only, err = regexp.Compile(o.only); err != nil {
			return &exitError{exitFlags, fmt.Errorf("flag -run: %w", err)}
		}
	}
	list, err := cases.Find(paths, only)
	if err != nil {
		return &exitError{exitDiffers, err}
	}
	if len(list) == 0 {
		of := ""
		if only != nil {
			of = fmt.Sprintf(" whose name matches %q", o.only)
		}
		return &exitError{exitDiffers, fmt.Errorf("no case (*.txtar)%s in %s", of, strings.Join(paths, ", "))}
	}
	r := &cases.Runner{Update: o.update, Parallel: o.parallel}
	results := r.Run(ctx, list)
	if o.junit != "" {
		if err := writeJUnit(o.junit, results); err != nil {
			return &exitError{exitDiffers, err}
		}
	}
	if o.asJSON {
		err = cases.WriteJSON(s.out, results)
	} else {
		printResults(s.out, results, o.verbose)
	}
	if _, failed := cases.Count(results); failed > 0 {
		return &exitError{code: exitDiffers}
	}
	return err
}

func writeJUnit(path string, results []cases.Result) error {
	var text strings.Builder
	if err := cases.WriteJUnit(&text, results); err != nil {
		return err
	}
	return put(renderer.File{Path: path, Called: "JUnit file"}, []byte(text.String()), 0)
}

// printResults prints results for people: what failed and why, and how many passed.
func printResults(out io.Writer, results []cases.Result, verbose bool) {
	for _, r := range results {
		switch {
		case !r.Passed():
			fmt.Fprintf(out, "FAIL %s\n", r.Path)
			if r.Failure != "" {
				fmt.Fprintln(out, indent(r.Failure))
			}
			fmt.Fprint(out, colourDiff(out, r.Diff))
		case r.Updated:
			fmt.Fprintf(out, "updated %s\n", r.Path)
		case verbose:
			fmt.Fprintf(out, "ok   %s (%.2fs)\n", r.Path, r.Elapsed.Seconds())
		}
	}
	passed, failed := cases.Count(results)
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
}
