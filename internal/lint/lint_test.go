package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lictor/funcs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// codes lints text, and lists the findings as "LINE:COLUMN CODE".
func codes(name, text string) string { return codesOf(Source{Name: name, Text: text}) }

// codesOf lints s, but for the codes in disabled.
func codesOf(s Source, disabled ...string) string {
	var out []string
	for _, f := range Lint(s, disabled) {
		out = append(out, fmt.Sprintf("%s %s", f.Position, f.Code))
	}
	return strings.Join(out, ", ")
}

func TestRules(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"text\n", ""},
		{"{{ if }}\n", "1:1 L000"},

		{"{{ foo }}\n", "1:4 L001"},
		{"{{ range $x := foo | bar }}{{ $x }}{{ end }}\n", "1:16 L001, 1:22 L001"},
		{"{{ define \"t\" }}{{ foo }}{{ end }}{{ template \"t\" }}\n", "1:20 L001"},
		{"{{ range ls \"a\" }}{{ break }}{{ end }}{{ len \"a\" }}\n", ""},
		{"{{ secret \"a\" }}\n", "1:4 L001"},

		{"{{ $a := 1 }}\n", "1:4 L002"},
		{"{{ $a := 1 }}{{ $a }}\n", ""},
		{"{{ $a := 1 }}{{ $a = 2 }}\n", "1:4 L002"},
		{"{{ $a := 1 }}{{ $a := 2 }}{{ $a }}\n", "1:4 L002"},
		{"{{ $a := 1 }}{{ if true }}{{ $a := 2 }}{{ end }}{{ $a }}\n", "1:30 L002"},
		{"{{ $a := 1 }}{{ if true }}{{ $a }}{{ end }}\n", ""},
		{"{{ with $a := 1 }}{{ else }}{{ $a }}{{ end }}\n", ""},
		{"{{ $a := sprig_dict }}{{ $a.b.c }}\n", ""},
		{"{{ $a := sprig_dict }}{{ ($a).b }}{{ template \"t\" $ }}{{ define \"t\" }}{{ end }}\n", ""},
		{"{{ $a := 1 }}{{ define \"t\" }}{{ $b := 1 }}{{ end }}{{ template \"t\" $a }}\n", "1:33 L002"},

		{"{{ key \"a\" }}\n", "1:4 L003"},
		{"{{ \"a\" | key }}\n", "1:10 L003"},
		{"{{ $.X | key }}\n", "1:10 L003"},
		{"{{ keyOrDefault \"a\" \"\" }}\n", ""},
		{"{{ if keyExists \"a\" }}{{ key \"a\" }}{{ key \"b\" }}{{ end }}\n", "1:39 L003"},
		{"{{ printf \"%s\" (key \"a\") }}\n", "1:17 L003"},

		{"text", "1:4 L004"},
		{"{{ 1 }}", "1:4 L004"},
		{"a\n{{ $a := 1 }}{{ with $a }}{{ end }}", ""},
		{"a\n{{ if true }}b{{ end }}", "2:14 L004"},
		{"a\n{{ if true }}b\n{{ else }}c{{ end }}", "3:11 L004"},
		{"a{{ range ls \"a\" }}b\n{{ end }}", "1:1 L004"},
		{"a\n{{ range ls \"a\" }}b\n{{ end }}", ""},
		{"{{ define \"t\" }}x{{ end }}{{ template \"t\" }}", "1:17 L004"},
		{"{{ define \"t\" }}x\n{{ end }}{{ template \"t\" }}{{/* at the end */}}", ""},

		{"{{ range service \"a\" }}{{ end }}\n", "1:10 L006"},
		{"{{ range connect \"a@dc2\" }}{{ end }}\n", "1:10 L006"},
		{"{{ range service \"a|any\" }}{{ end }}{{ range service \"a\" \"any\" }}{{ end }}\n", ""},
		{"{{ range service \"a\" \"filter=x == 1\" }}{{ end }}\n", "1:10 L006"},
		{"{{ range \"a\" | service }}{{ end }}\n", "1:16 L006"},
		{"{{ range ls \"a\" }}{{ range service .Value }}{{ end }}{{ end }}\n", ""},

		{"{{/* lictor:ignore L003 */}}{{ key \"a\" }}\n{{ key \"b\" }}\n{{ key \"c\" }}\n", "3:4 L003"},
		{"{{/* lictor:ignore\nL003, L006 why */}}\n{{ key \"a\" }}{{ len (service \"b\") }}\n", ""},
		{"{{ key \"a\" }}\n{{/* lictor:ignore-file L003 */}}{{ key \"b\" }}\n", ""},
		{"{{/* lictor:ignore L001 */}}{{ key \"a\" }}\n", "1:32 L003"},
		{"{{/* lictor:ignore */}}\n", "1:3 L007"},
		{"{{/* lictor:ignore L000 */}}\n", "1:3 L007"},
		{"{{/* we say lictor:ignore here */}}\n", ""},
	} {
		if got := codes("t.conf.ctmpl", c.text); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestTabsMatterInYAMLAlone(t *testing.T) {
	const text = "a:\n\tb: 1\n  \tc: 2\n  d:\t3\n\t\n{{ if true }}\n\te: 1{{ end }}\n"
	for name, want := range map[string]string{
		"a.yaml.ctmpl": "2:1 L005, 3:3 L005, 7:1 L005", "a.yml": "2:1 L005, 3:3 L005, 7:1 L005", "a.conf.ctmpl": "", "yaml": "",
	} {
		if got := codes(name, text); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestDelimitersAndDisabledCodes(t *testing.T) {
	s := Source{Name: "t", Text: "<< key \"a\" >>{{ foo }}\n<< foo >>\n", Left: "<<", Right: ">>"}
	if got := fmt.Sprint(Lint(s, []string{"L001"})); got != `[t:1:4: L003 key "a" waits until the key is there; keyOrDefault has a default]` {
		t.Error(got)
	}
}

// Every function that the catalogue documents is known, and those that ask for data are found in their examples.
func TestCatalogue(t *testing.T) {
	ask := queryFunctions()
	for _, d := range funcs.Docs() {
		if d.Example == "" {
			continue
		}
		for _, f := range Lint(Source{Name: "t", Text: d.Example}, nil) {
			if f.Code == "L000" || f.Code == "L001" {
				t.Errorf("%s: %s", d.Name, f)
			}
		}
		uses, err := Queries(Source{Name: "t", Text: d.Example})
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(uses, func(u Use) bool { return u.Function == d.Name })
		if found != ask[d.Name] {
			t.Errorf("%s: asks for data is %v, found in its example is %v", d.Name, ask[d.Name], found)
		}
		for _, u := range uses {
			if u.Err != nil {
				t.Errorf("%s: %v", d.Name, u.Err)
			}
		}
	}
	if len(ask) < 20 {
		t.Errorf("only %d functions ask for data: have the groups new names?", len(ask))
	}
}

func TestQueries(t *testing.T) {
	for text, want := range map[string]string{
		`{{ key "a" }}`:                                     "1:4 key key(a)",
		`{{ "a" | printf "x/%s" | key }}`:                   "1:26 key key(x/a)",
		`{{ key (printf "%s/%s" "a" "b") }}`:                "1:4 key key(a/b)",
		`{{ len services }}`:                                "1:8 services services()",
		`{{ service (key "a") }}`:                           "1:4 service ?, 1:13 key key(a)",
		`{{ key "a" | service }}`:                           "1:4 key key(a), 1:14 service ?",
		`{{ range services }}{{ service .Name }}{{ end }}`:  "1:10 services services(), 1:24 service ?",
		`{{ $a := "a" }}{{ key $a }}`:                       "1:19 key ?",
		`{{ key (plugin "rm" "-rf" "x") }}`:                 "1:4 key ?",
		`{{ service "web@dc2~n" "any" "filter=a == 1" }}`:   "1:4 service service(web@dc2~n filter a == 1)",
		`{{ define "t" }}{{ key . }}{{ key "b" }}{{ end }}`: "1:20 key ?, 1:31 key key(b)",
		`{{ if and (keyExists "a") true }}{{ end }}`:        "1:12 keyExists key(a)",
		`{{ with file "/x" }}{{ . }}{{ end }}`:              "1:9 file file(/x)",
		`{{ key "a@b@c" }}`:                                 "1:4 key error",
	} {
		uses, err := Queries(Source{Name: "t", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range uses {
			what := "?"
			if u.Err != nil {
				what = "error"
			} else if len(u.Queries) > 0 {
				what = u.Queries[0].String()
			}
			got = append(got, fmt.Sprintf("%s %s %s", u.At, u.Function, what))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s:\n got %s\nwant %s", text, strings.Join(got, ", "), want)
		}
	}
}

func FuzzLint(f *testing.F) {
	f.Add("{{ range $i, $s := service \"a\" }}{{ key $s.ID | len }}{{ else }}x{{ end }}")
	f.Add("{{/* lictor:ignore L003 */}}{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" }}")
	f.Fuzz(func(t *testing.T, text string) {
		s := Source{Name: "a.yaml", Text: text}
		for _, found := range Lint(s, nil) {
			if found.Line < 1 || found.Column < 1 || found.Line > 1+strings.Count(text, "\n") || strings.Contains(found.Message, "\n") {
				t.Errorf("%q: %v", text, found)
			}
		}
	})
}
