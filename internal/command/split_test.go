package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSplitSimple(t *testing.T) {
	for text, want := range map[string][]string{
		"nginx -g 'daemon off;'":             {"nginx", "-g", "daemon off;"},
		" /usr/bin/app\t--listen=:80  x ":    {"/usr/bin/app", "--listen=:80", "x"},
		`app "two words" 'a "b" $c' d'e'"f"`: {"app", "two words", `a "b" $c`, "def"},
		`'my app' '' ""`:                     {"my app", "", ""},
		"date +%s@x,y:z ünï":                 {"date", "+%s@x,y:z", "ünï"},
		"app 'two\nlines'":                   {"app", "two\nlines"},
		"./run.sh prod":                      {"./run.sh", "prod"},
	} {
		if got, ok := splitSimple(text); !ok || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"a | b", "a & b", "a; b", "a < b", "a > b", "(a)", "a $b", `a "$b"`, "a `b`", "a *", "a ?", "a [b]", "a #b", "a ~", "a ~/b", "! a", "a {b,c}",
		"a\nb", "a \\b", `a "\b"`, "a 'b", `a "b`, "A=b c", "A=b", "%1", "cd /", "'cd' /", "exec a", "export a", ". a", ": a", "echo a", "if a", "[ a", "kill 1",
		"test a", "a\x00", "a '\x00'", "a\rb", "'' a", "", "  ",
	} {
		if got, ok := splitSimple(text); ok {
			t.Errorf("%q was split into %q", text, got)
		}
	}
}

// A shell stays where the program is none that the kernel can start, as the PATH of its own environment has it.
func TestTextIsRunWithoutShell(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"greet": "#!/bin/sh\necho greet $1\n", "bare": "echo bare $1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	path := []string{"PATH=/usr/bin:/bin:" + dir}
	for _, test := range []struct {
		text, dir string
		env       []string
		program   string
		out       string
	}{
		{text: "greet 'a  b'", env: path, program: dir + "/greet", out: "greet a b\n"},
		{text: "./greet x", dir: dir, env: []string{}, program: "./greet", out: "greet x\n"},
		{text: "greet x", dir: dir, env: []string{"PATH=:/bin"}, program: "greet", out: "greet x\n"},
		{text: dir + "/greet x", env: nil, program: dir + "/greet", out: "greet x\n"},
		{text: "bare x", env: path, program: "/bin/sh", out: "bare x\n"},
		{text: "text x", env: path, program: "/bin/sh"},
		{text: dir + " x", env: path, program: "/bin/sh"},
		{text: "no-such-program x", env: path, program: "/bin/sh"},
		{text: "greet x", env: []string{"A=b"}, program: "/bin/sh"},
		{text: "greet x; true", env: path, program: "/bin/sh", out: "greet x\n"},
	} {
		c := Command{Shell: true, Args: []string{test.text}, Env: test.env, Dir: test.dir}
		cmd, err := c.cmd()
		if err != nil || cmd.Path != test.program {
			t.Errorf("%q is run by %s, want %s: %v", test.text, cmd.Path, test.program, err)
		}
		var out strings.Builder
		c.Stdout = &out
		log, _ := testLog()
		err = c.Run(t.Context(), log)
		if out.String() != test.out || (err == nil) != (test.out != "") {
			t.Errorf("%q printed %q, want %q: %v", test.text, &out, test.out, err)
		}
		if exit, is := err.(*ExitError); err != nil && (!is || exit.Code != 126 && exit.Code != 127) {
			t.Errorf("%q: the shell did not say what is wrong: %v", test.text, err)
		}
	}
}
