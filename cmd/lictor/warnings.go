package main

import (
	"context"
	"slices"
	"text/template"

	"lictor/funcs"
	"lictor/internal/config"
	"lictor/internal/engine"
	"lictor/internal/lint"
	"lictor/watch"
)

// Here is what becomes of the warnings of template functions: a line of the log where a template is rendered, a finding where it
// is looked at.

// telling makes passes over a template, and logs their warnings, each once for as long as it stays.
func (a *assembly) telling(t *engine.Template) func(watch.Lookup) (engine.Result, error) {
	var told []string
	return func(known watch.Lookup) (engine.Result, error) {
		result, err := t.Execute(known)
		if err == nil && result.Complete() {
			a.tellWarnings(t, result.Warnings, told)
			told = result.Warnings
		}
		return result, err
	}
}

// tellWarnings logs the warnings of a template that were not told already.
func (a *assembly) tellWarnings(t *engine.Template, warnings, told []string) {
	for _, w := range warnings {
		if !slices.Contains(told, w) {
			a.log.Warn(w, "template", t.Name())
		}
	}
}

// A warnedPass asks warn what to do about a warning.
type warnedPass struct {
	*engine.Pass
	warn func(what string) error
}

func (p warnedPass) Warn(what string) error { return p.warn(what) }

// rendersWith makes what renders a template that is linted, nil where there is no data.
func (a *assembly) rendersWith(t config.Template, text lint.Source) (func(warn func(string) error) error, error) {
	if !a.hasData() && !a.asksRegistry() {
		return nil, nil
	}
	source, err := a.fixedSource()
	if err != nil {
		return nil, err
	}
	return func(warn func(string) error) error {
		ctx := context.Background()
		tmpl, err := engine.Parse(text.Name, text.Text, engine.Options{Left: t.LeftDelimiter, Right: t.RightDelimiter, ErrorOnMissingKey: t.ErrorOnMissingKey},
			func(p *engine.Pass) template.FuncMap {
				return funcs.Map(ctx, warnedPass{p, warn}, funcs.Options{Denylist: t.FunctionDenylist, Sandbox: t.SandboxPath, Env: a.lookupEnv})
			})
		if err == nil {
			_, err = a.render(ctx, source, tmpl)
		}
		return err
	}, nil
}
