package main

import (
	"syscall"
	"testing"
)

// A plan that was not finished must not be taken for one without changes.
func TestAnInterruptedPlanIsAnError(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.ctmpl": "{{ key \"a\" }}", "b.ctmpl": "{{ key \"b\" }}", "out": "1"})
	d := start(t, dir, "lictor", "-dry", "-exit-code", "-log-level", "debug", "-set", "kv/a=1", "-template", "a.ctmpl:out", "-template", "b.ctmpl:other")
	d.waitPrinted("query=key(b)", 1)
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != 1 {
		t.Errorf("exit code %d, not 1", code)
	}
}

// Without -once a dry run goes on, and shows each change as it comes.
func TestADryRunGoesOnShowingDiffs(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.ctmpl": "mode {{ key \"mode\" }}\n", "data.yaml": "kv: {mode: tcp}\n", "out": "mode off\n"})
	d := start(t, dir, "lictor", "-dry", "-diff", "-data", "data.yaml", "-template", "a.ctmpl:out")
	d.waitPrinted("-mode off\n+mode tcp\n", 1)
	write(t, dir, "data.yaml", "kv: {mode: http}\n")
	d.waitPrinted("-mode off\n+mode http\n", 1)
	if got := read(t, dir, "out"); got != "mode off\n" {
		t.Errorf("it has written %q", got)
	}
}
