package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/lint"
	"lictor/watch"
)

// newDepsCmd lists what templates ask for.
func newDepsCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deps [options] TEMPLATE...",
		Short: "List the queries that templates make.",
		Long: `Lists what templates ask for. Without data that is what can be told from the text, with the calls whose arguments depend
on data marked as such. With -data, -set or -consul the templates are rendered, and the list is complete for that data.`,
		Args: optionsFirst,
	}
	flags := bindAuthor(cmd)
	asDOT := cmd.Flags().Bool("dot", false, "Print them as a graph in DOT, for graphviz.")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a, err := newBench(s, flags, args)
		if err != nil {
			return err
		}
		if a.cfg.JSON && *asDOT {
			return &exitError{exitFlags, fmt.Errorf("-json and -dot: only one of them can be")}
		}
		if len(a.cfg.Templates) == 0 {
			_, err := a.oneTemplate()
			return err
		}
		list, err := a.dependencies(context.Background())
		if err != nil {
			return err
		}
		switch {
		case a.cfg.JSON:
			return printJSON(s.out, struct {
				Templates []dependencies `json:"templates"`
			}{list})
		case *asDOT:
			printDOT(s.out, list)
		default:
			printDependencies(s.out, list)
		}
		return nil
	}
	return cmd
}

// dependencies are what one template asks for.
type dependencies struct {
	Template string `json:"template"`
	// Complete says that the template was rendered, so that there are no other queries for this data.
	Complete bool           `json:"complete"`
	Queries  []dependency   `json:"queries"`
	Dynamic  []dynamicQuery `json:"dynamic,omitempty"`
}

// A dependency is a query and where it is made: nowhere, where that depends on data.
type dependency struct {
	Query string   `json:"query"`
	At    []string `json:"at,omitempty"`
}

// A dynamicQuery is a call that asks for something that depends on data.
type dynamicQuery struct {
	At       string `json:"at"`
	Function string `json:"function"`
	Source   string `json:"source"`
}

func (a *assembly) dependencies(ctx context.Context) ([]dependencies, error) {
	render := a.hasData() || a.asksRegistry()
	var source watch.Source
	if render {
		var err error
		if source, err = a.fixedSource(); err != nil {
			return nil, err
		}
	}
	var list []dependencies
	for _, t := range a.cfg.Templates {
		text, err := a.sourceOf(t)
		if err != nil {
			return nil, err
		}
		tmpl, err := a.parseText(ctx, t, text.Name, text.Text)
		if err != nil {
			return nil, err
		}
		uses, err := lint.Queries(text)
		if err != nil {
			return nil, err
		}
		d, err := static(text.Name, uses)
		if err != nil {
			return nil, err
		}
		if render {
			done, err := a.render(ctx, source, tmpl)
			if err != nil {
				return nil, err
			}
			d.complete(slices.Collect(maps.Keys(done.Answers)))
		}
		list = append(list, d)
	}
	return list, nil
}

// static lists what can be told from the text.
func static(name string, uses []lint.Use) (dependencies, error) {
	d := dependencies{Template: name, Queries: []dependency{}}
	at := map[string][]string{}
	for _, u := range uses {
		place := name + ":" + u.At.String()
		if u.Err != nil {
			return d, fmt.Errorf("%s: %w", place, u.Problem())
		}
		if len(u.Queries) == 0 {
			d.Dynamic = append(d.Dynamic, dynamicQuery{place, u.Function, u.Source})
		}
		for _, q := range u.Queries {
			at[q.String()] = append(at[q.String()], place)
		}
	}
	for _, q := range slices.Sorted(maps.Keys(at)) {
		d.Queries = append(d.Queries, dependency{q, at[q]})
	}
	return d, nil
}

// complete makes the list that of a rendering. Where in the text a query comes from is kept as far as it is known.
func (d *dependencies) complete(made []watch.Query) {
	known := map[string]dependency{}
	for _, q := range d.Queries {
		known[q.Query] = q
	}
	d.Complete, d.Queries, d.Dynamic = true, []dependency{}, nil
	var names []string
	for _, q := range made {
		names = append(names, q.String())
	}
	slices.Sort(names)
	for _, name := range names {
		d.Queries = append(d.Queries, dependency{name, known[name].At})
	}
}

func printDependencies(out io.Writer, list []dependencies) {
	for _, d := range list {
		for _, q := range d.Queries {
			place := d.Template
			if len(q.At) > 0 {
				place = strings.Join(q.At, " ")
			}
			fmt.Fprintf(out, "%s\t%s\n", q.Query, place)
		}
		for _, q := range d.Dynamic {
			fmt.Fprintf(out, "%s(?)\t%s\tdepends on data: %s\n", q.Function, q.At, q.Source)
		}
	}
}

func printDOT(out io.Writer, list []dependencies) {
	fmt.Fprint(out, "digraph lictor {\n\trankdir=LR;\n")
	for _, d := range list {
		fmt.Fprintf(out, "\t%q [shape=note];\n", d.Template)
		for _, q := range d.Queries {
			fmt.Fprintf(out, "\t%q -> %q;\n", d.Template, q.Query)
		}
		for _, q := range d.Dynamic {
			fmt.Fprintf(out, "\t%q -> %q [style=dashed];\n", d.Template, q.Source)
		}
	}
	fmt.Fprint(out, "}\n")
}
