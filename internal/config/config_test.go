package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// load reads a configuration as the program would: files are name to text, written to a folder of their own.
func load(t *testing.T, p Persona, files map[string]string, env map[string]string, args ...string) (Config, []string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", dir)
	}
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags := Bind(fs, p)
	if err := fs.Parse(NormalizeArgs(args, fs)); err != nil {
		return Config{}, nil, FlagError(err, fs)
	}
	c, warnings, err := Load(p, flags, func(name string) string { return env[name] })
	if err != nil {
		err = hideDir{err, dir}
	}
	return c, warnings, err
}

// hideDir is an error whose text has the test's folder taken out.
type hideDir struct {
	error
	dir string
}

func (e hideDir) Error() string { return strings.ReplaceAll(e.error.Error(), e.dir+"/", "") }
func (e hideDir) Unwrap() error { return e.error }

// mustLoad is load for a configuration without mistakes.
func mustLoad(t *testing.T, p Persona, files map[string]string, env map[string]string, args ...string) Config {
	t.Helper()
	c, _, err := load(t, p, files, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hcl loads one HCL file.
func hcl(t *testing.T, src string) (Config, []string, error) {
	t.Helper()
	return load(t, Lictor, map[string]string{"a.hcl": src}, nil, "-config", "DIR/a.hcl")
}

// wantError checks that err has each of the phrases.
func wantError(t *testing.T, err error, phrases ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", phrases)
	}
	for _, p := range phrases {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}
