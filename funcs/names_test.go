package funcs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"
	"unicode/utf8"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/watch"
	"lictor/watch/file"
)

// renderFrom renders text on data.
func renderFrom(t *testing.T, data, text string) (engine.Result, error) {
	t.Helper()
	d := &file.Data{}
	name := "data.yaml"
	if strings.HasPrefix(data, "{") {
		name = "data.json"
	}
	if err := d.Merge(name, []byte(data)); err != nil {
		t.Fatal(err)
	}
	source, err := file.NewFixed(d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	w := watch.New(source, slog.New(slog.DiscardHandler))
	w.Retry = watch.Retry{Attempts: -1, PermanentIsFinal: true}
	defer func() { cancel(); w.Wait() }()
	tmpl, err := engine.Parse("test", text, engine.Options{}, func(p *engine.Pass) template.FuncMap { return funcs.Map(ctx, p, funcs.Options{}) })
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := tmpl.Execute(w.Get)
		if err != nil || r.Complete() {
			return r, err
		}
		w.Sync(ctx, r.Used)
		select {
		case <-w.Changed():
			w.Take()
			if err := w.GaveUp(); err != nil {
				return r, err
			}
		case <-ctx.Done():
			t.Fatalf("%s: no answer to %v", text, r.Missing.Sorted())
		}
	}
}

// oddNames are names that Consul accepts, and that the grammar reads as something else, or not at all.
var oddNames = []string{
	"my-service-1.0", "parent/testservice", "sp ace", "a|b", "a|any", "a:b", "a@b", "a@dc1", "a@dc2", "a?ns=b", "a?peer=b&ns=c", "a~b", "a#b", "a%2Eb", "a+b", "ü", "größe.東京",
	`a"b`, `a."b`, `a\b`, "..", ".", "a.", ".a", "a//b", "a/../b", "/a", "a|any|any", "a|b|c|d|e|f", "{{x}}", "a@b@c", "x.y@b", "x.y@dc2|any", "-", "~a",
}

// registryOf is data with a service and a node of each name, beside others whose names can be read in one way only.
func registryOf(names []string) string {
	type object = map[string]any
	nodes, services := object{}, object{"web": []any{object{"address": "10.9.9.9", "port": 80}}}
	for i, name := range names {
		nodes[name] = object{"address": "10.0.0.1"}
		services[name] = []any{object{"id": fmt.Sprintf("id-%d", i), "node": name, "port": 80, "status": "warning"}}
	}
	far := object{"services": object{"far": []any{"10.1.0.1:80"}}}
	data, err := json.Marshal(object{"nodes": nodes, "services": services, "datacenters": object{"dc2": far}})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// TestNamesFromTheRegistry follows every name that the registry gives, in the forms that templates have for it.
func TestNamesFromTheRegistry(t *testing.T) {
	data := registryOf(oddNames)
	for what, c := range map[string]struct {
		text string
		once int // how often each id is wanted
	}{
		"service":            {`{{ range services }}{{ range service .Name "any" }}{{ .ID }} {{ end }}{{ end }}`, 1},
		"with a status":      {`{{ range services }}{{ range service (print .Name "|any") }}{{ .ID }} {{ end }}{{ end }}`, 1},
		"with a datacenter":  {`{{ range services }}{{ range service (print .Name "@dc1|any") }}{{ .ID }} {{ end }}{{ end }}`, 1},
		"quoted":             {`{{ range services }}{{ range service (printf "%q@dc1|any" .Name) }}{{ .ID }} {{ end }}{{ end }}`, 1},
		"with a filter":      {`{{ range services }}{{ range service .Name "any" "filter=Service.Port == 80" }}{{ .ID }} {{ end }}{{ end }}`, 1},
		"node":               {`{{ range nodes }}{{ with node .Node }}{{ range .Services }}{{ .ID }} {{ end }}{{ end }}{{ end }}`, 1},
		"node quoted":        {`{{ range nodes }}{{ with node (printf "%q" .Node) }}{{ range .Services }}{{ .ID }} {{ end }}{{ end }}{{ end }}`, 1},
		"services of a node": {`{{ range nodes }}{{ with node .Node }}{{ range .Services }}{{ range service .Service "any" }}{{ .ID }} {{ end }}{{ end }}{{ end }}{{ end }}`, 1},
		"node of a service":  {`{{ range services }}{{ range service .Name "any" }}{{ with node .Node }}{{ range .Services }}{{ .ID }} {{ end }}{{ end }}{{ end }}{{ end }}`, 1},
	} {
		t.Run(what, func(t *testing.T) {
			r, err := renderFrom(t, data, c.text)
			if err != nil {
				t.Fatal(err)
			}
			ids := strings.Fields(string(r.Output))
			for i, name := range oddNames {
				id := fmt.Sprintf("id-%d", i)
				if n := count(ids, id); n != c.once {
					t.Errorf("%q: %d times in %s", name, n, r.Output)
				}
			}
		})
	}
}

func count(list []string, one string) (n int) {
	for _, s := range list {
		if s == one {
			n++
		}
	}
	return n
}

// TestOneNameOfTwoMeanings takes a text for what the grammar makes of it as long as there is that, whatever its status, and
// says so where the template can't know.
func TestOneNameOfTwoMeanings(t *testing.T) {
	const data = `
datacenters: {dc2: {services: {api: [{id: far, address: 10.2.0.1, port: 1}]}}}
nodes: {n1: {address: 10.0.0.1}, a@dc2: {address: 10.0.0.2}}
services:
  web: [{id: tagged, node: n1, tags: [v1], port: 80, status: critical}, {id: plain, node: n1, port: 81}]
  v1.web: [{id: dotted, node: n1, port: 82}]
  v2.web: [{id: dotted2, node: n1, port: 82}]
  api@dc2: [{id: at, node: n1, port: 83}]
  "api?peer=x": [{id: peer, node: n1, port: 83}]
  web|any: [{id: pipe, node: n1, port: 84}]
  hot|any: [{id: hot, node: n1, port: 84}]
  at@dc9: [{id: at9, node: n1, port: 84}]
  cold|any: [{id: cold, node: n1, port: 84}]
`
	const hint = `; where a name is meant, quote it: (printf "%q" NAME)`
	const two = ` is not taken as the name of the service that there is, since it means something else` + hint
	const alone = ` is taken as the name of a service, since there is nothing else that it means` + hint
	for _, c := range []struct{ text, want, warning string }{
		{`{{ range service "v1.web" }}{{ .ID }}{{ end }}`, "", ""}, // there is one, and it is critical
		{`{{ range service "v1.web|any" }}{{ .ID }}{{ end }}`, "tagged", ""},
		{`{{ range service "V2.web" }}{{ .ID }}{{ end }}`, "", ""}, // a name is not a tag: its case counts
		{`{{ range service "v2.web" }}{{ .ID }}{{ end }}`, "dotted2", `service "v2.web"` + alone},
		{`{{ range service "v2.web@dc1" }}{{ .ID }}{{ end }}`, "dotted2", `service "v2.web@dc1"` + alone},
		{"{{ range service `\"v1.web\"` }}{{ .ID }}{{ end }}", "dotted", ""},
		{"{{ range service `v1.\"web\"|any` }}{{ .ID }}{{ end }}", "tagged", ""},
		{`{{ range service "web|any" }}{{ .ID }} {{ end }}`, "plain tagged ", ""},
		{`{{ range service "cold|any" }}{{ .ID }}{{ end }}`, "", ""},
		{`{{ range services }}{{ if eq .Name "cold|any" }}{{ range service .Name }}{{ .ID }}{{ end }}{{ end }}{{ end }}`, "cold", `service "cold|any"` + alone},
		{`{{ range service "hot|any|any" }}{{ .ID }}{{ end }}`, "hot", ""},                    // which the grammar can't read
		{`{{ range service "at@dc9" }}{{ .ID }}{{ end }}`, "at9", `service "at@dc9"` + alone}, // there is no such datacenter
		{`{{ range service "api@dc2" }}{{ .ID }}{{ end }}`, "far", ""},
		// Names that the registry gave: that there are two things is known.
		{`{{ $s := services }}{{ range service "v1.web|any" }}{{ .ID }}{{ end }}`, "tagged", `service "v1.web|any"` + two},
		{`{{ $s := services }}{{ range service "api@dc2" }}{{ .ID }}{{ end }}`, "far", `service "api@dc2"` + two},
		{`{{ range services }}{{ if eq .Name "api?peer=x" }}{{ range service .Name }}{{ .ID }}{{ end }}{{ end }}{{ end }}`, "peer", `service "api?peer=x"` + alone},
		{`{{ $s := services }}{{ range service "web|any" }}{{ .ID }} {{ end }}`, "plain tagged ", `service "web|any"` + two},
		{`{{ $s := services }}{{ range service "v9.web" }}{{ .ID }}{{ else }}none{{ end }}`, "none", ""},
	} {
		r, err := renderFrom(t, data, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if warning := strings.Join(r.Warnings, "\n"); string(r.Output) != c.want || warning != c.warning {
			t.Errorf("%s\n got %q, warning %q\nwant %q, warning %q", c.text, r.Output, warning, c.want, c.warning)
		}
	}
}

// TestNamesThatAreNot says of a text that names nothing what it always said.
func TestNamesThatAreNot(t *testing.T) {
	for text, want := range map[string]string{
		`{{ service "web/1" }}`:                                   `invalid format: '/' can not be in a service name`,
		`{{ service "web server" }}`:                              `invalid format: ' ' can not be in a service name`,
		`{{ service "web|healthy" }}`:                             `"healthy" is no status`,
		`{{ service "web" "sideways" }}`:                          `"sideways" is no status`,
		`{{ service "web@dc9" }}`:                                 `the data file has no datacenter "dc9"`,
		`{{ service "web\nb" }}`:                                  `invalid format: '\n' can not be in a service name`,
		`{{ node "a b" }}`:                                        `invalid format: ' ' can not be in a node name`,
		"{{ node `v1.\"a\"` }}":                                   `no tag can be before a name here`,
		"{{ caLeaf `v1.\"a\"` }}":                                 `no tag can be before a name here`,
		"{{ service `\"\"` }}":                                    `a name can not be empty`,
		`{{ service "` + long(9000) + `" }}`:                      "is too long",
		`{{ caLeaf "my-service-1.0" }}`:                           `no certificate of service "my-service-1.0"`,
		`{{ caLeaf "a b@dc1" }}`:                                  `no certificate of service "a b"`,
		`{{ service "web" "filter=((" }}`:                         "does not parse",
		`{{ service "my.web" "filter=((" }}`:                      "does not parse",
		`{{ service "web?peer=a&sameness-group=b" }}`:             `"web?peer=a&sameness-group=b": peer and sameness-group: only one of them can be`,
		"{{ connect `\"web\"?sameness-group=b&peer=a@dc1|any` }}": "only one of them can be",
		`{{ service "web?colour=red" }}`:                          `unknown option "colour"`,
		`{{ service "no such|any" "filter=x==1" }}`:               "filter",
	} {
		if r, err := renderFrom(t, registryOf(nil), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %q, %v; want %s", text, r.Output, err, want)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// TestNamesThatCanNotBeAskedFor leaves one service empty, and not the file.
func TestNamesThatCanNotBeAskedFor(t *testing.T) {
	names := []string{"a\nb", "a\x00b", "a\u200bb", "a/" + long(8188), long(9000)}
	r, err := renderFrom(t, registryOf(names), `{{ range services }}<{{ range service .Name }}{{ .Address }}{{ end }}>{{ end }}{{ range nodes }}{{ with node .Node }}x{{ end }}{{ end }}`)
	if want := "<><><><><10.9.9.9><>x"; err != nil || string(r.Output) != want {
		t.Errorf("%q, %v; want %s", r.Output, err, want)
	}
	if len(r.Warnings) != 2*len(names) || !strings.HasPrefix(r.Warnings[0], `service "a\x00b" is left empty: no registry can be asked for`) {
		t.Errorf("%d warnings: %.300q", len(r.Warnings), r.Warnings)
	}
}

// TestOrdinaryNamesCostNothing asks for nothing but the service where its name can't mean anything else, and where what it
// means is there.
func TestOrdinaryNamesCostNothing(t *testing.T) {
	for text, want := range map[string]string{
		`{{ service "web" }}{{ service "none-at_all" }}{{ connect "web" }}`:                                           "[connect(web) service(none-at_all) service(web)]",
		`{{ service "web|any" }}{{ service "web@dc1~n|critical" }}{{ service "far@dc2" }}{{ service "web@dc2|any" }}`: "[service(far@dc2) service(web) service(web@dc1~n) service(web@dc2)]",
		`{{ service "v1.web" }}`:                           "[service(v1.web) service(web)]", // no instance has the tag
		`{{ range services }}{{ service .Name }}{{ end }}`: "[service(web) services()]",
		`{{ node "a.b" }}`:                                 "[node(a.b)]",
	} {
		r, err := renderFrom(t, registryOf(nil), text)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.Used.Sorted()); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestManyNamesOfTwoMeanings keeps the warnings few, whoever registers services.
func TestManyNamesOfTwoMeanings(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf("v%d.none", i))
	}
	slices.Sort(names)
	r, err := renderFrom(t, registryOf(names), `{{ range services }}{{ len (service .Name "any") }}{{ end }}`)
	if want := strings.Repeat("1", 501); err != nil || string(r.Output) != want {
		t.Errorf("%s, %v", r.Output, err)
	}
	if len(r.Warnings) == 0 || len(r.Warnings) > 50 {
		t.Errorf("%d warnings", len(r.Warnings))
	}
}

// FuzzNamesFromTheRegistry registers a service and a node of any name. It must never stop a template that follows all, and is
// rendered, or warned of.
func FuzzNamesFromTheRegistry(f *testing.F) {
	for _, seed := range append(oddNames, "web", "v1.web", "a\nb", `"web"`, `"`, "consul") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) || name == "" || len(name) > 3000 {
			return
		}
		for _, text := range []string{
			`{{ range services }}{{ range service .Name "any" }}{{ .ID }} {{ end }}{{ end }}`,
			`{{ range nodes }}{{ with node .Node }}{{ range .Services }}{{ .ID }} {{ end }}{{ end }}{{ end }}`,
		} {
			r, err := renderFrom(t, registryOf([]string{name}), text)
			if err != nil {
				t.Errorf("%q: %s: %v", name, text, err)
			} else if !strings.Contains(string(r.Output), "id-0") && len(r.Warnings) == 0 {
				t.Errorf("%q: %s: %s, without a warning", name, text, r.Output)
			}
		}
	})
}
