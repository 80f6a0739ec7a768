package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"text/template"

	"lictor/watch"
)

// facts is what is known, by key path.
type facts map[string]string

func (f facts) lookup(q watch.Query) (any, bool) {
	v, ok := f[q.(watch.Key).Path]
	return v, ok
}

var errBroken = errors.New("broken on purpose")

// functions are a few stand-ins for package funcs, which the engine must not know.
func functions(p *Pass) template.FuncMap {
	return template.FuncMap{
		"key": func(path string) string {
			v, ok := p.Lookup(watch.Key{Path: path})
			if !ok {
				return ""
			}
			if v == "none" {
				p.Await(watch.Key{Path: path}, "there is no such key")
				return ""
			}
			return v.(string)
		},
		"split": strings.Fields,
		"fail":  func() (string, error) { return "", errBroken },
		"slow": func() string {
			if !p.Confirm() {
				return ""
			}
			return "ran"
		},
		"effect":          func(s string) string { p.Effect(func() error { return errors.New(s) }); return "" },
		"count":           func() *int { return p.Local("n", func() any { return new(int) }).(*int) },
		"inc":             func(n *int) string { *n++; return fmt.Sprint(*n) },
		"executeTemplate": p.ExecuteTemplate,
	}
}

func mustParse(t *testing.T, text string, o Options) *Template {
	t.Helper()
	tmpl, err := Parse("t.ctmpl", text, o, functions)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestExecute(t *testing.T) {
	for _, c := range []struct {
		name, text string
		known      facts
		want       string // output, or the error's text
		missing    string
		unmet      string
	}{
		{name: "flat", text: `{{key "a"}}-{{key "b"}}`, known: facts{"a": "1", "b": "2"}, want: "1-2"},
		{name: "collects the whole frontier", text: `{{key "a"}}{{key "b"}}{{range split (key "c")}}{{key .}}{{end}}`,
			missing: "key(a) key(b) key(c)"},
		{name: "an error over zero values is not believed", text: `{{index (split (key "a")) 0}}`, missing: "key(a)"},
		{name: "the same with data", text: `{{index (split (key "a")) 0}}`, known: facts{"a": "x y"}, want: "x"},
		{name: "a real error", text: "one\n{{index (split (key \"a\")) 5}}", known: facts{"a": "x"},
			want: "t.ctmpl:2:3: at <index (split (key \"a\")) 5>: error calling index: index out of range: 5"},
		{name: "awaited", text: `{{key "a"}}`, known: facts{"a": "none"}, unmet: "key(a): there is no such key"},
		{name: "an error beside something awaited is not believed", text: `{{key "a"}}{{fail}}`, known: facts{"a": "none"},
			unmet: "key(a): there is no such key"},
		{name: "only definitions", text: `{{define "x"}}{{end}}`, want: ""},
		{name: "confirmed", text: `{{slow}}{{key "a"}}`, known: facts{"a": "1"}, want: "ran1"},
		{name: "not confirmed on a partial pass", text: `{{slow}}{{key "a"}}`, missing: "key(a)"},
		{name: "local values start anew with each pass", text: `{{inc count}}{{inc count}}`, want: "12"},
		{name: "executeTemplate", text: `{{define "x"}}<{{.}}>{{end}}{{executeTemplate "x" 1}}`, want: "<1>"},
		{name: "a method of earlier consul-templates", text: `{{$l := split "a b"}}{{$l.Contains "a"}}`,
			want: `t.ctmpl:1:26: at <$l.Contains>: can't evaluate field Contains in type []string; write .Tags | contains "NAME"`},
		{name: "values stay out of errors", text: `{{range key "a"}}{{end}}`, known: facts{"a": "secret"},
			want: "t.ctmpl:1:13: at <\"a\">: range can't iterate over this value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl := mustParse(t, c.text, Options{})
			for range 2 { // a second execution must not see anything of the first
				r, err := tmpl.Execute(c.known.lookup)
				got := string(r.Output)
				if err != nil {
					got = err.Error()
				}
				if got != c.want {
					t.Errorf("got  %q\nwant %q", got, c.want)
				}
				var missing, unmet []string
				for _, q := range r.Missing.Sorted() {
					missing = append(missing, q.String())
				}
				for q, why := range r.Unmet {
					unmet = append(unmet, q.String()+": "+why)
				}
				if got := strings.Join(missing, " "); got != c.missing {
					t.Errorf("missing %q, want %q", got, c.missing)
				}
				if got := strings.Join(unmet, " "); got != c.unmet {
					t.Errorf("unmet %q, want %q", got, c.unmet)
				}
			}
		})
	}
}

func TestEffectsOnlyOfCompletePasses(t *testing.T) {
	tmpl := mustParse(t, `{{effect "once"}}{{key "a"}}`, Options{})
	if r, _ := tmpl.Execute(facts{}.lookup); len(r.Effects) != 0 {
		t.Errorf("a partial pass has %d effects", len(r.Effects))
	}
	r, _ := tmpl.Execute(facts{"a": "1"}.lookup)
	if len(r.Effects) != 1 {
		t.Fatalf("%d effects, want 1", len(r.Effects))
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	_, err := mustParse(t, `{{fail}}`, Options{}).Execute(facts{}.lookup)
	if !errors.Is(err, errBroken) {
		t.Errorf("%v does not wrap the function's error", err)
	}
}

func TestBounds(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"loop":            {`{{range 1000000}}{{end}}`, "stopped after 1000 steps"},
		"nested loops":    {`{{range 100}}{{range 100}}{{end}}{{end}}`, "stopped after 1000 steps"},
		"recursion":       {`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "stopped after 1000 steps"},
		"executeTemplate": {`{{define "a"}}{{executeTemplate "a" 0}}{{end}}{{executeTemplate "a" 0}}`, "t.ctmpl:1:"},
		"output":          {`{{range 900}}0123456789{{end}}`, "output exceeds 5000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mustParse(t, c.text, Options{MaxSteps: 1000, MaxOutput: 5000}).Execute(facts{}.lookup)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %.300v, want %q", err, c.want)
			}
		})
	}
	t.Run("deep executeTemplate", func(t *testing.T) {
		_, err := mustParse(t, `{{define "a"}}{{executeTemplate "a" 0}}{{end}}{{executeTemplate "a" 0}}`, Options{}).Execute(facts{}.lookup)
		if err == nil || !strings.Contains(err.Error(), "nested more than") {
			t.Errorf("got %.300v", err)
		}
	})
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"line\n  {{ kye \"a\" }}":  `t.ctmpl:2:6: function "kye" not defined; did you mean "key"?`,
		"{{ if }}":                 `t.ctmpl:1:1: missing value for if`,
		"{{ range split \"a\" }}x": `t.ctmpl:1:1: unexpected EOF`,
		"a {{ \"x }}":              `t.ctmpl:1:3: unterminated quoted string`,
	} {
		_, err := Parse("t.ctmpl", text, Options{}, functions)
		if err == nil || err.Error() != want {
			t.Errorf("%q\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestDelimitersAndMissingKeys(t *testing.T) {
	r, err := mustParse(t, `[[key "a"]] {{ x }}`, Options{Left: "[[", Right: "]]"}).Execute(facts{"a": "1"}.lookup)
	if err != nil || string(r.Output) != "1 {{ x }}" {
		t.Errorf("got %q, %v", r.Output, err)
	}
}
