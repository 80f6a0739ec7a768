package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/config"
	"lictor/internal/lint"
)

// newLintCmd says what is doubtful in templates.
func newLintCmd(s streams) *cobra.Command {
	var about strings.Builder
	for _, r := range lint.Rules() {
		fmt.Fprintf(&about, "\n  %s  %s", r.Code, r.Name)
	}
	cmd := &cobra.Command{
		Use:   "lint [options] [TEMPLATE|FOLDER...]",
		Short: "Say what is doubtful in templates.",
		Long: `Reads templates (those of -config, those named, and all *.ctmpl, *.tmpl and *.tpl in a folder), and
says what is doubtful. It ends with 1 when there is something. A comment {{/* lictor:ignore L003 */}} silences a code on its own line
and the next, lictor:ignore-file in the whole file. With -data, -set or -consul the templates are rendered too, for what only shows
with data. -explain says more of each:
` + about.String(),
		Args: optionsFirst,
	}
	flags := bindAuthor(cmd)
	disable := cmd.Flags().StringSlice("disable", nil, "Don't look for these `CODES`; commas between.")
	explain := cmd.Flags().Bool("explain", false, "Print what each code means, and end.")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if *explain {
			for _, r := range lint.Rules() {
				fmt.Fprintf(s.out, "%s  %s\n%s\n", r.Code, r.Name, indent(r.About))
			}
			return nil
		}
		if err := knownCodes(*disable); err != nil {
			return err
		}
		files, err := templatesIn(args)
		if err != nil {
			return err
		}
		a, err := newBench(s, flags, files)
		if err != nil {
			return err
		}
		if len(a.cfg.Templates) == 0 {
			_, err := a.oneTemplate()
			return err
		}
		return a.lint(*disable)
	}
	return cmd
}

func knownCodes(codes []string) error {
	for _, code := range codes {
		if !slices.ContainsFunc(lint.Rules(), func(r lint.Rule) bool { return r.Code == code }) {
			return &exitError{exitFlags, fmt.Errorf("flag -disable: there is no code %q; lictor lint -explain lists them", code)}
		}
	}
	return nil
}

// templatesIn lists the files that are named, and the templates in folders that are.
func templatesIn(paths []string) ([]string, error) {
	var files []string
	for _, root := range paths {
		info, err := os.Stat(root)
		if err != nil || !info.IsDir() {
			files = append(files, root) // what is not there is reported when it is read
			continue
		}
		before := len(files)
		err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
				return filepath.SkipDir
			case !entry.IsDir() && slices.Contains([]string{".ctmpl", ".tmpl", ".tpl"}, filepath.Ext(path)):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("no template (*.ctmpl, *.tmpl, *.tpl) in %s", root)
		}
	}
	return files, nil
}

// sourceOf is a template as it is read without running it.
func (a *assembly) sourceOf(t config.Template) (lint.Source, error) {
	name, text, err := a.read(t)
	return lint.Source{Name: name, Text: text, Left: t.LeftDelimiter, Right: t.RightDelimiter}, err
}

func (a *assembly) lint(disable []string) error {
	var all []lint.Finding
	for _, t := range a.cfg.Templates {
		source, err := a.sourceOf(t)
		if err != nil {
			return err
		}
		if source.Render, err = a.rendersWith(t, source); err != nil {
			return err
		}
		all = append(all, lint.Lint(source, disable)...)
	}
	var err error
	if a.cfg.JSON {
		err = findingsJSON(a.streams.out, all)
	} else {
		for _, f := range all {
			fmt.Fprintln(a.streams.out, f)
		}
	}
	if err == nil && len(all) > 0 {
		return &exitError{code: exitDiffers}
	}
	return err
}

func findingsJSON(out io.Writer, findings []lint.Finding) error {
	type finding struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	list := []finding{}
	for _, f := range findings {
		list = append(list, finding{f.File, f.Line, f.Column, f.Code, f.Message})
	}
	return printJSON(out, list)
}

// printJSON prints a document for other programs.
func printJSON(out io.Writer, document any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(document)
}
