package main

import (
	"slices"

	"lictor/internal/engine"
	"lictor/watch"
)

// The warnings of template functions become lines of the log where a template is rendered. Package lint makes findings of them.

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
