package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// group = "x" in several templates may be meant as commit_group; where anything else is about the file's owner, it is not.
func TestGroupThatMayBeMeantAsCommitGroup(t *testing.T) {
	const two = "template {\n source = \"a\"\n group = \"haproxy\"\n}\ntemplate {\n source = \"b\"\n group = \"haproxy\"\nMORE}\n"
	warnings := func(p Persona, src string) string {
		_, all, err := load(t, p, map[string]string{"a.hcl": src}, nil, "-config", "DIR/a.hcl")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	third := two + "template {\n source = \"c\"\n group = \"haproxy\"\n}\n"
	got := warnings(Lictor, strings.ReplaceAll(third, "MORE", ""))
	if strings.Count(got, "commit_group") != 1 || !strings.Contains(got, `a.hcl:5: template: group = "haproxy" is the group of the file, as it is in `) || !strings.Contains(got, "a.hcl:1;") {
		t.Errorf("warned %q", got)
	}
	for _, more := range []string{"user = \"x\"\n", "uid = 3\n", "perms = \"0640\"\n", "commit_group = \"g\"\n"} {
		if got := warnings(Lictor, strings.ReplaceAll(two, "MORE", more)); got != "" {
			t.Errorf("with %s: warned %q", more, got)
		}
	}
	for _, src := range []string{strings.ReplaceAll(two, `"haproxy"`, "7"), strings.ReplaceAll(two, `group =`, "gid ="), strings.Replace(two, `haproxy`, "other", 1)} {
		if got := warnings(Lictor, strings.ReplaceAll(src, "MORE", "")); got != "" {
			t.Errorf("%s: warned %q", src, got)
		}
	}
	if got := warnings(ConsulTemplate, strings.ReplaceAll(two, "MORE", "")); got != "" {
		t.Errorf("in the place of consul-template: warned %q", got)
	}
}

// A template that overwrites what we read may be meant to; one that overwrites its own source never is, and is an error elsewhere.
func TestDestinationThatIsRead(t *testing.T) {
	const src = "template {\n source = \"DIR/a.ctmpl\"\n destination = \"DIR/NAME\"\n}\n" +
		"template {\n source = \"DIR/b.ctmpl\"\n destination = \"DIR/b\"\n}\n" + "data = [\"DIR/d.yaml\"]\n"
	for name, want := range map[string]string{
		"b.ctmpl": "is the source of another template (", "d.yaml": "is a data file", "a.hcl": "is a configuration file of ours", "c": "", "a.ctmpl": "",
	} {
		dir := t.TempDir()
		text := strings.NewReplacer("DIR", dir, "NAME", name).Replace(src)
		if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, all, err := load(t, Lictor, nil, nil, "-config", filepath.Join(dir, "a.hcl"))
		got := strings.Join(all, "\n")
		if err != nil || want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: warned %q, want %q; %v", name, got, want, err)
		}
	}
}
