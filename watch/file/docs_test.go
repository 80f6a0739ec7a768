package file

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"gopkg.in/yaml.v3"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/watch"
)

const docs = "../../docs/data-file.md"

// A block is a fenced block of the document.
type block struct {
	kind, text string
	line       int
}

func blocks(t *testing.T) (all []block, doc string) {
	t.Helper()
	b, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	doc = string(b)
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatchIndex(doc, -1) {
		all = append(all, block{doc[m[2]:m[3]], doc[m[4]:m[5]], 1 + strings.Count(doc[:m[0]], "\n")})
	}
	return all, doc
}

// Each data file in the document is one, and its template renders to its output.
func TestDocsExamples(t *testing.T) {
	all, _ := blocks(t)
	var d *Data
	rendered := 0
	got := ""
	for _, b := range all {
		at := fmt.Sprintf("data-file.md:%d", b.line)
		switch b.kind {
		case "yaml", "over":
			if b.kind == "yaml" {
				d = &Data{}
			}
			if err := d.Merge(at, []byte(b.text)); err != nil {
				t.Fatal(err)
			}
			if _, err := NewFixed(d); err != nil {
				t.Fatal(err)
			}
		case "template":
			got = render(t, at, b.text, d)
		case "output":
			if rendered++; strings.TrimRight(got, "\n") != strings.TrimRight(b.text, "\n") {
				t.Errorf("%s: rendered\n%q, the document says\n%q", at, got, b.text)
			}
		}
	}
	if rendered < 10 {
		t.Errorf("only %d examples were found", rendered)
	}
}

func render(t *testing.T, name, text string, d *Data) string {
	t.Helper()
	tmpl, err := engine.Parse(name, text, engine.Options{}, func(p *engine.Pass) template.FuncMap { return funcs.Map(t.Context(), p, funcs.Options{}) })
	if err != nil {
		t.Fatal(err)
	}
	r, err := tmpl.Execute(func(q watch.Query) (any, bool) {
		a, err := d.Answer(q)
		if err != nil {
			t.Fatalf("%s: %s: %v", name, q, err)
		}
		return a, true
	})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete() {
		t.Fatalf("%s: waits for %v", name, r.Unmet)
	}
	return string(r.Output)
}

// Every field that can be written is in an example.
func TestDocsHaveEveryField(t *testing.T) {
	all, _ := blocks(t)
	documented := map[string]bool{}
	for _, b := range all {
		if b.kind != "yaml" {
			continue
		}
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(b.text), &n); err != nil {
			t.Fatal(err)
		}
		names(&n, documented)
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text(t, everything())), &n); err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	names(&n, written)
	for name := range written {
		if regexp.MustCompile(`^\$?[a-z]{2,}[a-z_]*$`).MatchString(name) && !documented[name] && !invented[name] {
			t.Errorf("no example has the field %s", name)
		}
	}
}

// invented are the names in the test's data that are no fields.
var invented = map[string]bool{"proxy": true, "none": true, "asia": true, "web": true}

func names(n *yaml.Node, into map[string]bool) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			into[c.Value] = true
		}
		names(c, into)
	}
}

// The errors in the document are those that are told.
func TestDocsErrors(t *testing.T) {
	_, doc := blocks(t)
	for text, want := range map[string]string{
		"services: {web: [{adress: x}]}":                     `unknown field "adress" in instance 1 of service "web"; did you mean "address"?`,
		"kv:\n\n  app/name: 1\n  app/name: 1":                `"app/name" is given twice in kv, first in line 3; keep one of them`,
		"services: {web: ['h:1', {address: h, port: http}]}": `port of instance 2 of service "web" must be a whole number from 0 to 65535, not "http"`,
		"services: {api: [{port: 1}]}":                       `an instance of service "api" has neither an address nor a node; give it one of them`,
		"kv: [a\nb: c":                                       `not valid YAML: did not find expected ',' or ']'`,
		"\x7fELF\x00":                                        "this is not a text file in UTF-8; a data file is YAML or JSON",
	} {
		d := &Data{}
		err := d.Merge("f", []byte(text))
		if err == nil {
			_, err = NewFixed(d)
		}
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
		if !strings.Contains(doc, want) {
			t.Errorf("the document does not have the error %s", want)
		}
	}
}
