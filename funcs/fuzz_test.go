package funcs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
	"unicode/utf8"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/watch"
)

// answers knows a little of everything, at once.
func answers(q watch.Query) (any, bool) {
	pairs := []*watch.KeyPair{{Path: "app/db/host", Value: "h1"}, {Path: "app/name", Value: "orders"}, {Path: "app/port", Value: "8080"}}
	instances := []*watch.ServiceInstance{
		{ID: "web-1", Name: "web", Node: "n1", Address: "10.0.0.1", Port: 80, Tags: watch.ServiceTags{"b", "a"}, ServiceMeta: map[string]string{"v": "1"}, Status: "passing"},
		{ID: "web-2", Name: "web", Node: "n2", Address: "10.0.0.2", Port: 81, Status: "critical", Checks: watch.HealthChecks{{Status: "critical"}}},
	}
	node := &watch.Node{Node: "n1", Address: "10.0.0.1"}
	switch q := q.(type) {
	case watch.Key:
		for _, p := range pairs {
			if p.Path == q.Path {
				return p, true
			}
		}
		return (*watch.KeyPair)(nil), true
	case watch.Prefix:
		below := []*watch.KeyPair{}
		for _, p := range pairs {
			if strings.HasPrefix(p.Path, q.Path) {
				below = append(below, p)
			}
		}
		return below, true
	case watch.Service:
		return instances, true
	case watch.Services:
		return []*watch.ServiceName{{Name: "web", Tags: watch.ServiceTags{"a"}}}, true
	case watch.Nodes:
		return []*watch.Node{node}, true
	case watch.NodeServices:
		return &watch.CatalogNode{Node: node}, true
	case watch.Datacenters:
		return []string{"dc1"}, true
	case watch.File:
		return "contents", true
	}
	return nil, false
}

// FuzzTemplate runs any text as a template: that must end soon, in bounded memory, with an output or an error of one line.
func FuzzTemplate(f *testing.F) {
	for _, d := range funcs.Docs() {
		f.Add(d.Example)
	}
	for _, text := range []string{
		`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`,
		`{{define "a"}}{{executeTemplate "a"}}{{end}}{{executeTemplate "a"}}`,
		`{{range loop 1000000}}{{range loop 1000000}}x{{end}}{{end}}`,
		`{{range 1000000000}}{{.}}{{end}}`, `{{loop 0 9223372036854775807}}`,
		`{{sprig_repeat 9223372036854775807 "xx"}}`, `{{sprig_until 9223372036854775807}}`, `{{sprig_untilStep 0 9223372036854775807 1}}`,
		`{{sprig_seq 0 1 9223372036854775807}}`, `{{indent 9223372036854775807 "x"}}`, `{{printf "%*d" 999999999 1}}`,
		`{{$d := sprig_dict}}{{$_ := sprig_set $d "d" $d}}{{$d}}`, "{{key \"a\xff\"}}", `{{divide 0 0}}{{modulo 0 0}}`,
	} {
		f.Add(text)
	}
	files, _ := filepath.Glob("../../shared/conformance/cases/*.json")
	for _, file := range files {
		var c struct{ Template string }
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &c) == nil {
			f.Add(c.Template)
		}
	}
	// What acts on the world, and what is slow by design.
	deny := []string{"plugin", "writeToFile", "sprig_gen*", "sprig_buildCustomCert", "sprig_derivePassword", "sprig_bcrypt", "sprig_htpasswd"}
	f.Fuzz(func(t *testing.T, text string) {
		started := time.Now()
		ctx := t.Context()
		tmpl, err := engine.Parse("fuzz", text, engine.Options{MaxOutput: 1 << 20, MaxSteps: 100_000}, func(p *engine.Pass) template.FuncMap {
			return funcs.Map(ctx, p, funcs.Options{Denylist: deny, Env: lookupEnv})
		})
		if err == nil {
			_, err = tmpl.Execute(answers)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "fuzz") || utf8.ValidString(text) && !utf8.ValidString(err.Error())) {
			t.Errorf("%q: bad error %q", text, err)
		}
		if took := time.Since(started); took > time.Minute {
			t.Errorf("%q took %s", text, took)
		}
	})
}

// execute runs text once on what known answers.
func execute(t *testing.T, text string, known watch.Lookup) error {
	t.Helper()
	tmpl, err := engine.Parse("test", text, engine.Options{}, func(p *engine.Pass) template.FuncMap {
		return funcs.Map(t.Context(), p, funcs.Options{Env: lookupEnv})
	})
	if err == nil {
		_, err = tmpl.Execute(known)
	}
	return err
}
