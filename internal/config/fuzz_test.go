package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// FuzzDecode feeds any text in each of the three languages. It must not panic, every mistake must have its place, and what
// was read must print.
func FuzzDecode(f *testing.F) {
	for _, src := range []string{
		"", "# only a comment\n", "consul {\n address = \"x\"\n}\n", "template { contents = <<EOF\nx\nEOF\n perms = 0640 }",
		"template { contents = <<-EOF\n  x\n  EOF\n}", "x = ${y}", "a = \"\\q\"", "wait = \"1s:2s\"", "max_stale = 99999999999999999999",
		"consul \"x\" {}", "template = [{source=\"a\"}, {source=\"b\"}]", "perms = 08", "template { perms = 08 }", "consul = [\"a\"]",
		`{"template": [{"contents": "x", "perms": 640}]}`, `{"a":`, `{"wait": "1s"}`, `{"consul": null}`, `[]`, `{"consul": [{}, {"address": 1e9}]}`,
		"template:\n - contents: x\n   perms: 0640\n", "a: &a [*a]", "<<: {pid_file: x}\nwait: 1s", "? [a]\n: b", "exec: {command: [a, b]}", "- a", "max_stale: 2001-01-01",
		"template: &t\n - <<: *t\n", "kill_signal: SIGHUP\n", "log_level: !!binary aGVsbG8=",
	} {
		f.Add([]byte(src))
	}
	paths, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "configs", "*", "*.*"))
	for _, path := range paths {
		if src, err := os.ReadFile(path); err == nil {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, name := range []string{"fuzz", "fuzz.yaml"} {
			c := Default("t")
			d := newDecoder()
			d.source(name, src, &c)
			c.origin = d.origin
			c.complete(Lictor)
			for _, err := range append(d.errs, c.checkOptions()...) {
				at, ok := errors.AsType[*Error](err)
				if !ok || at.Pos.File != name || at.Pos.Line < 1 || at.Pos.Line > 2+strings.Count(string(src), "\n")+strings.Count(string(src), "\r") {
					t.Errorf("%s: error without its place: %v", name, err)
				}
			}
			if err := c.Effective(io.Discard); err != nil {
				t.Error(err)
			}
			c.Validate() //nolint:errcheck // it must only not panic
		}
	})
}

// FuzzFlags feeds any command line. It must not panic, and what is accepted must apply.
func FuzzFlags(f *testing.F) {
	for _, args := range []string{"-once", "-template a:b:c", "-wait 1s:2s", "-consul-auth=u:p", "--", "-", "-=", "--=x", "-v=1", "-service-format-id x", "-exec a -- b", "-prefix / -no-prefix=0"} {
		f.Add(args)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, p := range []Persona{Lictor, LictorExec, ConsulTemplate, Envconsul} {
			fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
			fs.SetOutput(io.Discard)
			flags := Bind(fs, p)
			if err := fs.Parse(NormalizeArgs(strings.Split(line, " "), fs)); err != nil {
				if FlagError(err, fs) == nil {
					t.Error("lost an error")
				}
				continue
			}
			c := Default("t")
			if err := flags.apply(newDecoder(), &c); err != nil {
				t.Errorf("a flag that was taken does not apply: %v", err)
			}
		}
	})
}

func BenchmarkDecode10000Templates(b *testing.B) {
	var hcl, js, yml strings.Builder
	js.WriteString("{\"template\": [\n")
	yml.WriteString("template:\n")
	for i := range 10000 {
		fmt.Fprintf(&hcl, "template {\n  source      = \"t/%d.ctmpl\"\n  destination = \"out/%d\"\n  perms       = 0640\n  command     = \"systemctl reload app-%d\"\n  wait {\n    min = \"1s\"\n    max = \"2s\"\n  }\n}\n\n", i, i, i)
		fmt.Fprintf(&js, "{\"source\": \"t/%d.ctmpl\", \"destination\": \"out/%d\", \"perms\": \"0640\", \"command\": \"systemctl reload app-%d\", \"wait\": {\"min\": \"1s\", \"max\": \"2s\"}},\n", i, i, i)
		fmt.Fprintf(&yml, "  - source: t/%d.ctmpl\n    destination: out/%d\n    perms: 0640\n    command: systemctl reload app-%d\n    wait: {min: 1s, max: 2s}\n", i, i, i)
	}
	for name, src := range map[string]string{"hcl": hcl.String(), "json": strings.TrimSuffix(js.String(), ",\n") + "]}", "yaml": yml.String()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				c := Default("t")
				d := newDecoder()
				d.source("bench."+name, []byte(src), &c)
				c.origin = d.origin
				c.complete(Lictor)
				if len(d.errs) > 0 || len(c.Templates) != 10000 {
					b.Fatal(len(c.Templates), d.errs)
				}
			}
		})
		b.Run(name+"/validate", func(b *testing.B) {
			c := Default("t")
			newDecoder().source("bench."+name, []byte(src), &c)
			for b.Loop() {
				if err := c.Validate(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
