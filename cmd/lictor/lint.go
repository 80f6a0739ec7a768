package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lictor/funcs"
	"lictor/internal/config"
	"lictor/internal/engine"
	"lictor/internal/lint"
	"lictor/internal/spell"
)

// newLintCmd says what is doubtful in templates.
func newLintCmd(s streams) *cobra.Command {
	var about strings.Builder
	for _, r := range lint.Rules() {
		fmt.Fprintf(&about, "\n  %s  %s", r.Code, title(r))
	}
	cmd := &cobra.Command{
		Use:   "lint [options] [TEMPLATE|FOLDER...]",
		Short: "Say what is doubtful in templates.",
		Long: `Reads templates (those of -config, those named, and all *.ctmpl, *.tmpl and *.tpl in a folder), and
says what is doubtful. It ends with 1 when there is something. A comment {{/* lictor:ignore L004 */}} silences a code on its own line
and the next, lictor:ignore-file in the whole file. With -data, -set or -consul the templates are rendered too, for what shows only
with data; no command and no plugin runs. -explain says more of each:
` + about.String(),
		Args: optionsFirst,
	}
	flags := bindAuthor(cmd)
	enable := cmd.Flags().StringSlice("enable", nil, "Look for these `CODES` too; commas between.")
	disable := cmd.Flags().StringSlice("disable", nil, "Don't look for these `CODES`, even where they are enabled; commas between.")
	explain := cmd.Flags().Bool("explain", false, "Print what each code means, or those that follow, and end.")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := cmp.Or(knownCodes("enable", *enable), knownCodes("disable", *disable)); err != nil {
			return err
		}
		if *explain {
			return explainRules(s.out, args)
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
		return a.lint(lint.Choice{Enable: *enable, Disable: *disable})
	}
	return cmd
}

// title is a rule's name, and that it has to be asked for.
func title(r lint.Rule) string {
	if r.Optional {
		return r.Name + " (only with -enable " + r.Code + ")"
	}
	return r.Name
}

// explainRules says more of the rules that have these codes, or of all.
func explainRules(out io.Writer, codes []string) error {
	if err := knownCodes("explain", codes); err != nil {
		return err
	}
	for _, r := range lint.Rules() {
		if len(codes) == 0 || slices.Contains(codes, r.Code) {
			fmt.Fprintf(out, "%s  %s\n%s\n", r.Code, title(r), indent(r.About))
		}
	}
	return nil
}

// knownCodes checks the codes that a flag was given, without the blanks around them.
func knownCodes(flag string, given []string) error {
	var codes []string
	for _, r := range lint.Rules() {
		codes = append(codes, r.Code)
	}
	for i, code := range given {
		code = strings.TrimSpace(code)
		if given[i] = code; slices.Contains(codes, code) {
			continue
		}
		hint := "lictor lint -explain lists them"
		if near := spell.Closest(code, codes); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return &exitError{exitFlags, fmt.Errorf("flag -%s: there is no code %q: %s", flag, code, hint)}
	}
	return nil
}

// templatesIn lists the files that are named, and the templates in folders that are, each once.
func templatesIn(paths []string) ([]string, error) {
	var files []string
	seen := map[string]bool{}
	add := func(path string) {
		if clean := filepath.Clean(path); !seen[clean] {
			seen[clean] = true
			files = append(files, path)
		}
	}
	for _, root := range paths {
		info, err := os.Stat(root)
		if err != nil || !info.IsDir() {
			add(root) // what is not there is reported when it is read
			continue
		}
		found := false
		err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
				return filepath.SkipDir
			case entry.Type()&^os.ModeSymlink != 0: // a folder, or a pipe, which may never end
			case slices.Contains([]string{".ctmpl", ".tmpl", ".tpl"}, filepath.Ext(path)):
				found = true
				add(path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fmt.Errorf("no template (*.ctmpl, *.tmpl, *.tpl) in %s", root)
		}
	}
	return files, nil
}

// sourceOf is a template as it is read without running it.
func (a *assembly) sourceOf(t config.Template) (lint.Source, error) {
	name, text, err := a.read(t)
	return lint.Source{Name: name, Text: text, Left: t.LeftDelimiter, Right: t.RightDelimiter,
		Functions: funcs.Options{Denylist: t.FunctionDenylist, Sandbox: t.SandboxPath, Env: a.lookupEnv, Sources: a.sourceNames()}}, err
}

// rendersForLint makes what renders templates on the data that is named, nil where none is.
func (a *assembly) rendersForLint() (func(*engine.Template) ([]byte, error), error) {
	if !a.hasData() && !a.asksRegistry() {
		return nil, nil
	}
	source, err := a.fixedSource()
	if err != nil {
		return nil, err
	}
	return func(t *engine.Template) ([]byte, error) {
		done, err := a.render(context.Background(), source, t)
		return done.Output, err
	}, nil
}

// lint prints what is found in all templates that can be read. Those that can't are errors.
func (a *assembly) lint(chosen lint.Choice) error {
	var all []lint.Finding
	var errs []error
	render, err := a.rendersForLint()
	if err != nil {
		return err
	}
	for _, t := range a.cfg.Templates {
		source, err := a.sourceOf(t)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		source.Render = render
		all = append(all, lint.Lint(source, chosen)...)
	}
	if a.cfg.JSON {
		errs = append(errs, findingsJSON(a.streams.out, all))
	} else {
		for _, f := range all {
			fmt.Fprintln(a.streams.out, f)
		}
	}
	if err := errors.Join(errs...); err != nil || len(all) == 0 {
		return err
	}
	return &exitError{code: exitDiffers}
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
