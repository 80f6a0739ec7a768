package main

import (
	"os/exec"
	"testing"
	"time"

	"lictor/internal/config"
	"lictor/internal/runner"
)

// The path in a check is one word for the shell, whatever it holds, and may stand within quotes where it is a usual one.
func TestShellQuote(t *testing.T) {
	for _, path := range []string{"/etc/haproxy/.haproxy.cfg.lictor-0", "/a b/it's/$HOME;x", "", "/ü\n"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellQuote(path)).Output()
		if err != nil || string(out) != path {
			t.Errorf("%q became %q, %v", path, out, err)
		}
	}
	out, err := exec.Command("sh", "-c", `printf %s "`+shellQuote("/etc/x-1.cfg")+`"`).Output()
	if err != nil || string(out) != "/etc/x-1.cfg" {
		t.Errorf("within quotes it became %q, %v", out, err)
	}
}

// A check that is about the group as a whole is one command, whichever of its templates has it; one that may look at the
// template's own file is not.
func TestCheckOfAGroup(t *testing.T) {
	for text, same := range map[string]bool{
		"check {{.StagedDir}}":                true,
		"check $LICTOR_STAGED_DIR":            true,
		"check":                               false, // it may look at LICTOR_STAGED
		"check {{.Staged}}":                   false,
		"check {{.StagedDir}} {{.Staged}}":    false,
		"check {{.StagedDir}} $LICTOR_STAGED": false,
	} {
		for _, group := range []string{"g", ""} {
			check := (&assembly{}).check(config.Template{CommitGroup: group, Check: config.Command{Shell: true, Args: []string{text}}})
			if got := check("/a", "/dir").Key() == check("/b", "/dir").Key(); got != (same && group != "") {
				t.Errorf("%s in the group %q: one command for all: %v", text, group, got)
			}
		}
	}
}

// A group is as patient as its most patient template, and goes back where one of them is to.
func TestPaceOfAGroup(t *testing.T) {
	a := &assembly{runner: &runner.Runner{}}
	on := config.On
	for _, tmpl := range []config.Template{
		{CommitGroup: "g", Wait: config.Wait{Enabled: on, Min: 2 * time.Second, Max: 8 * time.Second}, MinInterval: time.Minute},
		{CommitGroup: "g", Wait: config.Wait{Enabled: on, Min: 3 * time.Second, Max: 4 * time.Second}, Rollback: true},
		{CommitGroup: "g"},
		{},
	} {
		a.group(tmpl, &runner.Job{Name: "alone"})
	}
	if len(a.runner.Groups) != 2 {
		t.Fatalf("%d groups, want g and the template without one", len(a.runner.Groups))
	}
	g, alone := a.runner.Groups[0], a.runner.Groups[1]
	if want := (runner.Wait{Min: 3 * time.Second, Max: 8 * time.Second}); g.Wait != want || g.MinInterval != time.Minute || !g.Rollback {
		t.Errorf("it waits %v and rests %s, want %v and a minute; rollback %v", g.Wait, g.MinInterval, want, g.Rollback)
	}
	if alone.Wait != (runner.Wait{}) || alone.MinInterval != 0 || alone.Rollback {
		t.Errorf("the other waits %v and rests %s; rollback %v", alone.Wait, alone.MinInterval, alone.Rollback)
	}
}
