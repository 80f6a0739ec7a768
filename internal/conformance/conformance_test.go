// Package conformance holds lictor against the recorded cases of consul-template, on a real Consul and on a data file.
package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"lictor/internal/consultest"
)

var consul = &consultest.Shared{Options: consultest.Options{
	Node: "conf-agent", NodeID: "c0de0000-0000-4000-8000-000000000001",
}}

func TestMain(m *testing.M) { goleak.VerifyTestMain(consul.Main(cleaning{m})) }

// cleaning runs the tests and removes the program that they built.
type cleaning struct{ consultest.Runner }

func (c cleaning) Run() int {
	defer func() { os.RemoveAll(buildDir) }()
	return c.Runner.Run()
}

var buildDir string // set when binary built something

// binary builds the program once.
var binary = sync.OnceValues(func() (path string, err error) {
	if buildDir, err = os.MkdirTemp("", "lictor-conformance"); err != nil {
		return "", err
	}
	path = filepath.Join(buildDir, "lictor")
	build := exec.Command("go", "build", "-o", path, "lictor/cmd/lictor")
	build.Stderr = os.Stderr
	return path, build.Run()
})

func program(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("lictor does not build: %v", err)
	}
	return path
}

func TestOnConsul(t *testing.T) {
	cases, ours := loadCases(t), differences(t)
	server := consul.Server(t)
	server.LoadSeed(t, filepath.Join(corpus(t), "seed.json"))
	known := map[string]bool{}
	for _, c := range cases {
		known[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o := c.run(t, program(t), []string{"-consul-addr", server.Addr})
			if want, differs := ours[c.Name]; differs {
				if err := checkDifference(o, want); err != nil {
					t.Error(err)
				}
				return
			}
			if err := c.check(o); err != nil {
				t.Errorf("%s\n%v", c.Template, err)
			}
		})
	}
	for name := range ours {
		if !known[name] {
			t.Errorf("differences.md has %s, but there is no such case", name)
		}
	}
}

// notOnDataFile tells why a case makes no sense on a data file, or "".
func (c testCase) notOnDataFile() string {
	if c.needs("connect-ca") {
		return "a data file has no certificate authority"
	}
	return ""
}

func TestOnDataFile(t *testing.T) {
	cases, ours := loadCases(t), differences(t)
	data := dataFile(t, filepath.Join(corpus(t), "seed.json"))
	ran := 0
	for _, c := range cases {
		if c.notOnDataFile() != "" {
			continue
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o := c.run(t, program(t), []string{"-data", data})
			if want, differs := ours[c.Name]; differs {
				if err := checkDifference(o, want); err != nil {
					t.Error(err)
				}
				return
			}
			if err := c.check(o); err != nil {
				t.Errorf("%s\n%v", c.Template, err)
			}
		})
	}
	t.Logf("%d of %d cases make sense on a data file", ran, len(cases))
}
