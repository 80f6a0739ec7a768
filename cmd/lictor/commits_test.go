package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lictor/internal/config"
)

// These tests show that a template's options for checking and committing reach what does the work, in the real program.

// following starts the daemon on lictor.hcl, whose data is data.yaml, and whose last template shows in the file marker
// that a change has been rendered.
func following(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	return start(t, dir, "lictor", append([]string{"-config", "lictor.hcl", "-log-level", "info"}, args...)...)
}

// values writes data.yaml: the values of the keys x and y.
func values(t *testing.T, dir, x, y string) {
	t.Helper()
	write(t, dir, "data.yaml", "kv: {x: \""+x+"\", y: \""+y+"\"}\n")
}

// takenOver waits until no reload is pending for a file.
func takenOver(t *testing.T, dir, name string) {
	t.Helper()
	eventually(t, "no reload is pending for "+name, func() bool {
		var state struct{ Rendered, Applied string }
		err := json.Unmarshal([]byte(read(t, dir, "."+name+".lictor-state")), &state)
		return err == nil && state.Rendered != "" && state.Rendered == state.Applied
	})
}

func isThere(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestCheckTimeoutOfATemplate(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"out": "old", "lictor.hcl": `
data = ["data.yaml"]
template {
  contents      = "{{key \"x\"}}"
  destination   = "out"
  check         = "sleep 600"
  check_timeout = "100ms"
}`})
	values(t, dir, "1", "")
	d := following(t, dir)
	d.waitPrinted("did not end within 100ms", 1)
	if got := read(t, dir, "out"); got != "old" || !d.alive() {
		t.Errorf("the file has %q, alive %v", got, d.alive())
	}
	if code := following(t, dir, "-once").exit(patience); code != exitRuntime {
		t.Errorf("-once ends with %d, want %d", code, exitRuntime)
	}
}

// A check finds what is staged in its environment, and in its text as one word, whatever the path has in it.
func TestCheckFindsWhatIsStaged(t *testing.T) {
	t.Parallel()
	const odd = `it's $(touch planted) a "path"; touch planted`
	for name, check := range map[string]string{
		"environment": `grep -q good "$LICTOR_STAGED" && cmp "$LICTOR_STAGED" "$LICTOR_STAGED_DIR$PWD/$NAME/out"`,
		"text":        `grep -q good {{.Staged}} && cmp {{.Staged}} {{.StagedDir}}"$PWD/$NAME/out"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			quoted := strings.NewReplacer(`"`, `\"`).Replace
			write(t, dir, "lictor.hcl", `
data = ["data.yaml"]
template {
  contents    = "{{key \"x\"}}"
  destination = "`+quoted(odd)+`/out"
  check       = "`+quoted(check)+`"
}`)
			values(t, dir, "good 1", "")
			d := startWith(t, dir, []string{"NAME=" + odd}, "lictor", "-config", "lictor.hcl")
			d.file(odd+"/out", "good 1")
			values(t, dir, "bad", "")
			d.waitPrinted("check failed", 1)
			d.file(odd+"/out.rejected", "bad")
			values(t, dir, "good 2", "")
			d.file(odd+"/out", "good 2")
			if read(t, dir, "planted") != "" {
				t.Error("a word of the path was run")
			}
		})
	}
}

// The quiet time and the interval are those of the template, and the interval also counts when lictor reads its configuration
// again or is started anew.
func TestWaitAndMinIntervalOfATemplate(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"lictor.hcl": `
data = ["data.yaml"]
template {
  contents     = "{{key \"x\"}}"
  destination  = "bounded"
  command      = "cat bounded >> reloads"
  min_interval = "1h"
}
template {
  contents    = "{{key \"x\"}}"
  destination = "waits"
  wait {
    min = "1h"
    max = "2h"
  }
}
template {
  contents     = "{{key \"x\"}}"
  destination  = "quick"
  min_interval = "50ms"
  wait {
    min = "10ms"
    max = "20ms"
  }
}
template {
  contents    = "{{key \"x\"}}"
  destination = "marker"
}`})
	values(t, dir, "1", "")
	d := following(t, dir)
	for _, name := range []string{"bounded", "waits", "quick", "marker", "reloads"} {
		d.file(name, "1")
	}
	takenOver(t, dir, "bounded")
	still := func(d *running, x, waits string) {
		t.Helper()
		d.file("marker", x) // which comes after the others
		d.file("quick", x)
		if bounded, waiting := read(t, dir, "bounded"), read(t, dir, "waits"); bounded != "1" || waiting != waits {
			t.Errorf("with %s: the bounded file has %q, want 1; the one that waits %q, want %s", x, bounded, waiting, waits)
		}
	}
	values(t, dir, "2", "")
	still(d, "2", "1")
	d.signal(syscall.SIGHUP)
	d.file("waits", "2") // the first render does not wait
	values(t, dir, "3", "")
	still(d, "3", "2")
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != exitOK {
		t.Fatalf("ends with %d", code)
	}
	d = following(t, dir, "-exec", "touch child; exec sleep 600")
	d.waitPrinted("until min_interval is over", 1)
	d.file("waits", "3")
	values(t, dir, "4", "")
	still(d, "4", "3")
	eventually(t, "the child runs with the files that there are", func() bool { return isThere(dir, "child") })
	d.signal(syscall.SIGTERM)
	d.exit(patience)
	if code := following(t, dir, "-once").exit(patience); code != exitOK || read(t, dir, "reloads") != "14" {
		t.Errorf("-once ends with %d, and %q was reloaded: want each commit, and no waiting with -once", code, read(t, dir, "reloads"))
	}
}

// A reload that is pending is run at the next start, whatever may keep the template from being rendered, but with a program not
// before that has been started with the files that there are.
func TestOwedReloadAtAStartThatCanNotCommit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data  string
		child bool
	}{
		"waits for data": {"kv: {}\n", false},
		"refused":        {"kv: {x: refuse}\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"lictor.hcl": `
data = ["data.yaml"]
template {
  contents    = "{{key \"x\"}} "
  destination = "out"
  check       = "! grep -q refuse {{.Staged}}"
  command     = "cat out >> ran; test -e works"
}`})
			values(t, dir, "one", "")
			if code := following(t, dir, "-once").exit(patience); code != exitRuntime {
				t.Fatalf("a reload that fails ends with %d", code)
			}
			write(t, dir, "works", "")
			write(t, dir, "data.yaml", c.data)
			var program []string
			want := "one one "
			if c.child {
				program = []string{"-exec", "echo -n 'child ' >> ran; exec sleep 600"}
				want = "one child one "
			}
			d := following(t, dir, program...)
			d.file("ran", want)
			takenOver(t, dir, "out")
			d.signal(syscall.SIGTERM)
			d.exit(patience)
			values(t, dir, "one", "")
			if code := following(t, dir, "-once").exit(patience); code != exitOK || read(t, dir, "ran") != want {
				t.Errorf("ends with %d, ran with %q: it is not pending any more", code, read(t, dir, "ran"))
			}
		})
	}
}

// A content may have been rolled back because the service was just away: the next start tries it again, when its program runs
// with the previous one.
func TestStartTriesRolledBackContentAgain(t *testing.T) {
	t.Parallel()
	for name, works := range map[string]bool{"works": true, "still fails": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"works": "", "lictor.hcl": `
data = ["data.yaml"]
template {
  contents    = "{{key \"x\"}} "
  destination = "out"
  command     = "cat out >> ran; test -e works || grep -q one out && ! test -e away"
  rollback    = true
}`})
			values(t, dir, "one", "")
			once := func(want int, ran string) {
				t.Helper()
				if code := following(t, dir, "-once").exit(patience); code != want || read(t, dir, "ran") != ran {
					t.Fatalf("ends with %d, want %d; ran with %q, want %q", code, want, read(t, dir, "ran"), ran)
				}
			}
			once(exitOK, "one ")
			write(t, dir, "away", "")
			values(t, dir, "two", "")
			once(exitRuntime, "one two one ") // and the reload of the old one is pending
			remove(t, dir, "away")
			want := "one two one child one two "
			if !works {
				remove(t, dir, "works")
				want += "one "
			}
			d := following(t, dir, "-exec-reload=none", "-exec", "echo -n 'child ' >> ran; exec sleep 600")
			d.file("ran", want)
			d.file("out", map[bool]string{true: "two ", false: "one "}[works])
		})
	}
}

// Two templates that share a command are both rolled back when it fails: the one that is not to blame gets its content all
// the same, though the other one never works.
func TestRollbackOfTemplatesThatShareACommand(t *testing.T) {
	t.Parallel()
	template := func(name string) string {
		return `
template {
  contents    = "{{key \"` + name + `\"}}"
  destination = "` + name + `"
  command     = "echo $(cat x) $(cat y) >> ran; ! grep -q bad x"
  rollback    = true
}`
	}
	dir := folder(t, map[string]string{"lictor.hcl": `data = ["data.yaml"]` + template("x") + template("y")})
	values(t, dir, "good", "one")
	d := following(t, dir)
	d.file("ran", "good one\n")
	values(t, dir, "bad", "two")
	d.waitPrinted("the previous files are back", 2)
	d.file("y", "two")
	d.file("x", "good")
	values(t, dir, "fine", "three")
	d.file("x", "fine")
	d.file("y", "three")
	eventually(t, "the command has run for them", func() bool { return strings.HasSuffix(read(t, dir, "ran"), "fine three\n") })
}

// A reload that ignores SIGTERM is killed, and lictor ends.
func TestKillTimeoutOfAReload(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"lictor.hcl": `
data = ["data.yaml"]
template {
  contents    = "{{key \"x\"}}"
  destination = "out"
  exec {
    command      = "trap '' TERM; echo on > ran; while :; do sleep 0.1; done"
    kill_timeout = "50ms"
  }
}`})
	values(t, dir, "1", "")
	d := following(t, dir)
	d.file("ran", "on\n")
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != exitOK {
		t.Errorf("ends with %d", code)
	}
}

// It holds up the end of lictor for as long as its kill_timeout says, and never longer than a moment.
func TestGraceOfAReload(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{50 * time.Millisecond: 50 * time.Millisecond, time.Hour: maxGrace} {
		e := config.Exec{Command: config.CommandOf("true"), KillTimeout: timeout}
		if got := new(assembly).command(e).Grace; got != want {
			t.Errorf("with kill_timeout %s it gets %s, want %s", timeout, got, want)
		}
	}
}

// A reload of the configuration lets a command that is running end, unless it is asked for again; the end of us does not
// wait for the configuration.
func TestReloadLetsCommandsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		meantime func(t *testing.T, d *running)
		want     string
		lives    bool
	}{
		{"to its end", func(t *testing.T, d *running) {
			write(t, d.dir, "data.yaml", "kv: {k: 2}\n")
			write(t, d.dir, "go", "")
		}, "began\nended\nnext\n", true},
		{"again", func(t *testing.T, d *running) { d.signal(syscall.SIGHUP) }, "began\nstopped\nnext\n", true},
		{"the end", func(t *testing.T, d *running) { d.signal(syscall.SIGTERM) }, "began\nstopped\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{
				"data.yaml": "kv: {k: 1}\n",
				"k.ctmpl":   `{{ key "k" }}`,
				"reload.sh": `echo began >> log; trap 'echo stopped >> log; exit 1' TERM; until [ -e go ]; do sleep 0.01; done; echo ended >> log`,
			})
			config := func(command string) string {
				return "data = [\"data.yaml\"]\ntemplate {\n  source = \"k.ctmpl\"\n  destination = \"out\"\n  command = \"" + command + "\"\n}\n"
			}
			write(t, dir, "lictor.hcl", config("sh reload.sh"))
			d := start(t, dir, "lictor", "-config", "lictor.hcl")
			d.file("log", "began\n")
			write(t, dir, "lictor.hcl", config("echo next >> log"))
			d.signal(syscall.SIGHUP)
			d.waitPrinted("waiting for commands that are running to end", 1)
			c.meantime(t, d)
			d.file("log", c.want)
			if !c.lives {
				d.exit(patience)
			} else if !d.alive() {
				t.Error("it has ended")
			}
		})
	}
}
