package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func stateConfig(templates ...string) string {
	return "data = [\"data.yaml\"]\nlog_level = \"info\"\n" + strings.Join(templates, "")
}

// stateTemplate is a template whose group keeps a state, since it has a command.
func stateTemplate(destination, more string) string {
	return "template {\n  source = \"k.ctmpl\"\n  destination = \"" + destination + "\"\n" + more + "\n}\n"
}

// A state that can't be read keeps its own group from being rendered, until it can be, and nothing else.
func TestBadStateHoldsUpItsGroupOnly(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	write(t, dir, "one", "old\n")
	write(t, dir, "lictor.hcl", stateConfig(stateTemplate("one", `command = "true"`), stateTemplate("two", `command = "true"`)))
	for name, spoil := range map[string]func(path string) error{
		"directory":                    func(path string) error { return os.Mkdir(path, 0o755) },
		"fifo":                         func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"others could have written it": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o666), os.Chmod(path, 0o666)) },
	} {
		path := filepath.Join(dir, ".one.lictor-state")
		if err := errors.Join(os.RemoveAll(path), os.RemoveAll(filepath.Join(dir, "two"))); err != nil {
			t.Fatal(err)
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		d := start(t, dir, "lictor", "-once", "-config", "lictor.hcl")
		if code := d.exit(patience); code != 14 || !strings.Contains(d.printed(), ".one.lictor-state") || !strings.Contains(d.printed(), name) {
			t.Errorf("%s: exit code %d, printed %s", name, code, d.printed())
		}
		if one, two := read(t, dir, "one"), read(t, dir, "two"); one != "old\n" || two != "k=1\n" {
			t.Errorf("%s: one is %q, two is %q", name, one, two)
		}
	}

	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("two", "k=2\n")
	d.waitPrinted("not committed, the destination keeps what it has", 1)
	if got := read(t, dir, "one"); got != "old\n" {
		t.Errorf("one is %q", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, ".one.lictor-state")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "data.yaml", "kv: {k: 3}\n")
	d.file("one", "k=3\n")
	d.file("two", "k=3\n")
}

// A reload that is pending when we are killed is run by the next start, to whichever group the configuration gives the file.
func TestOwedReloadAfterAnotherGrouping(t *testing.T) {
	t.Parallel()
	const inGroup = "commit_group = \"g\"\n  command = \"test -e ok && echo reload >> log\""
	const alone = `command = "test -e ok && echo reload >> log"`
	for name, next := range map[string]string{
		"another order":    stateConfig(stateTemplate("b/2", inGroup), stateTemplate("a/1", inGroup)),
		"first is removed": stateConfig(stateTemplate("b/2", inGroup)),
		"data is away":     stateConfig(stateTemplate("a/1", inGroup), stateTemplate("b/2", inGroup)),
		"out of the group": stateConfig(stateTemplate("b/2", alone)),
		"another group":    stateConfig(stateTemplate("b/2", strings.Replace(inGroup, `"g"`, `"h"`, 1)), stateTemplate("a/0", strings.Replace(inGroup, `"g"`, `"h"`, 1))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, keyFiles())
			write(t, dir, "lictor.hcl", stateConfig(stateTemplate("a/1", inGroup), stateTemplate("b/2", inGroup)))
			d := start(t, dir, "lictor", "-config", "lictor.hcl")
			d.file("b/2", "k=1\n")
			d.waitPrinted("command failed, will retry", 1)
			d.signal(syscall.SIGKILL)
			<-d.ended
			write(t, dir, "ok", "")
			write(t, dir, "lictor.hcl", next)
			if name == "data is away" {
				write(t, dir, "data.yaml", "kv: {}\n")
			}
			if strings.Contains(next, "a/0") { // so that there is no change which would ask for a reload
				write(t, dir, "a/0", "k=1\n")
			}
			d = start(t, dir, "lictor", "-config", "lictor.hcl")
			d.waitPrinted("the reload of an earlier run is still pending", 1)
			d.file("log", "reload\n")
		})
	}
}

// A daemon says at the start what the machine lacks, and where that is asked for, and renders the rest.
func TestDaemonWarnsOfWhatIsLacking(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	write(t, dir, "lictor.hcl", stateConfig(stateTemplate("one", `group = "no-such-group"`), stateTemplate("two", "")))
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("two", "k=1\n")
	d.waitPrinted(`level=WARN msg="lictor.hcl:3: template: failed looking up group: unknown group no-such-group`, 1)
	if !d.alive() {
		t.Error("it has ended")
	}
	d.signal(syscall.SIGHUP)
	d.waitPrinted(`level=WARN msg="lictor.hcl:3: `, 2)
}
