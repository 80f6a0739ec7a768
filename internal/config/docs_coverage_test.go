package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsExample reads docs/example.hcl, which must set every option that has an effect.
func TestDocsExample(t *testing.T) {
	path := filepath.Join(docsDir, "example.hcl")
	c, warnings, err := load(t, LictorExec, nil, nil, "-config", path)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root, err := parse(path, src)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	var mark func(path string, n node)
	mark = func(path string, n node) {
		for _, f := range n.fields {
			at := join(path, f.name, ".")
			set[at] = true
			mark(at, f.value)
		}
	}
	mark("", root)
	s := schema{}
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		for _, o := range s.of(typ) {
			at := join(path, o.name, ".")
			switch {
			case o.name == "-" || idle[at] != "" || slices.Contains([]string{"vault", "nomad", "deduplicate", "secret"}, at):
			case !set[at]:
				t.Errorf("%s does not set %s", path, at)
			case o.isBlock():
				check(at, o.typ)
			case o.isRepeated():
				check(at, o.typ.Elem())
			}
		}
	}
	check("", reflect.TypeFor[Config]())
}

// TestDocsCode reads every example in the documents of configuration.
func TestDocsCode(t *testing.T) {
	block := regexp.MustCompile("(?s)```(hcl|json|yaml)\n(.*?)```")
	found := 0
	for _, name := range []string{"configuration.md", "migrating.md"} {
		src, err := os.ReadFile(filepath.Join(docsDir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(src), -1) {
			found++
			if _, _, err := load(t, LictorExec, map[string]string{"a." + m[1]: m[2]}, nil, "-config", "DIR"); err != nil {
				t.Errorf("%s:\n%s\n%v", name, m[2], err)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d examples found", found)
	}
}

// Every option, blocks and flags too, says what it is.
func TestDocsAreComplete(t *testing.T) {
	s := schema{}
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		for _, o := range s.of(typ) {
			at := join(path, o.name, ".")
			if len(o.doc) < 4 || !strings.HasSuffix(o.doc, ".") {
				t.Errorf("%s has no whole sentence of documentation: %q", at, o.doc)
			}
			if o.isBlock() {
				check(at, o.typ)
			} else if o.isRepeated() {
				check(at, o.typ.Elem())
			}
		}
	}
	check("", reflect.TypeFor[Config]())
}

// docs/migrating.md names every flag of the peers, and every option, of the peers and new.
func TestDocsMigrating(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(docsDir, "migrating.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Persona{ConsulTemplate, Envconsul} {
		for _, f := range Table(p) {
			known := f.Path != "consul.transport.max_conns_per_host" // ours
			if known && !strings.Contains(string(src), "`-"+f.Name+"`") {
				t.Errorf("migrating.md does not name -%s", f.Name)
			}
		}
	}
	s := schema{}
	var check func(typ reflect.Type)
	check = func(typ reflect.Type) {
		for _, o := range s.of(typ) {
			if o.name != "-" && !strings.Contains(string(src), "`"+o.name+"`") {
				t.Errorf("migrating.md does not name %s", o.name)
			}
			if o.name == "vault" || o.name == "nomad" {
				continue
			} else if o.isBlock() {
				check(o.typ)
			} else if o.isRepeated() && o.name != "key" && o.name != "secret" {
				check(o.typ.Elem())
			}
		}
	}
	check(reflect.TypeFor[Config]())
}
