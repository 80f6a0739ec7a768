package lint

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

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
	// Optional says that it finds what is well meant as often as not, so that it is looked for only where that is asked for.
	Optional bool
	find     func(*tree, func(at Position, format string, args ...any))
}

// Rules lists every rule, by code.
func Rules() []Rule {
	return []Rule{
		{Code: "L000", Name: "syntax", About: "The template does not parse, or is no text at all. This can't be silenced."},
		{Code: "L001", Name: "call that can't work", find: callsThatFail,
			About: "There is no such function, so that the template does not parse; or the call always fails, since there is no such method, " +
				"its system is not supported, function_denylist forbids it, or what it asks for is no query."},
		{Code: "L002", Name: "unused variable", find: unusedVariables,
			About: "A variable is set and never read: it is left over, or := made a new one where = should have set an outer one. Not looked " +
				"for: what range and with set, $_, and what is set for the sake of what the call does, such as sprig_set."},
		{Code: "L003", Name: "key without default", find: keysWithoutDefault, Optional: true,
			About: "key waits until the key is there, for ever if need be: nothing is rendered before. keyOrDefault, keyExists and " +
				"keyExistsGet don't wait. A key that one of these is asked about in the template is not reported."},
		{Code: "L004", Name: "no newline at the end", find: missingNewline,
			About: "The output may end without a newline, and many programs ignore or refuse such a last line. Not looked for in JSON, YAML, TOML, " +
				"XML and HTML, by the file's name, nor where the last line has nothing but values, which may bring the newline along."},
		{Code: "L005", Name: "tab in YAML", find: tabsInYAML,
			About: "A line of a YAML file is indented with a tab, which YAML forbids. Looked for in files whose name, without .ctmpl, " +
				".tmpl or .tpl, ends in .yaml or .yml."},
		{Code: "L006", Name: "service without status", find: serviceWithoutStatus, Optional: true,
			About: "Without a status only instances are taken that pass all of their checks, and when they all fail the list is " +
				"empty. |passing says that this is meant, |any takes all, |passing,warning those in between."},
		{Code: "L007", Name: "idle ignore", About: "A lictor:ignore comment names no known code."},
		{Code: "L008", Name: "name of two meanings", find: namesOfTwoMeanings,
			About: "The registry has a service or node whose name the grammar takes for something else, such as a dot for the end of a tag. " +
				"The text means what the grammar makes of it as long as there is that, so who registers services can change what is " +
				`rendered; (printf "%q" NAME) means the name in any case. Looked for with -data, -set or -consul only.`},
		{Code: "L010", Name: "integer as float", find: integersAsFloats,
			About: "The numbers of parseJSON are floats: from a million on one is printed with an exponent, and by toTOML as 80.0 for 80. " +
				"parseYAML reads JSON too, and keeps integers. Looked for with -data, -set or -consul only."},
	}
}

// A Choice is which rules are looked for: all that are not optional, those in Enable, and none of those in Disable.
type Choice struct{ Enable, Disable []string }

func (c Choice) has(r Rule) bool {
	return !slices.Contains(c.Disable, r.Code) && (!r.Optional || slices.Contains(c.Enable, r.Code))
}

// Lint looks for everything that is doubtful in a template and of the chosen rules. Findings come in the order of the text.
func Lint(s Source, chosen Choice) []Finding {
	if at := strings.IndexByte(s.Text, 0); at >= 0 {
		return []Finding{{s.Name, s.position(parse.Pos(at)), "L000", "this is no text: there is a NUL byte here"}}
	}
	t, err := parseTree(s)
	if err != nil {
		return []Finding{syntax(s, err)}
	}
	silent, findings := t.ignores()
	fails := map[Position]bool{} // what L001 finds: of such a call nothing else matters, also where L001 is not wanted
	for _, rule := range Rules() {
		failing := rule.Code == "L001"
		if rule.find == nil || !failing && !chosen.has(rule) {
			continue
		}
		rule.find(t, func(at Position, format string, args ...any) {
			fails[at] = fails[at] || failing
			if !silent.covers(rule.Code, at.Line) && (failing || !fails[at]) {
				findings = append(findings, Finding{s.Name, at, rule.Code, fmt.Sprintf(format, args...)})
			}
		})
	}
	findings = slices.DeleteFunc(findings, func(f Finding) bool { return slices.Contains(chosen.Disable, f.Code) })
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(a.Position.compare(b.Position), cmp.Compare(a.Code, b.Code))
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
