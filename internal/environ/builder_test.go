package environ

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"lictor/watch"
)

// registry is what the tests' queries are answered from.
type registry map[watch.Query]any

func (r registry) lookup(q watch.Query) (any, bool) { a, ok := r[q]; return a, ok }

func pairs(keysAndValues ...string) []*watch.KeyPair {
	var out []*watch.KeyPair
	for i := 0; i < len(keysAndValues); i += 2 {
		out = append(out, &watch.KeyPair{Path: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return out
}

func noVariables(string) (string, bool) { return "", false }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newBuilder(t *testing.T, spec Spec) *Builder {
	t.Helper()
	b, err := New(spec, noVariables, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMissingDataIsCollected(t *testing.T) {
	b := newBuilder(t, Spec{Prefixes: []Prefix{{Path: "a"}, {Path: "b"}}, Services: []Service{{Query: "web"}}})
	kvA, kvB, web := watch.Prefix{Path: "a"}, watch.Prefix{Path: "b"}, watch.CatalogService{Name: "web"}
	known := registry{kvB: pairs("b/x", "1")}
	r, err := b.Execute(known.lookup)
	if err != nil || r.Complete() || r.Output != nil || len(r.Used) != 3 || !r.Missing.Has(kvA) || !r.Missing.Has(web) || len(r.Missing) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	known[kvA], known[web] = pairs(), []*watch.CatalogInstance{}
	r, err = b.Execute(known.lookup)
	if err != nil || !r.Complete() || string(r.Output) != "x=1\x00" {
		t.Fatalf("%+v, %v", r, err)
	}
}

// What is wrong with an answer that is there is told only once all are there, since the fix may be on its way.
func TestFailures(t *testing.T) {
	b := newBuilder(t, Spec{Prefixes: []Prefix{{Path: "a"}, {Path: "b"}}})
	known := registry{watch.Prefix{Path: "a"}: watch.Failure{Err: errors.New("no path to datacenter")}}
	if r, err := b.Execute(known.lookup); err != nil || r.Complete() {
		t.Fatalf("%+v, %v", r, err)
	}
	known[watch.Prefix{Path: "b"}] = pairs()
	if _, err := b.Execute(known.lookup); err == nil || err.Error() != "no path to datacenter" {
		t.Fatal(err)
	}
}

func TestValuesThatFitNoEnvironment(t *testing.T) {
	for _, test := range []struct{ key, value, want string }{
		{"t/nul", "sec\x00ret", `prefix "t": key t/nul: its value has a NUL byte, which an environment can not hold`},
		{"t/n\x00l", "secret", "its name has a NUL byte"},
		{"t/big", "secret" + strings.Repeat("x", 128<<10), `prefix "t": key t/big: its value of 131078 bytes is too long: the system takes 131070 for name and value`},
	} {
		b := newBuilder(t, Spec{Prefixes: []Prefix{{Path: "t"}}})
		known := registry{watch.Prefix{Path: "t"}: pairs("t/fine", "1", test.key, test.value)}
		r, err := b.Execute(known.lookup)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "sec") || r.Output != nil || len(r.Used) != 1 {
			t.Errorf("%s: %v", test.key, err)
		}
	}
}

// The longest entry that we let pass is one that the kernel takes, and no shorter limit would do.
func TestLimitIsTheKernels(t *testing.T) {
	fits := "v=" + strings.Repeat("x", maxEntry-2)
	if err := runWith(t, fits); err != nil {
		t.Errorf("%d bytes: %v", len(fits), err)
	}
	if err := runWith(t, fits+"x"); err == nil {
		t.Errorf("%d bytes fit as well", len(fits)+1)
	}
}

// What we let pass as a whole is what a program can be started with, and not far from what it can't.
func TestWholeLimitIsTheKernels(t *testing.T) {
	var entries []string
	for checkSize(entries) == nil {
		entries = append(entries, fmt.Sprintf("v%06d=%s", len(entries), strings.Repeat("x", 10_000)))
	}
	if err := checkSize(entries); !strings.HasPrefix(err.Error(), "the environment is too long: ") {
		t.Error(err)
	}
	fits := entries[:len(entries)-1]
	if err := runWith(t, fits...); err != nil {
		t.Errorf("%d entries: %v", len(fits), err)
	}
	for range 10 {
		entries = append(entries, fmt.Sprintf("v%06d=%s", len(entries), strings.Repeat("x", 10_000)))
	}
	if err := runWith(t, entries...); err == nil {
		t.Errorf("%d entries fit as well", len(entries))
	}
}

func TestConfigurationErrors(t *testing.T) {
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{Prefixes: []Prefix{{Path: "a/{{ env ", At: "x.hcl:3"}}}, `x.hcl:3: prefix "a/{{ env ": path:1: unclosed action`},
		{Spec{Prefixes: []Prefix{{Path: `a/{{ env "STAGE" }}`}}}, `prefix "a/{{ env \"STAGE\" }}": the environment variable STAGE is not set`},
		{Spec{Prefixes: []Prefix{{Path: `a/{{ key "x" }}`}}}, `function "key" not defined`},
		{Spec{Prefixes: []Prefix{{Path: "a@"}}}, "want PREFIX[?OPTIONS][@DATACENTER]"},
		{Spec{Prefixes: []Prefix{{Path: "a?dc=x"}}}, `prefix "a?dc=x": unknown option "dc"`},
		{Spec{Prefixes: []Prefix{{Path: "a", Format: "{{ keey }}"}}}, `prefix "a": format: format:1: function "keey" not defined`},
		{Spec{Services: []Service{{Query: "we b"}}}, `service "we b": want [TAG.]NAME`},
		{Spec{Services: []Service{{Query: `"we\q"`}}}, `the quoted name: invalid syntax`},
		{Spec{Services: []Service{{}}}, `service "": want`},
		{Spec{Services: []Service{{Query: "web", FormatTag: "{{"}}}, `service "web": format_tag: format:1: unclosed action`},
		{Spec{Prefixes: []Prefix{{Path: "a@"}, {Path: "b@"}}}, `prefix "b@": want`},
	} {
		_, err := New(test.spec, noVariables, quiet())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// TestServiceNames reads texts of which a part may be a tag or belong to the name, and names that are quoted.
func TestServiceNames(t *testing.T) {
	one := func(id string, tags ...string) []*watch.CatalogInstance {
		return []*watch.CatalogInstance{{ServiceID: id, ServiceName: "n", ServiceTags: tags}}
	}
	known := registry{
		watch.CatalogService{Name: "web"}: one("web-1", "v1"), watch.CatalogService{Name: "v1.web"}: one("dotted-1"),
		watch.CatalogService{Name: "v2.web"}: one("dotted-2"), watch.CatalogService{Name: "v3.web"}: []*watch.CatalogInstance{},
		watch.CatalogService{Name: "a b/c"}: one("odd"), watch.CatalogService{Name: "v1.a b/c"}: one("wrong"),
	}
	for query, want := range map[string]string{
		"v1.web": "web-1", "v2.web": "dotted-2", "v3.web": "", `"v1.web"`: "dotted-1", `v1."web"`: "web-1", `v9."web"`: "", `"a b/c"`: "odd",
	} {
		b := newBuilder(t, Spec{Pristine: true, Services: []Service{{Query: query, FormatID: "id"}}})
		r, err := b.Execute(known.lookup)
		if err != nil || !r.Complete() {
			t.Errorf("%s: missing %v, %v", query, r.Missing.Sorted(), err)
		}
		if got := string(r.Output); want != "" && !strings.Contains(got, "id="+want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestFormatThatFails(t *testing.T) {
	b := newBuilder(t, Spec{Prefixes: []Prefix{{Path: "t", Format: "{{ index key 9 }}"}}})
	_, err := b.Execute(registry{watch.Prefix{Path: "t"}: pairs("t/k", "secret")}.lookup)
	if err == nil || !strings.HasPrefix(err.Error(), `prefix "t": key t/k: format: `) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestQueries(t *testing.T) {
	dc2 := watch.Scope{Datacenter: "dc2"}
	b := newBuilder(t, Spec{
		Prefixes: []Prefix{{Path: "/a/b@dc2"}, {Path: ""}, {Path: "/"}, {Path: "a@dc2", Datacenter: "dc3"}, {Path: "a?ns=n&partition=p"}},
		Services: []Service{{Query: "v1.x.web?ns=n@dc2~node-1"}, {Query: "web"}},
	})
	r, err := b.Execute(registry{}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []watch.Query{
		watch.Prefix{Path: "a/b", Scope: dc2}, watch.Prefix{}, watch.Prefix{Path: "a", Scope: watch.Scope{Datacenter: "dc3"}},
		watch.Prefix{Path: "a", Scope: watch.Scope{Namespace: "n", Partition: "p"}},
		watch.CatalogService{Name: "web", Near: "node-1", Scope: watch.Scope{Namespace: "n", Datacenter: "dc2"}}, watch.CatalogService{Name: "web"},
	} {
		if !r.Used.Has(q) {
			t.Errorf("%s was not asked", q)
		}
		delete(r.Used, q)
	}
	if len(r.Used) > 0 {
		t.Errorf("also asked: %v", r.Used.Sorted())
	}
	if b.services[0].tag != "v1.x" {
		t.Errorf("tag is %q", b.services[0].tag)
	}
}

// Keys that give the same variable, and names that a shell drops, are told once each, by name and without values.
func TestWarnings(t *testing.T) {
	var log bytes.Buffer
	spec := Spec{Prefixes: []Prefix{{Path: "a/"}, {Path: "b/"}}, Upcase: true, Services: []Service{{Query: "web", FormatID: "X"}}}
	b, err := New(spec, noVariables, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	known := registry{
		watch.Prefix{Path: "a/"}: pairs("a/Mode", "value1", "a/mode", "value2", "a/own", "value3"),
		watch.Prefix{Path: "b/"}: pairs("b/=no", "value", "b/x", "value4", "b/two words", "value5", "b/mode", "value6"),
		watch.CatalogService{Name: "web"}: []*watch.CatalogInstance{
			{ServiceName: "web", ServiceID: "value7"}, {ServiceName: "web", ServiceID: "value8"}},
	}
	for range 2 {
		if _, err := b.Execute(known.lookup); err != nil {
			t.Fatal(err)
		}
	}
	got := log.String()
	for _, want := range []string{
		`variable=MODE first="key a/Mode" last="key a/mode"`, `variable=MODE first="key a/mode" last="key b/mode"`,
		`variable=X first="key b/x" last="service \"web\""`, "TWO WORDS", "count=5", `from="key b/=no"`,
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the log has %q %d times", want, strings.Count(got, want))
		}
	}
	if lines := strings.Count(got, "\n"); lines != 5 || strings.Contains(got, "value") {
		t.Errorf("%d lines:\n%s", lines, got)
	}
}

// Who writes keys or registers services must not choose what programs load or run. The line that says so names no value.
func TestDangerousVariables(t *testing.T) {
	known := registry{
		watch.Prefix{Path: "a/"}: pairs("a/LD_PRELOAD", "value1", "a/ld-audit", "value2", "a/path", "value3", "a/env", "value4", "a/BASH_FUNC_ls/x%%", "value5",
			"a/ldpath", "value6", "a/ENVIRONMENT", "value7"),
		watch.CatalogService{Name: "web"}: []*watch.CatalogInstance{{ServiceName: "web", ServiceID: "value8"}},
	}
	all := []string{"BASH_FUNC_LS_X__", "ENV", "ENVIRONMENT", "IFS", "LDPATH", "LD_AUDIT", "LD_PRELOAD", "PATH", "WEB_ADDRESS", "WEB_NAME", "WEB_PORT", "WEB_TAG"}
	for _, test := range []struct {
		name    string
		allow   []string
		peer    bool
		refused []string
		level   string
		lines   int
	}{
		{name: "all", refused: []string{"BASH_FUNC_LS_X__", "ENV", "IFS", "LD_AUDIT", "LD_PRELOAD", "PATH"}, level: "ERROR", lines: 6},
		{name: "some allowed", allow: []string{"PATH", "ENV"}, refused: []string{"BASH_FUNC_LS_X__", "IFS", "LD_AUDIT", "LD_PRELOAD"}, level: "ERROR", lines: 4},
		{name: "in envconsul's place", peer: true, level: "WARN", lines: 6},
		{name: "nothing to allow", allow: []string{"PATHS"}, peer: true, level: "WARN", lines: 7},
	} {
		var log bytes.Buffer
		spec := Spec{
			Base: []string{"PATH=base"}, Prefixes: []Prefix{{Path: "a/"}}, Services: []Service{{Query: "web", FormatID: "IFS"}},
			Upcase: true, Sanitize: true, AllowNames: test.allow, AllowAll: test.peer,
		}
		b, err := New(spec, noVariables, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range 2 {
			r, err := b.Execute(known.lookup)
			if err != nil {
				t.Fatal(err)
			}
			got = Decode(r.Output)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(test.refused, name) && name != "PATH" })
		names := []string{}
		for _, entry := range got {
			names = append(names, strings.SplitN(entry, "=", 2)[0])
		}
		if !slices.Equal(names, want) || slices.Contains(got, "PATH=base") != slices.Contains(test.refused, "PATH") {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
		text := log.String()
		if strings.Count(text, "level="+test.level) != test.lines || strings.Count(text, "\n") != test.lines || strings.Contains(text, "value") {
			t.Errorf("%s: the log has\n%s", test.name, text)
		}
		if strings.Contains(text, `variable=PATHS "did you mean"=PATH`) != (test.name == "nothing to allow") {
			t.Errorf("%s: the log has\n%s", test.name, text)
		}
	}
}

// docs/security.md lists the names, all of them.
func TestDangerousVariablesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range dangerous {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/security.md does not list %s", name)
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	var log bytes.Buffer
	b, err := New(Spec{Prefixes: []Prefix{{Path: "a/"}, {Path: "b/"}}}, noVariables, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	known := registry{}
	for _, p := range []string{"a/", "b/"} {
		var kv []string
		for i := range 40 {
			kv = append(kv, p+"key-"+strings.Repeat("x", i), "v")
		}
		known[watch.Prefix{Path: p}] = pairs(kv...)
	}
	if _, err := b.Execute(known.lookup); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(log.String(), "\n"); lines != mostWarnings+2 || !strings.Contains(log.String(), "count=30") {
		t.Errorf("%d lines:\n%s", lines, &log)
	}
}

func TestSink(t *testing.T) {
	var s Sink
	empty := s.Stage(Encode(nil))
	if empty == nil {
		t.Fatal("the first environment is not new")
	}
	if err := empty.Commit(); err != nil || s.Stage(Encode(nil)) != nil || len(s.Environ()) != 0 || s.Environ() == nil {
		t.Errorf("%v, %q", err, s.Environ())
	}
	next := s.Stage(Encode([]string{"B=2", "A=1\n"}))
	next.Discard()
	if len(s.Environ()) != 0 {
		t.Error("a discarded environment is the present one")
	}
	if err := next.Commit(); err != nil || !slices.Equal(s.Environ(), []string{"A=1\n", "B=2"}) {
		t.Errorf("%v, %q", err, s.Environ())
	}
	if s.Stage(Encode([]string{"A=1\n", "B=2"})) != nil {
		t.Error("the same environment in another order is new")
	}
}
