package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary lictor itself when a script calls it by one of its names.
func TestMain(m *testing.M) {
	program := func() { os.Exit(run(os.Args[0], os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }
	testscript.Main(m, map[string]func(){"lictor": program, "consul-template": program, "envconsul": program})
}

// TestScripts specifies the command line: each script in testdata/script is a session. Those that need a registry use a
// data file; what needs a real Consul is in consul_test.go.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
