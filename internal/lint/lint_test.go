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

var everything = Choice{Enable: []string{"L003", "L006"}}

// codes lints text, and lists the findings as "LINE:COLUMN CODE".
func codes(name, text string) string { return codesOf(Source{Name: name, Text: text}) }

// codesOf lints s, but for the codes in disabled.
func codesOf(s Source, disabled ...string) string {
	var out []string
	for _, f := range Lint(s, Choice{everything.Enable, disabled}) {
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
		{"{{ if .Tags.Contains \"a\" }}{{ end }}\n", "1:7 L001"},
		{"{{ $a := 1 }}{{ if not ($a.Tags.Contains \"a\") }}{{ end }}\n", "1:25 L001"},
		{"{{ .Contains }}{{ .Contains.x 1 }}{{ contains \"a\" .Tags }}\n", ""},

		{"{{ range service \"a\" \"filter=x ==\" }}{{ end }}\n", "1:10 L001"}, // and not L006 beside it
		{"{{ if true }}{{ len (nodes \"a\") }}{{ end }}\n", "1:22 L001"},
		{"{{ nodes (index (split \",\" \"a\") 3) }}\n", "1:4 L001"},
		{"{{ nodes (env \"NO_SUCH_VARIABLE_HERE\" | printf \"%sweb\") }}\n", ""},
		{"{{ $a := env \"NO_SUCH_VARIABLE_HERE\" }}{{ nodes (print $a \"web\") }}{{ $b := \"web\" }}{{ nodes $b }}\n", "1:88 L001"},

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

		{"{{ range $i, $x := loop 2 }}{{ $i }}{{ end }}\n", ""},
		{"{{ range $i, $x := loop 2 }}{{ $x }}{{ end }}{{ with $y := 1 }}{{ . }}{{ end }}\n", ""},
		{"{{ $_ := 1 }}{{ $d := sprig_dict }}{{ $e := sprig_set $d \"a\" 1 }}{{ $f := scratch.Set \"a\" 1 }}\n", ""},
		{"{{ if $a := 1 }}{{ end }}\n", "1:7 L002"},

		{"{{ key \"a\" }}\n", "1:4 L003"},
		{"{{ \"a\" | key }}\n", "1:10 L003"},
		{"{{ $.X | key }}\n", "1:10 L003"},
		{"{{ keyOrDefault \"a\" \"\" }}\n", ""},
		{"{{ if keyExists \"a\" }}{{ key \"a\" }}{{ key \"b\" }}{{ end }}\n", "1:39 L003"},
		{"{{ printf \"%s\" (key \"a\") }}\n", "1:17 L003"},

		{"{{ $k := \"a\" }}{{ if keyExists $k }}{{ key $k }}{{ key \"/a\" }}{{ end }}\n", ""},
		{"{{ if keyExists (print \"a/\" \"x\") }}{{ key \"a/x\" }}{{ end }}{{ key \"a/y\" }}\n", "1:63 L003"},
		{"{{ if keyExists \"/a/y\" }}{{ key \"a/y\" }}{{ key \"a/y@dc2\" }}{{ end }}\n", "1:44 L003"},
		{"{{ range ls \"a\" }}{{ if keyExists (print .Key \"/x\") }}{{ print .Key \"/x\" | key }}{{ key .Key }}{{ end }}{{ end }}\n", "1:85 L003"},
		{"{{ range ls \"a\" }}{{ if .Key | keyExists }}{{ key .Key }}{{ key .Value }}{{ end }}{{ end }}\n", "1:61 L003"},
		{"{{ $k := \"a\" }}{{ if keyExists $k }}{{ $k = \"b\" }}{{ key \"b\" }}{{ end }}\n", "1:54 L003"},
		{"{{ if keyOrDefault \"a\" \"\" }}{{ key \"a\" }}{{ end }}\n", ""},

		{"text", "1:4 L004"},
		{"{{ 1 }}", "1:4 L004"},
		{"a\n{{ $a := 1 }}{{ with $a }}{{ end }}", ""},
		{"a\n{{ if true }}b{{ end }}", "2:14 L004"},
		{"a\n{{ if true }}b\n{{ else }}c{{ end }}", "3:11 L004"},
		{"a{{ range ls \"a\" }}b\n{{ end }}", "1:1 L004"},
		{"a\n{{ range ls \"a\" }}b\n{{ end }}", ""},
		{"{{ define \"t\" }}x{{ end }}{{ template \"t\" }}", "1:17 L004"},
		{"{{ define \"t\" }}x\n{{ end }}{{ template \"t\" }}{{/* at the end */}}", ""},

		{"a{{ range ls \"a\" }}b{{ printf \"\\n\" }}{{ end -}}\n", "1:1 L004"},
		{"{{ range ls \"a\" }}b {{ .Key }}{{ printf \"\\n\" }}{{ end -}}\n", ""},
		{"{{ range ls \"a\" }}b {{ println .Key }}{{ end }}{{ \"\" }}{{ print }}", ""},
		{"{{ range ls \"a\" }}b {{ .Key | println }}{{ \"\\n\" }}{{ end }}", ""},
		{"{{ range ls \"a\" }}b {{ .Key | printf \"%s%%\\n\" }}{{ end }}", ""},
		{"{{ range ls \"a\" }}{{ .Key | printf \"b %s\" }}{{ end }}", "1:22 L004"},
		{"{{ range ls \"a\" }}{{ .Key | printf \"%s%%\" }}{{ end }}", "1:22 L004"},
		{"{{ range ls \"a\" }}{{ print .Key \"\\n\" }}{{ end }}", ""},
		{"{{ range ls \"a\" }}{{ print \"b\" .Key }}{{ end }}", "1:22 L004"},
		{"{{ \"a b\" | replaceAll \" \" \"\\n\" }}{{ \"b\\n\" | toUpper }}", ""},
		{"a\n{{ scratch.SetX \"w\" . -}}{{ scratch.MapSet \"m\" \"k\" 1 }}{{ spew_dump 1 }}", ""},
		{"a {{ scratch.Get \"w\" }}", "1:6 L004"},
		{"{{ key \"a\" }}", "1:4 L003"},
		{"{{ range ls \"a\" }}{{ .Value }}  {{ end }}\n  ", ""},
		{"a {{ .Value }}", "1:6 L004"},
		{"a {{ file \"/x\" }}", ""},
		{"{{ range loop 3 }}a{{ if . }}{{ break }}{{ end }}\n{{ end }}", "1:19 L004"},
		{"{{ range loop 3 }}a{{ if . }}{{ continue }}{{ end }}\n{{ else }}b\n{{ end }}", "1:19 L004"},
		{"{{ range loop 3 }}{{ if . }}{{ break }}{{ end }}a\n{{ end }}", ""},
		{"{{ range $i, $x := loop 3 }}{{ if $i }}, {{ end }}{{ $x }}{{ end }}", "1:54 L004"},
		{"{{ define \"t\" }}x{{ if . }}{{ template \"t\" }}{{ end }}\n{{ end }}{{ template \"t\" }}", ""},
		{"{{ define \"t\" }}x{{ if . }}{{ template \"t\" }}{{ end }}{{ end }}{{ template \"t\" }}", "1:17 L004"},
		{"a {{ define \"t\" }}x\n{{ end }}{{ executeTemplate \"t\" }}", ""},

		{"{{ range service \"a b\" }}{{ end }}\n", "1:10 L001"},
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

func TestTabsMayStandInTextBlocks(t *testing.T) {
	const text = "a: |\n  x:\n  \ty\n\n{{ if true }}\n   \tz\n{{ end }}\nb: >-  # why\n\tc\nd: a|\n  \te: f\n"
	if got, want := codes("a.yaml", text), "9:1 L005, 11:3 L005"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestLineEndsMatterNotEverywhere(t *testing.T) {
	for name, want := range map[string]string{"a.json.ctmpl": "", "a.yml": "", "a.xml.tpl": "", "a.conf": "1:2 L004", "json": "1:2 L004"} {
		if got := codes(name, "{}"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestOptionalRules(t *testing.T) {
	s := Source{Name: "t", Text: "{{ key \"a\" }}{{ service \"a\" }}\n"}
	for want, chosen := range map[string]Choice{
		"":           {},
		" L003":      {Enable: []string{"L003"}},
		" L006":      {Enable: []string{"L003", "L006"}, Disable: []string{"L003"}},
		" L003 L006": everything,
	} {
		got := ""
		for _, f := range Lint(s, chosen) {
			got += " " + f.Code
		}
		if got != want {
			t.Errorf("%v:\n got %s\nwant %s", chosen, got, want)
		}
	}
}

// A variable that hides another one is said to, since = was most likely meant.
func TestUnusedVariableHidesAnother(t *testing.T) {
	const text = "{{ $found := false }}\n{{ range ls \"a\" }}{{ $found := true }}{{ end }}{{ $found }}\n"
	const want = "[t:2:22: L002 this $found is set and never read; to set that of line 1, write $found = in place of :=]"
	if got := fmt.Sprint(Lint(Source{Name: "t", Text: text}, Choice{})); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// What L006 would propose for a call that can't work would not work either, whether that is reported or not.
func TestNothingElseIsSaidOfACallThatFails(t *testing.T) {
	s := Source{Name: "t", Text: "{{ range service \"a b\" }}{{ end }}\n"}
	if got := Lint(s, Choice{Enable: []string{"L006"}, Disable: []string{"L001"}}); len(got) > 0 {
		t.Error(got)
	}
}

func TestDelimitersAndDisabledCodes(t *testing.T) {
	s := Source{Name: "t", Text: "<< key \"a\" >>{{ foo }}\n<< foo >>\n", Left: "<<", Right: ">>"}
	if got := fmt.Sprint(Lint(s, Choice{Enable: []string{"L003"}, Disable: []string{"L001"}})); got != `[t:1:4: L003 key "a" waits until the key is there; keyOrDefault has a default]` {
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
		for _, f := range Lint(Source{Name: "t", Text: d.Example}, Choice{}) {
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
		`{{ $a := "a" }}{{ key $a }}`:                       "1:19 key key(a)",
		`{{ $a := "a" }}{{ $a = "b" }}{{ key $a }}`:         "1:33 key ?",
		`{{ $a := "a" }}{{ key (print $a "/b" $.x) }}`:      "1:19 key ?",
		`{{ $a := "a" }}{{ $b := print $a }}{{ key $b }}`:   "1:39 key ?",
		`{{ range $a := ls "x" }}{{ key $a }}{{ end }}`:     "1:16 ls prefix(x), 1:28 key ?",
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
		for _, found := range Lint(s, everything) {
			if found.Line < 1 || found.Column < 1 || found.Line > 1+strings.Count(text, "\n") || strings.Contains(found.Message, "\n") {
				t.Errorf("%q: %v", text, found)
			}
		}
	})
}
