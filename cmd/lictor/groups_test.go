package main

import (
	"os/exec"
	"testing"
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
