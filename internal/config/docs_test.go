package config

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the generated documentation instead of checking it")

const (
	docsDir      = "../../docs"
	optionsBegin = "<!-- options: made by \"make docs\" from the fields in internal/config; edit there -->\n"
	optionsEnd   = "<!-- end of options -->"
)

// TestDocsReference fails when docs/configuration.md does not have the options as they are now.
func TestDocsReference(t *testing.T) {
	path := filepath.Join(docsDir, "configuration.md")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(src), optionsBegin)
	_, tail, ok2 := strings.Cut(rest, optionsEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the options", path)
	}
	checkGenerated(t, path, head+optionsBegin+reference()+optionsEnd+tail)
}

// checkGenerated compares a generated file with what it must be, or writes it.
func checkGenerated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not up to date (%v): run make docs", path, err)
	}
}

// reference is a table of options for each block.
func reference() string {
	var out strings.Builder
	c := Default("lictor")
	s := schema{}
	flags := map[string][]string{}
	for _, p := range []Persona{Lictor, LictorExec, ConsulTemplate} {
		for _, f := range Table(p) {
			if f.Path != "" && !f.Old && !slices.Contains(flags[f.Path], "`-"+f.Name+"`") {
				flags[f.Path] = append(flags[f.Path], "`-"+f.Name+"`")
			}
		}
	}
	var blocks []setting
	table := func(title, doc string) {
		fmt.Fprintf(&out, "\n### %s\n", title)
		if doc != "" {
			fmt.Fprintf(&out, "\n%s\n", doc)
		}
		out.WriteString("\n| option | kind | default | flag | environment | meaning |\n|---|---|---|---|---|---|\n")
	}
	row := func(st setting) {
		if st.name == "-" {
			return
		}
		var env []string
		for _, name := range st.env {
			env = append(env, "`"+name+"`")
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s | %s%s |\n", st.name, kindName(st.typ), code(defaultCell(st)),
			strings.Join(flags[st.path], ", "), strings.Join(env, ", "), mdEscape(st.doc), oldNames(st.option))
	}
	table("Top level", "")
	s.walk(&c, func(st setting) {
		if st.isBlock() && !strings.Contains(st.path, ".") || st.isRepeated() {
			blocks = append(blocks, st)
		}
		if !strings.Contains(st.path, ".") {
			row(st)
		}
	})
	for _, b := range blocks {
		if b.group == "Vault" || b.path == "secret" || b.path == "deduplicate" {
			continue
		}
		table("`"+b.path+"`", mdEscape(b.doc))
		inner := b.value
		if b.isRepeated() {
			inner = reflect.New(b.typ.Elem()).Elem()
			if b.path == "template" {
				inner.Set(reflect.ValueOf(defaultTemplate()))
			}
		}
		writeBlock(s, inner, setting{option: b.option, path: b.path}, row)
	}
	fmt.Fprintf(&out, "\n### Accepted without effect\n\nSo that existing files work, every option of these blocks is read and checked: %s\n\n",
		strings.Join(unsupported(s), "; ")+".")
	fmt.Fprintf(&out, "So are, with a warning, `%s`.\n\n", strings.Join(slices.Sorted(maps.Keys(idle)), "`, `"))
	return out.String()
}

// writeBlock writes the rows of a block, with the names of those in inner blocks written as "retry.attempts".
func writeBlock(s schema, v reflect.Value, block setting, row func(setting)) {
	s.walkBlock(v, setting{path: block.path}, func(st setting) {
		st.name = strings.TrimPrefix(st.path, block.path+".")
		if idle[st.path] != "" {
			return
		}
		row(st)
	})
}

func unsupported(s schema) []string {
	var out []string
	for _, name := range []string{"vault", "nomad", "deduplicate", "secret"} {
		o, _ := s.find(reflect.TypeFor[Config](), name)
		t := o.typ
		if o.isRepeated() {
			t = t.Elem()
		}
		var names []string
		for _, inner := range s.of(t) {
			names = append(names, inner.name)
		}
		out = append(out, fmt.Sprintf("`%s` (%s)", name, strings.Join(names, ", ")))
	}
	return out
}

func kindName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Switch]():
		return "true or false"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Signal]():
		return "signal"
	case reflect.TypeFor[Command]():
		return "command"
	case reflect.TypeFor[Perms]():
		return "mode"
	case reflect.TypeFor[Percent]():
		return "percentage"
	case reflect.TypeFor[Owner]():
		return "text or number"
	case reflect.TypeFor[Wait]():
		return "wait"
	}
	switch {
	case isBlock(t):
		return "block"
	case t.Kind() == reflect.Slice && isBlock(t.Elem()):
		return "blocks"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	}
	return "number"
}

// defaultCell is an option's default, where it has one that the text beside it does not tell.
func defaultCell(st setting) string {
	switch s := defaultText(st); {
	case s != "" || strings.Contains(st.doc, "Unset"):
		return s
	case st.typ.Kind() == reflect.Bool:
		return "false"
	case st.typ == reflect.TypeFor[time.Duration]():
		return "0s"
	case st.typ.Kind() == reflect.Int64:
		return "0"
	}
	return ""
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func mdEscape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func oldNames(o option) string {
	if len(o.old) == 0 {
		return ""
	}
	return " Older name: `" + strings.Join(o.old, "`, `") + "`."
}
