// Package engine runs templates against data that arrives bit by bit.
//
// A template is parsed once. One pass over it yields its output, the queries that it used, and those of them that have no
// answer yet. A pass never stops at the first unknown: a missing answer yields the zero value and the pass goes on, so
// that it collects the whole frontier of queries at once. While anything is missing, the output is thrown away and an error is
// not believed, since both may come from zero values. So a template is finished after a number of passes that is the depth
// of its data (one more than the longest chain of a query that depends on another's answer), not the number of queries.
package engine

import (
	"bytes"
	"fmt"
	"text/template"

	"lictor/watch"
)

// Options are the parts of a template's setting that are not functions. The zero Options is the usual template.
type Options struct {
	// Left and Right are the action delimiters, "{{" and "}}" where empty.
	Left, Right string
	// ErrorOnMissingKey makes a map without the key an error in place of "<no value>".
	ErrorOnMissingKey bool
	// MaxOutput bounds the output in bytes; 0 means [DefaultMaxOutput].
	MaxOutput int
	// MaxSteps bounds how many times the bodies of loops and templates are entered in one pass; 0 means
	// [DefaultMaxSteps].
	MaxSteps int
}

// The bounds that stop a template which would print or run without end.
const (
	DefaultMaxOutput = 512 << 20
	DefaultMaxSteps  = 50_000_000

	maxExecuteDepth = 1000 // of executeTemplate within executeTemplate
	maxWarnings     = 20   // of one pass
)

// A Template is a parsed template. One goroutine at a time may execute it.
type Template struct {
	name string
	tmpl *template.Template
	opts Options
	pass *Pass

	answers map[watch.Query]*answer // to the queries of this pass, and of the one before
	used    watch.Set               // the queries of the last pass; nil when this one asks others
	bytes   int                     // of the last output: the next one is likely to be as long
}

// Parse parses text. The functions that bind returns are called during passes, with the Pass that bind was given.
// An error is one line that begins with NAME:LINE:COLUMN.
func Parse(name, text string, o Options, bind func(*Pass) template.FuncMap) (*Template, error) {
	if o.MaxOutput == 0 {
		o.MaxOutput = DefaultMaxOutput
	}
	if o.MaxSteps == 0 {
		o.MaxSteps = DefaultMaxSteps
	}
	t := &Template{name: name, opts: o, pass: &Pass{}, answers: map[watch.Query]*answer{}}
	functions := bind(t.pass)
	t.pass.template = t

	root := template.New(name).Delims(o.Left, o.Right).Funcs(functions)
	root.Option("missingkey=zero") // a string map without the key gives "", as with consul-template
	if o.ErrorOnMissingKey {
		root.Option("missingkey=error")
	}
	parsed, err := root.Parse(text)
	if err != nil {
		return nil, parseError(name, text, o, functions, err)
	}
	for _, tmpl := range parsed.Templates() {
		countSteps(tmpl.Tree)
	}
	if parsed.Tree != nil { // a text that only defines templates has no tree of its own
		t.tmpl = parsed
	}
	return t, nil
}

// Name is what the template was called at [Parse].
func (t *Template) Name() string { return t.name }

// A Result is what one execution found.
type Result struct {
	// Output is the finished text. It is meaningful only when the result is Complete.
	Output []byte
	// Used holds every query that was asked, Missing those of them without an answer. Used may be that of another result: it
	// must not be changed.
	Used, Missing watch.Set
	// Unmet holds the queries whose present answer is not what the template waits for, and why.
	Unmet map[watch.Query]string
	// Failed is why the template failed in a pass that is not Complete; nil where it did not. It may come of what is missing, and
	// is for people who wonder what comes next.
	Failed error
	// Effects are what functions want done, in order, once the output is committed; none where it is not Complete.
	Effects []func() error
	// Warnings are what functions want a person to know though the template renders; none where it is not Complete.
	Warnings []string
	// Passes is how many times the template ran.
	Passes int
}

// Complete tells whether all data was there, so that Output stands.
func (r *Result) Complete() bool { return len(r.Missing) == 0 && len(r.Unmet) == 0 }

// Execute runs a pass over what known answers. Its error is the template's own, one line that begins with
// NAME:LINE:COLUMN, and only reported when nothing is missing; Used is set even then, so that the fix can be waited for.
func (t *Template) Execute(known watch.Lookup) (Result, error) {
	r, err := t.run(known, false)
	if r.Complete() && t.pass.unconfirmed {
		r, err = t.run(known, true)
		r.Passes++
	}
	if err != nil {
		err = executeError(t.name, err)
	}
	if err != nil || !r.Complete() {
		r.Output, r.Effects, r.Warnings = nil, nil, nil
	}
	if !r.Complete() {
		r.Failed, err = err, nil
	}
	return r, err
}

// run makes one pass.
func (t *Template) run(known watch.Lookup, confirmed bool) (Result, error) {
	p := t.pass
	p.begin(known, confirmed)
	out := &boundedBuffer{pass: p}
	out.Grow(t.bytes)
	var err error
	if t.tmpl != nil {
		err = t.tmpl.Execute(out, nil)
	}
	t.bytes = out.Len()
	return Result{Output: out.Bytes(), Used: p.end(), Missing: p.missing, Unmet: p.unmet, Effects: p.effects, Warnings: p.warnings, Passes: 1}, err
}

// boundedBuffer takes the output of a pass. It refuses to grow past the template's bound, and counts the empty texts that
// [countSteps] has put in.
type boundedBuffer struct {
	bytes.Buffer
	pass *Pass
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, b.pass.step()
	}
	if most := b.pass.template.opts.MaxOutput; b.Len()+len(p) > most {
		return 0, fmt.Errorf("output exceeds %d bytes: is there a loop without end?", most)
	}
	return b.Buffer.Write(p)
}
