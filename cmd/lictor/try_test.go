package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

func TestTry(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"t.ctmpl": "mode {{ key \"mode\" }}\n{{ file \"local\" }}", "data.yaml": "kv: {mode: tcp}\n", "local": "one\n",
	})
	d := start(t, dir, "lictor", "try", "-data", "data.yaml", "t.ctmpl")
	d.waitPrinted("mode tcp\none\n", 1)
	write(t, dir, "data.yaml", "kv: {mode: http}\n")
	d.waitPrinted("--- before\n+++ now\n@@ -1,2 +1,2 @@\n-mode tcp\n+mode http\n one\n", 1)
	write(t, dir, "local", "two\n")
	d.waitPrinted("-one\n+two\n", 1)

	// Errors stand where the output would be, and a repaired file is seen though the output is as before.
	write(t, dir, "data.yaml", "kv: {mode: [http]}\n")
	d.waitPrinted("error: data.yaml:1: the value of key \"mode\" must be text, not a list; write the list as the text that templates are to read\n"+
		"    1 | kv: {mode: [http]}\n", 1)
	write(t, dir, "data.yaml", "kv: {mode: http}\n")
	d.waitPrinted("recovered: the output is as before\n", 1)
	write(t, dir, "t.ctmpl", "mode\n{{ kye \"mode\" }}\n")
	d.waitPrinted("error: t.ctmpl:2:4: function \"kye\" not defined; did you mean \"key\"?\n    2 | {{ kye \"mode\" }}\n      |    ^\n", 1)
	write(t, dir, "t.ctmpl", "mode {{ key \"other\" }}\n")
	d.waitPrinted("error: t.ctmpl: key(other): there is no such key\n", 1)
	if err := os.Remove(filepath.Join(dir, "t.ctmpl")); err != nil {
		t.Fatal(err)
	}
	d.waitPrinted("error: stat t.ctmpl: no such file or directory\n", 1)
	write(t, dir, "t.ctmpl", "mode {{ key \"mode\" }}!\n")
	d.waitPrinted("+mode http!\n", 1)

	d.signal(syscall.SIGINT)
	if code := d.exit(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// With a registry its changes are seen, too.
func TestTryFollowsConsul(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "try/mode", "tcp")
	dir := folder(t, map[string]string{"t.ctmpl": "mode {{ key \"try/mode\" }}\n"})
	d := start(t, dir, "lictor", "try", "-consul", server.Addr, "t.ctmpl")
	d.waitPrinted("mode tcp\n", 1)
	server.Put(t, "try/mode", "http")
	d.waitPrinted("-mode tcp\n+mode http\n", 1)
	write(t, dir, "t.ctmpl", "the mode is {{ key \"try/mode\" }}\n")
	d.waitPrinted("+the mode is http\n", 1)
}

// Diffs are coloured on a terminal, and there alone.
func TestDiffsAreColouredOnATerminal(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"t.ctmpl": "new\n", "out": "old\n"})
	args := []string{"-once", "-dry", "-diff", "-set", "kv/a=b", "-template", "t.ctmpl:out"}
	plain, stderr, err := lictor(t, dir, args...)
	if err != nil || plain != "--- out\n+++ out\n@@ -1 +1 @@\n-old\n+new\n" {
		t.Errorf("%v %s\n%q", err, stderr, plain)
	}
	for _, c := range []struct{ env, want string }{
		{"TERM=xterm", "\x1b[31m-old\x1b[0m\n\x1b[32m+new\x1b[0m\n"}, {"NO_COLOR=1", "\n-old\n+new\n"},
	} {
		terminal, in, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "lictor", args...)
		cmd.Dir, cmd.Stdout, cmd.Env = dir, in, append(os.Environ(), "TERM=xterm", c.env)
		if err := cmd.Run(); err != nil {
			t.Error(err)
		}
		printed := make([]byte, 4096)
		n, _ := terminal.Read(printed) // it is all there: the program has ended
		in.Close()
		terminal.Close()
		got := strings.ReplaceAll(string(printed[:n]), "\r\n", "\n")
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q has no %q", c.env, got, c.want)
		}
	}
}
