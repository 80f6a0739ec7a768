package lint

import (
	"slices"
	"text/template"

	"lictor/funcs"
	"lictor/internal/engine"
)

// render renders a text in the template's place, with the functions that bind makes. No command and no plugin runs, and no file is
// written.
func (t *tree) render(text string, bind func(*engine.Pass, funcs.Options) template.FuncMap) ([]byte, error) {
	functions := t.Functions
	functions.Denylist = append(slices.Clip(functions.Denylist), "plugin")
	// The bounds are far above what a template does whose output somebody reads.
	o := engine.Options{Left: t.Left, Right: t.Right, MaxSteps: 1_000_000, MaxOutput: 64 << 20}
	tmpl, err := engine.Parse(t.Name, text, o, func(p *engine.Pass) template.FuncMap { return bind(p, functions) })
	if err != nil {
		return nil, err
	}
	return t.Render(tmpl)
}
