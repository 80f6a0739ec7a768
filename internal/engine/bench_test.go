package engine

import (
	"fmt"
	"strings"
	"testing"
	"text/template"

	"lictor/watch"
)

// services answers so many services with two instances each.
func services(n int) watch.Lookup {
	var names []string
	answers := map[watch.Query]any{}
	for i := range n {
		name := fmt.Sprintf("service-%05d", i)
		names = append(names, name)
		answers[watch.Service{Name: name}] = []*watch.ServiceInstance{
			{ID: name + "-1", Address: "10.0.0.1", Port: 80}, {ID: name + "-2", Address: "10.0.0.2", Port: 80},
		}
	}
	answers[watch.Services{}] = names
	return func(q watch.Query) (any, bool) { a, ok := answers[q]; return a, ok }
}

func benchFunctions(p *Pass) template.FuncMap {
	return template.FuncMap{
		"services": func() []string { a, _ := p.Lookup(watch.Services{}); s, _ := a.([]string); return s },
		"service": func(name string) []*watch.ServiceInstance {
			a, _ := p.Lookup(watch.Service{Name: name})
			s, _ := a.([]*watch.ServiceInstance)
			return s
		},
		"key": func(path string) string {
			a, _ := p.Lookup(watch.Key{Path: path})
			pair, _ := a.(*watch.KeyPair)
			return pair.Value
		},
		"chunk": func() string { return strings.Repeat("x", 10_000) },
	}
}

func benchmark(b *testing.B, text string, known watch.Lookup) {
	tmpl, err := Parse("bench", text, Options{}, benchFunctions)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := tmpl.Execute(known)
		if err != nil || !r.Complete() {
			b.Fatal(err, len(r.Missing))
		}
		b.SetBytes(int64(len(r.Output)))
	}
}

// BenchmarkPass5000 is a pass over 5,000 queries with 10,000 lines of output.
func BenchmarkPass5000(b *testing.B) {
	benchmark(b, "{{range services}}{{range service .}}server {{.ID}} {{.Address}}:{{.Port}}\n{{end}}{{end}}", services(5000))
}

// BenchmarkRender10MB is a pass with 10 MB of output.
func BenchmarkRender10MB(b *testing.B) {
	benchmark(b, "{{range 1000}}{{chunk}}{{end}}", services(0))
}

// BenchmarkPass20000Keys is a pass over 20,000 queries that are asked one by one, outside of any loop.
func BenchmarkPass20000Keys(b *testing.B) {
	var text strings.Builder
	answers := map[watch.Query]any{}
	for i := range 20000 {
		path := fmt.Sprintf("bench/keys/%05d", i)
		answers[watch.Key{Path: path}] = &watch.KeyPair{Path: path, Value: fmt.Sprintf("value %d", i)}
		fmt.Fprintf(&text, "{{key %q}}\n", path)
	}
	benchmark(b, text.String(), func(q watch.Query) (any, bool) { a, ok := answers[q]; return a, ok })
}
