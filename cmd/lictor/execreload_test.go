package main

import (
	"strings"
	"syscall"
	"testing"
)

// reloadable is a program with a process file that reads its configuration again on HUP, and the command that reloads it, as
// `nginx -s reload` does: by that file, and with an error where there is none.
var reloadable = map[string]string{
	"prog.sh": `trap 'echo "reload $(cat conf)" >> log' HUP
trap 'echo end >> log; rm -f pid; exit 0' TERM
echo "start $(cat conf)" >> log
echo $$ > pid
while :; do sleep 0.02; done
`,
	"reload.sh": `[ -f pid ] || { echo "no process file" >> log; exit 1; }
echo command >> log
kill -HUP $(cat pid)
`,
	"lictor.hcl": `data = ["data.yaml"]
template {
  contents    = "{{ key \"k\" }}"
  destination = "conf"
  command     = "sh reload.sh"
  rollback    = true
}
exec {
  command     = ["sh", "prog.sh"]
  kill_signal = "SIGTERM"
}
`,
	"data.yaml": "kv: {k: 1}\n",
}

// What has changed while lictor was down is what the program starts with, though its reload command can only fail before.
func TestExecStartsWithTheNewFile(t *testing.T) {
	t.Parallel()
	dir := folder(t, reloadable)
	for _, v := range []string{"1", "2"} {
		write(t, dir, "log", "")
		write(t, dir, "data.yaml", "kv: {k: "+v+"}\n")
		d := start(t, dir, "lictor", "-config=lictor.hcl", "-exec-reload=none")
		d.file("log", "start "+v+"\ncommand\nreload "+v+"\n")
		d.signal(syscall.SIGTERM)
		if code := d.exit(patience); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if read(t, dir, "conf") != v || strings.Contains(d.printed(), "level=ERROR") || strings.Contains(d.printed(), "level=WARN") {
			t.Errorf("conf has %q", read(t, dir, "conf"))
		}
	}
}

// Who tells the program that its files have changed is for the configuration to say. A command reloads it only where it is left
// to commands: else the order of both would be up to chance.
func TestExecReload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ how, reload, first, change string }{
		{"none", "", "command\nreload 1\n", "command\nreload 2\n"},
		{"signal", "true", "", "reload 2\n"},
		{"restart", "true", "", "end\nstart 2\n"},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, reloadable)
			if c.reload != "" {
				write(t, dir, "reload.sh", c.reload)
			}
			d := start(t, dir, "lictor", "-config=lictor.hcl", "-exec-reload-signal=SIGHUP", "-exec-reload="+c.how)
			first := "start 1\n" + c.first
			d.file("log", first)
			write(t, dir, "data.yaml", "kv: {k: 2}\n")
			d.file("log", first+c.change)
			d.signal(syscall.SIGTERM)
			d.exit(patience)
			d.file("log", first+c.change+"end\n")
		})
	}
}
