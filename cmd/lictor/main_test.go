package main

import (
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"lictor/internal/consultest"
)

// sharedConsul serves the tests that need a Consul and leave it running.
var sharedConsul = &consultest.Shared{}

// TestMain makes this test binary lictor itself when a script calls it by one of its names.
func TestMain(m *testing.M) {
	testscript.Main(sharedConsul.Main(m), map[string]func(){"lictor": main, "consul-template": main, "envconsul": main})
}

// TestScripts specifies the command line: each script in testdata/script is a session. Those that need a registry use a
// data file; what needs a real Consul is in consul_test.go.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits is a command for scripts: "exits CODE PROGRAM [ARG...]" runs a program that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		got = ended.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d\n%s", args[1], got, want, ts.ReadFile("stderr"))
	}
}
