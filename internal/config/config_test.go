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

func TestSmoke(t *testing.T) {
	c, w, err := load(t, Lictor, map[string]string{"a.hcl": `
consul { address = "c:1" token = "sesame" }
template {
  contents = "x"
  destination = "/tmp/nowhere/x"
  command = "echo a,b"
  perms = 0640
}
`}, nil, "-config", "DIR/a.hcl", "-template", "a:b:c d:e", "--once", "-wait=1s", "-consul-ssl-verify=false", "-log-level=info")
	if err != nil {
		t.Fatal(err, w)
	}
	var b strings.Builder
	if err := c.Effective(&b); err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	var u strings.Builder
	_ = Usage(&u, Lictor)
	t.Log(u.String())
	_, _, err = load(t, Lictor, map[string]string{"a.hcl": "consul {\n  adress = \"x\"\n}\ntemplate {\n comand=\"a\"\n perms = 640\n wait { min = 5 }\n}\nlog_level=\"SHOUT\"\nmax_stale=true\n"}, nil, "-config", "DIR")
	t.Log(err)
	_, _, err = load(t, Lictor, nil, nil, "-wiat", "1s")
	t.Log(err)
	_, _, err = load(t, Lictor, nil, nil, "-wait", "5s:1s")
	t.Log(err)
}
