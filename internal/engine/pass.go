package engine

import (
	"errors"
	"fmt"
	"slices"
	"text/template/parse"

	"lictor/watch"
)

// A Pass is one run over a template, as its functions see it. A template has one Pass value, which stands for the pass
// that runs now; its methods may be called only by functions during a pass.
type Pass struct {
	template *Template

	known     watch.Lookup
	confirmed bool

	number      int // of this pass, counted over all
	used        int // how many of the template's answers are of this pass
	missing     watch.Set
	unmet       map[watch.Query]string
	effects     []func() error
	warnings    []string
	unconfirmed bool // a function asked for confirmation and did not get it
	local       map[any]any
	steps       int
	depth       int
}

// An answer is what a query was answered with in one pass. Each query is asked once a pass, so that a pass sees one state.
type answer struct {
	value any
	known bool
	pass  int // the number of that pass
}

func (p *Pass) begin(known watch.Lookup, confirmed bool) {
	*p = Pass{
		template: p.template, known: known, confirmed: confirmed, number: p.number + 1,
		missing: watch.Set{}, unmet: map[watch.Query]string{}, local: map[any]any{},
	}
}

// Lookup answers q from what is known, noting that it was asked. Where ok is false the function that asks returns its
// zero value and no error: the pass goes on, and is thrown away.
func (p *Pass) Lookup(q watch.Query) (value any, ok bool) {
	a := p.template.answers[q]
	if a == nil {
		a = &answer{}
		p.template.answers[q] = a
		p.template.used = nil
	}
	if a.pass == p.number {
		return a.value, a.known
	}
	value, ok = p.known(q)
	*a = answer{value, ok, p.number}
	p.used++
	if !ok {
		p.missing.Add(q)
	}
	return value, ok
}

// end forgets what the pass knew, which must not outlive it, and tells which queries it asked. These are hardly ever
// others than in the pass before, so they are not collected anew then.
func (p *Pass) end() watch.Set {
	t := p.template
	if t.used == nil || len(t.answers) != p.used {
		t.used = make(watch.Set, p.used)
		for q, a := range t.answers {
			if a.pass == p.number {
				t.used.Add(q)
			} else {
				delete(t.answers, q)
			}
		}
	}
	for _, a := range t.answers {
		a.value = nil
	}
	p.local = nil
	return t.used
}

// Await notes that q, though it is answered, has not the answer that the template waits for, and why in words for the
// operator ("there is no such key"). The function then returns its zero value.
func (p *Pass) Await(q watch.Query, why string) { p.unmet[q] = why }

// Partial tells whether something is missing or awaited in this pass already, so that it will be thrown away.
func (p *Pass) Partial() bool { return len(p.missing) > 0 || len(p.unmet) > 0 }

// Confirm tells whether a function that is slow or acts on the world may run now. Where it may not, it returns its zero
// value; the pass is run again, confirmed, once one was complete without it.
func (p *Pass) Confirm() bool {
	if p.confirmed && !p.Partial() {
		return true
	}
	p.unconfirmed = true
	return false
}

// Effect asks that do be called once the output of this pass is committed. On a partial pass, and on dry runs, it never is.
func (p *Pass) Effect(do func() error) { p.effects = append(p.effects, do) }

// Warn notes something that a person should know though the template renders. It never fails. Of many things the first are kept.
func (p *Pass) Warn(what string) error {
	if len(p.warnings) < maxWarnings && !slices.Contains(p.warnings, what) {
		p.warnings = append(p.warnings, what)
	}
	return nil
}

// Local returns the value that belongs to key in this pass, made by fresh when it is first asked for.
func (p *Pass) Local(key any, fresh func() any) any {
	v, ok := p.local[key]
	if !ok {
		v = fresh()
		p.local[key] = v
	}
	return v
}

// ExecuteTemplate runs a template that the text defines, and returns its output.
func (p *Pass) ExecuteTemplate(name string, data any) (string, error) {
	root := p.template.tmpl
	if root == nil || root.Lookup(name) == nil {
		return "", errors.New("a template of this name is not defined") // the name may be a value
	}
	if p.depth >= maxExecuteDepth {
		return "", fmt.Errorf("template %q: templates are nested more than %d deep: does it call itself without end?", name, maxExecuteDepth)
	}
	p.depth++
	defer func() { p.depth-- }()
	out := &boundedBuffer{pass: p}
	if err := root.ExecuteTemplate(out, name, data); err != nil {
		return "", err
	}
	return out.String(), nil
}

// step counts that a loop's or a template's body is entered.
func (p *Pass) step() error {
	p.steps++
	if limit := p.template.opts.MaxSteps; p.steps > limit {
		return fmt.Errorf("stopped after %d steps: is there a loop without end?", limit)
	}
	return nil
}

// countSteps makes a parsed tree print an empty text at the start of each body that can be entered over and over, which
// the pass's output counts as a step. It is the one way to bound text/template, which has no limit of its own on loops,
// and cheaper than a function, which is called by reflection.
func countSteps(tree *parse.Tree) {
	if tree == nil || tree.Root == nil {
		return
	}
	prepend := func(list *parse.ListNode, at parse.Pos) {
		list.Nodes = append([]parse.Node{&parse.TextNode{NodeType: parse.NodeText, Pos: at}}, list.Nodes...)
	}
	var walk func(parse.Node)
	walkList := func(l *parse.ListNode) {
		if l != nil {
			for _, n := range l.Nodes {
				walk(n)
			}
		}
	}
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.RangeNode:
			walkList(n.List)
			walkList(n.ElseList)
			prepend(n.List, n.Pos)
		case *parse.IfNode:
			walkList(n.List)
			walkList(n.ElseList)
		case *parse.WithNode:
			walkList(n.List)
			walkList(n.ElseList)
		}
	}
	walkList(tree.Root)
	prepend(tree.Root, tree.Root.Pos)
}
