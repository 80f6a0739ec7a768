package lint

import (
	"context"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/watch"
)

// A Use is a place where a template asks for something.
type Use struct {
	At       Position
	Function string
	Source   string // the call as it is written, with what is piped into it
	// Queries are what the call asks for; none where that depends on data.
	Queries []watch.Query
	// Err is why a call can't ask for anything, such as a name that is none; nil where all is well. See [Use.Problem].
	Err error

	outside bool // an argument is made of the environment
}

// Queries lists the calls of a template that ask for data, in the order of the text. Those whose arguments are written
// out, or made of what is, are evaluated; what the others ask for is only known with the data.
func Queries(s Source) ([]Use, error) {
	t, err := parseTree(s)
	if err != nil {
		return nil, err
	}
	return t.queries(), nil
}

func (t *tree) queries() []Use {
	w := &walker{tree: t, ask: queryFunctions(), fixed: map[string]*parse.PipeNode{}}
	w.fixVariables()
	t.each(func(n parse.Node) {
		if p, ok := n.(*parse.PipeNode); ok {
			w.pipe(p)
		}
	})
	slices.SortStableFunc(w.uses, func(a, b Use) int { return a.At.compare(b.At) })
	return w.uses
}

type walker struct {
	*tree
	ask map[string]bool
	// fixed are the pipes that set the variables which are set once in the template, to what is written out.
	fixed map[string]*parse.PipeNode
	uses  []Use
}

// fixVariables fills fixed.
func (w *walker) fixVariables() {
	set := map[string]int{}
	pipes := map[string]*parse.PipeNode{}
	w.each(func(n parse.Node) {
		switch n := n.(type) {
		case *parse.PipeNode:
			for _, d := range n.Decl {
				set[d.Ident[0]]++
			}
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 1 && w.constant(n.Pipe) {
				pipes[n.Pipe.Decl[0].Ident[0]] = n.Pipe
			}
		}
	})
	for name, pipe := range pipes {
		if set[name] == 1 {
			w.fixed[name] = pipe
		}
	}
}

// pipe notes the calls in one pipe; those in its brackets are pipes of their own.
func (w *walker) pipe(p *parse.PipeNode) {
	constant := true // whether all that came before is made of what is written out
	var before []string
	for i, c := range p.Cmds {
		for _, arg := range c.Args[1:] { // {{ len services }}
			if id, ok := arg.(*parse.IdentifierNode); ok && w.ask[id.Ident] {
				w.add(id.Pos, id.Ident, id.Ident, []*parse.CommandNode{})
			}
		}
		before = append(before, c.String())
		fixed := constant && w.constant(c)
		if name := call(c); w.ask[name] {
			var known []*parse.CommandNode
			if constant && w.constantArgs(c) {
				known = p.Cmds[:i+1]
			}
			w.add(c.Pos, name, strings.Join(before, " | "), known)
			fixed = false
		}
		constant = fixed
	}
}

func (w *walker) constantArgs(c *parse.CommandNode) bool {
	return !slices.ContainsFunc(c.Args[1:], func(n parse.Node) bool { return !w.constant(n) })
}

// acting are functions that must not run here, or don't give the same twice.
var acting = []string{"plugin", "writeToFile", "executeTemplate", "spew_dump", "spew_printf"}

// constant tells whether a node is made of what is written out.
func (w *walker) constant(n parse.Node) bool {
	return constant(n, func(function string) bool { return !w.ask[function] && !slices.Contains(acting, function) }, w.fixed)
}

// constant tells whether a node is made of what is written out, of variables in fixed, and by functions that may be called.
func constant(n parse.Node, may func(function string) bool, fixed map[string]*parse.PipeNode) bool {
	known := true
	inspect(n, func(n parse.Node) bool {
		switch n := n.(type) {
		case *parse.PipeNode, *parse.CommandNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.NilNode:
		case *parse.IdentifierNode:
			known = known && may(n.Ident)
		case *parse.VariableNode:
			known = known && len(n.Ident) == 1 && fixed[n.Ident[0]] != nil
		default:
			known = false
		}
		return known
	})
	return known
}

// add notes a call. The commands are those that make it where they are made of what is written out, else nil.
func (w *walker) add(at parse.Pos, function, source string, known []*parse.CommandNode) {
	use := Use{At: w.position(at), Function: function, Source: source}
	if known != nil {
		use.outside = slices.ContainsFunc(known, readsEnvironment)
		var set strings.Builder
		for name := range w.variables(known) {
			use.outside = use.outside || slices.ContainsFunc(w.fixed[name].Cmds, readsEnvironment)
			set.WriteString("{{ " + w.fixed[name].String() + " }}")
		}
		use.Queries, use.Err = evaluate(set.String()+"{{ "+source+" }}", w.tree.Functions.Sources)
	}
	w.uses = append(w.uses, use)
}

// readsEnvironment tells whether a command reads the environment, which may be another one where the template is run.
func readsEnvironment(c *parse.CommandNode) bool {
	reads := false
	inspect(c, func(n parse.Node) bool {
		id, ok := n.(*parse.IdentifierNode)
		reads = reads || ok && slices.Contains([]string{"env", "envOrDefault", "mustEnv", "sprig_env", "sprig_expandenv"}, id.Ident)
		return true
	})
	return reads
}

// variables are the names of those that commands read.
func (w *walker) variables(list []*parse.CommandNode) map[string]bool {
	names := map[string]bool{}
	for _, c := range list {
		inspect(c, func(n parse.Node) bool {
			if v, ok := n.(*parse.VariableNode); ok {
				names[v.Ident[0]] = true
			}
			return true
		})
	}
	return names
}

// evaluate runs a text, and sees what it asks for of which sources.
func evaluate(text string, sources watch.SourceNames) ([]watch.Query, error) {
	tmpl, err := parseText(text, sources)
	if err != nil {
		return nil, nil // what it calls is not there, and so the template itself does not parse
	}
	result, err := tmpl.Execute(unanswered)
	if err == nil { // what is no name by the grammar may be one that a registry has: see what it is where there is none
		_, err = tmpl.Execute(func(watch.Query) (any, bool) { return nil, true })
	}
	return result.Used.Sorted(), err
}

// run makes a pass over a text of the usual delimiters, without any data.
func run(text string) (engine.Result, error) {
	tmpl, err := parseText(text, nil)
	if err != nil {
		return engine.Result{}, err
	}
	return tmpl.Execute(unanswered)
}

func parseText(text string, sources watch.SourceNames) (*engine.Template, error) {
	return engine.Parse("call", text, engine.Options{MaxOutput: 1 << 20}, func(p *engine.Pass) template.FuncMap {
		return funcs.Map(context.Background(), p, funcs.Options{Sources: sources})
	})
}

func unanswered(watch.Query) (any, bool) { return nil, false }
