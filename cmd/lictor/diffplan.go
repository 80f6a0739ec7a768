package main

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"lictor/internal/config"
	"lictor/internal/runner"
	"lictor/renderer"
)

// exitChanges is what a dry run with -exit-code ends with when something would change.
const exitChanges = 2

// A plan is what a dry run would do.
type plan struct {
	out      io.Writer
	diff     bool // show changes as diffs, not whole files
	asJSON   bool // show nothing but the plan, at the end
	exitCode bool
	ordered  bool // show the changes in the order of the configuration, for a run that ends
	changes  []*change
	shown    int // how many of them, when ordered
}

// A change is what would happen to one template's destination.
type change struct {
	Template    string `json:"template"`
	Destination string `json:"destination"`
	Changed     bool   `json:"changed"`
	Command     string `json:"command,omitempty"` // would run, if it is changed
	Diff        string `json:"diff,omitempty"`    // with -diff

	text []byte // what is to be shown of it; nil until that is known
}

// checkPlan refuses flags that only speak of a dry run, and makes one end that somebody waits for the result of.
func checkPlan(c *config.Config) error {
	for _, f := range []struct {
		name  string
		given bool
	}{{"diff", c.Diff}, {"exit-code", c.ExitCode}, {"json", c.JSON}} {
		if f.given && !c.Dry {
			return &exitError{exitFlags, errors.New("flag -" + f.name + " goes with -dry")}
		}
	}
	c.Once = c.Once || c.ExitCode || c.JSON
	return nil
}

// expect adds a template to the plan.
func (p *plan) expect(name string, t config.Template) *change {
	c := &change{Template: name, Destination: t.Destination}
	p.changes = append(p.changes, c)
	return c
}

// preview reads what is at the destination now, for a [preview] of what would be.
func (p *plan) preview(c *change, command string, file renderer.File, output []byte) (runner.Staged, error) {
	var current []byte
	if file.Path != "" {
		var err error
		if current, err = file.Current(); err != nil {
			return nil, err
		}
	}
	return &preview{plan: p, change: c, command: command, current: current, content: output}, nil
}

// A preview stands in for a staged file on a dry run. It shows on commit what would be written.
type preview struct {
	plan             *plan
	change           *change
	command          string
	current, content []byte
}

func (p *preview) Path() string { return "" }
func (p *preview) Discard()     {}

func (p *preview) Commit() error {
	c := p.change
	c.Changed = p.current == nil || string(p.current) != string(p.content)
	c.Command, c.Diff = "", ""
	if c.Changed {
		c.Command = p.command
	}
	if p.plan.diff && c.Changed {
		c.Diff = diffOf(c, p.current, p.content)
	}
	switch {
	case p.plan.asJSON:
		return nil
	case p.plan.diff:
		return p.plan.show(c, []byte(colourDiff(p.plan.out, c.Diff)))
	}
	var text bytes.Buffer
	if err := renderer.DryRun(&text, c.Destination, p.current, p.content); err != nil {
		return err
	}
	return p.plan.show(c, append([]byte{}, text.Bytes()...))
}

// show prints what there is to see of a change: at once, or when all those before it were shown.
func (p *plan) show(c *change, text []byte) error {
	if !p.ordered {
		_, err := p.out.Write(text)
		return err
	}
	c.text = text
	for p.shown < len(p.changes) && p.changes[p.shown].text != nil {
		if _, err := p.out.Write(p.changes[p.shown].text); err != nil {
			return err
		}
		p.shown++
	}
	return nil
}

// showRest prints what was held up by a template that did not get so far.
func (p *plan) showRest() {
	for _, c := range p.changes[p.shown:] {
		p.out.Write(c.text) //nolint:errcheck // there is an error to be told already
	}
}

func diffOf(c *change, current, content []byte) string {
	path := c.Destination
	if path == "" {
		path = c.Template
	}
	old := path
	if current == nil {
		old = "/dev/null"
	}
	if current == nil && len(content) == 0 {
		return "new empty file " + path + "\n"
	}
	return renderer.Diff(old, path, current, content)
}

// result is what a run with this plan ends with, from the error that it ended with.
func (p *plan) result(err error) error {
	if p == nil {
		return err
	}
	p.showRest()
	if err != nil {
		return err
	}
	changed := slices.ContainsFunc(p.changes, func(c *change) bool { return c.Changed })
	if p.asJSON {
		var commands []string // each once, in the order in which they would run
		for _, c := range p.changes {
			if c.Command != "" && !slices.Contains(commands, c.Command) {
				commands = append(commands, c.Command)
			}
		}
		err = printJSON(p.out, struct {
			Changed   bool      `json:"changed"`
			Templates []*change `json:"templates"`
			Commands  []string  `json:"commands,omitempty"`
		}{changed, p.changes, commands})
	}
	if err == nil && changed && p.exitCode {
		return &exitError{code: exitChanges}
	}
	return err
}

// exitCodes makes any error 1 where -exit-code was given, so that it can't be taken for a change.
func exitCodes(c config.Config, err error) error {
	e, ok := errors.AsType[*exitError](err)
	if !c.ExitCode || err == nil || ok && e.code == exitChanges {
		return err
	}
	if ok {
		err = e.err
	}
	return &exitError{exitDiffers, err}
}
