package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lictor/funcs"
	"lictor/internal/spell"
)

func newFunctionsCmd(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "functions [NAME]",
		Short: "List the template functions, or tell all about one.",
		Long:  "Lists every function that a template can use, by group. With a name, tells all about that one, with an example.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				listFunctions(s.out)
				return nil
			}
			for _, d := range funcs.Docs() {
				if d.Name == args[0] {
					describeFunction(s.out, d)
					return nil
				}
			}
			if slices.Contains(spell.Builtins, args[0]) {
				describeFunction(s.out, funcs.Doc{Signature: args[0], Summary: "Part of Go's templates.", Link: "https://pkg.go.dev/text/template"})
				return nil
			}
			hint := cmp.Or(spell.Function(args[0], funcs.Names()), "lictor functions lists them all")
			return &exitError{exitFlags, fmt.Errorf("there is no function %q: %s", args[0], hint)}
		},
	}
}

// listFunctions prints a line for each function, below its group's name.
func listFunctions(w io.Writer) {
	group := ""
	for _, d := range funcs.Docs() {
		if d.Group != group {
			if group != "" {
				fmt.Fprintln(w)
			}
			group = d.Group
			fmt.Fprintf(w, "%s\n", group)
		}
		first, _, _ := strings.Cut(d.Summary, ". ")
		fmt.Fprintf(w, "  %-44s %s\n", d.Signature, strings.TrimSuffix(first, "."))
	}
}

func describeFunction(w io.Writer, d funcs.Doc) {
	fmt.Fprintf(w, "%s\n\n%s\n", d.Signature, d.Summary)
	if d.Example != "" {
		fmt.Fprintf(w, "\nExample:\n%s\n", indent(d.Example))
	}
	if d.Output != "" {
		fmt.Fprintf(w, "\ngives:\n%s\n", indent(d.Output))
	}
	if d.Link != "" {
		fmt.Fprintf(w, "\nMore: %s\n", d.Link)
	}
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n  ")
}
