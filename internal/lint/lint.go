package lint

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"lictor/funcs"
	"lictor/internal/engine"
)

// A Finding is something doubtful.
type Finding struct {
	File string
	Position
	Code    string // L000 and so on
	Message string // what, why, and what to do
}

func (f Finding) String() string {
	return fmt.Sprintf("%s:%s: %s %s", f.File, f.Position, f.Code, f.Message)
}

// A Rule is something that is looked for.
type Rule struct {
	Code, Name string
	// About says, in a sentence or two, what is found and why it matters.
	About string
	find  func(*tree, func(at Position, format string, args ...any))
}

// Rules lists every rule, by code.
func Rules() []Rule {
	return []Rule{
		{"L000", "syntax", "The template does not parse. This can't be silenced.", nil},
		{"L001", "unknown function", "There is no such function, so that the template does not parse, or it always fails.", unknownFunctions},
		{"L002", "unused variable", "A variable is set and never read: most likely a misspelt name.", unusedVariables},
		{"L003", "key without default", "key waits until the key is there, for ever if need be: nothing is rendered before. " +
			"keyOrDefault, keyExists and keyExistsGet don't wait. A key that keyExists is asked about in the template is not reported.", keysWithoutDefault},
		{"L004", "no newline at the end", "The output may end without a newline, and many programs ignore or refuse such a last line.", missingNewline},
		{"L005", "tab in YAML", "A line of a YAML file is indented with a tab, which YAML forbids. Looked for in files whose name, without .ctmpl, " +
			".tmpl or .tpl, ends in .yaml or .yml.", tabsInYAML},
		{"L006", "service without status", "Without a status only instances are taken that pass all of their checks, and when they all fail the list is " +
			"empty. |passing says that this is meant, |any takes all, |passing,warning those in between.", serviceWithoutStatus},
		{"L007", "idle ignore", "A lictor:ignore comment names no known code.", nil},
		{"L008", "name of two meanings", "The registry has a service or node whose name the grammar takes for something else, such as a dot for the end of a " +
			"tag. The text means what the grammar makes of it as long as there is that, so who registers services can change what is rendered; " +
			`(printf "%q" NAME) means the name in any case. Looked for with -data, -set or -consul only.`, namesOfTwoMeanings},
	}
}

// Lint looks for everything that is doubtful in a template, but for the codes in disabled. Findings come in the order of
// the text.
func Lint(s Source, disabled []string) []Finding {
	t, err := parseTree(s)
	if err != nil {
		return []Finding{syntax(s, err)}
	}
	silent, findings := t.ignores()
	for _, rule := range Rules() {
		if rule.find == nil || slices.Contains(disabled, rule.Code) {
			continue
		}
		rule.find(t, func(at Position, format string, args ...any) {
			if !silent.covers(rule.Code, at.Line) {
				findings = append(findings, Finding{s.Name, at, rule.Code, fmt.Sprintf(format, args...)})
			}
		})
	}
	findings = slices.DeleteFunc(findings, func(f Finding) bool { return slices.Contains(disabled, f.Code) })
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Code, b.Code))
	})
	return findings
}

var placed = regexp.MustCompile(`^(\d+):(\d+): (.*)$`)

// syntax is the finding of a template that does not parse, in the words of the daemon.
func syntax(s Source, parseErr error) Finding {
	_, err := engine.Parse(s.Name, s.Text, engine.Options{Left: s.Left, Right: s.Right}, func(p *engine.Pass) template.FuncMap {
		return funcs.Map(context.Background(), p, funcs.Options{})
	})
	if err == nil {
		err = parseErr
	}
	f := Finding{s.Name, Position{1, 1}, "L000", err.Error()}
	if m := placed.FindStringSubmatch(strings.TrimPrefix(err.Error(), s.Name+":")); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		f.Column, _ = strconv.Atoi(m[2])
		f.Message = m[3]
	}
	return f
}

// isYAML tells whether a template makes a YAML file, by its name.
func isYAML(name string) bool {
	for _, ending := range []string{".ctmpl", ".tmpl", ".tpl"} {
		name = strings.TrimSuffix(name, ending)
	}
	return slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name))
}
