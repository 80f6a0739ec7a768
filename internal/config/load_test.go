package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Defaults < files, left to right < CT_LOCAL_CONFIG < flags; the environment fills what is unset.
func TestPrecedence(t *testing.T) {
	files := map[string]string{
		"1.hcl": "consul {\n address = \"one\"\n token = \"one\"\n}\nlog_level = \"info\"\npid_file = \"one\"\n",
		"2.hcl": "consul {\n address = \"two\"\n}\nlog_level = \"debug\"\n",
	}
	env := map[string]string{"CT_LOCAL_CONFIG": "log_level = \"trace\"\nmax_stale = \"7s\"", "CONSUL_HTTP_ADDR": "env", "CONSUL_NAMESPACE": "env"}
	c := mustLoad(t, Lictor, files, env, "-config", "DIR/1.hcl", "-config", "DIR/2.hcl", "-log-level=err")
	got := []string{c.Consul.Address, c.Consul.Token.Reveal(), c.PidFile, c.LogLevel, c.MaxStale.String(), c.Consul.Namespace, c.BlockQueryWait.String()}
	want := []string{"two", "one", "one", "err", "7s", "env", "1m0s"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if at := c.At("consul.address").String(); !strings.HasSuffix(at, "2.hcl:2") {
		t.Errorf("address is from %s", at)
	}
	if at := c.At("consul.namespace").String(); at != "environment variable CONSUL_NAMESPACE" {
		t.Errorf("namespace is from %s", at)
	}
	c = mustLoad(t, Envconsul, nil, env)
	if c.LogLevel != "warn" {
		t.Error("envconsul reads CT_LOCAL_CONFIG")
	}
}

func TestListsAddUpAcrossFiles(t *testing.T) {
	c := mustLoad(t, LictorExec, map[string]string{
		"a/1.hcl": "template {\n source = \"1\"\n}\nexec {\n env {\n custom = [\"A=1\"]\n }\n}\nprefix {\n path = \"p1\"\n}\nservice {\n query = \"s1\"\n}",
		"a/2.hcl": "template {\n source = \"2\"\n}\nexec {\n env {\n custom = [\"B=2\"]\n }\n}\nprefix {\n path = \"p2\"\n}\nservice {\n query = \"s2\"\n}",
	}, nil, "-config", "DIR/a", "-template", "3", "-prefix", "p3", "-service-query", "s3", "-exec-env-custom", "C=3,4")
	var got []string
	for _, x := range c.Templates {
		got = append(got, x.Source)
	}
	for _, x := range c.Prefixes {
		got = append(got, x.Path)
	}
	for _, x := range c.Services {
		got = append(got, x.Query)
	}
	got = append(got, c.Exec.Env.Custom...)
	if want := "1 2 3 p1 p2 p3 s1 s2 s3 A=1 B=2 C=3,4"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	env := map[string]string{
		"CONSUL_HTTP_ADDR": "https://c:1", "CONSUL_TOKEN": "first", "CONSUL_HTTP_TOKEN": "second", "CONSUL_HTTP_AUTH": "u:p:q",
		"CONSUL_HTTP_SSL": "1", "CONSUL_HTTP_SSL_VERIFY": "false", "CONSUL_CACERT": "ca", "CONSUL_CAPATH": "cap", "CONSUL_CLIENT_CERT": "cert",
		"CONSUL_CLIENT_KEY": "key", "CONSUL_TLS_SERVER_NAME": "name", "CT_LOG": "debug",
	}
	c := mustLoad(t, ConsulTemplate, nil, env)
	wantSSL := SSL{Enabled: On, CACert: "ca", CAPath: "cap", Cert: "cert", Key: "key", ServerName: "name"}
	if c.Consul.SSL != wantSSL {
		t.Errorf("ssl %+v", c.Consul.SSL)
	}
	if want := (Auth{On, "u", "p:q"}); c.Consul.Auth != want {
		t.Errorf("auth %+v", c.Consul.Auth)
	}
	if c.Consul.Token.Reveal() != "first" || c.LogLevel != "debug" || c.Vault.SSL.Enabled != Auto || c.Vault.SSL.CACert != "" {
		t.Errorf("got %+v", c)
	}
	for _, name := range []string{"CT_LOG", "CONSUL_TEMPLATE_LOG", "CONSUL_TEMPLATE_LOG_LEVEL", "ENVCONSUL", "LICTOR_LOG"} {
		if c := mustLoad(t, Envconsul, nil, map[string]string{name: "trace"}); c.LogLevel != "trace" {
			t.Errorf("%s has no effect", name)
		}
	}
	_, _, err := load(t, Lictor, nil, map[string]string{"CONSUL_HTTP_SSL": "maybe", "CT_LOG": "loud", "CT_LOCAL_CONFIG": "\nnope = 1"})
	wantError(t, err, `environment variable CONSUL_HTTP_SSL: want true or false, found "maybe"`,
		`environment variable CT_LOG: log_level: invalid log level "loud"`, `CT_LOCAL_CONFIG:2: unknown option "nope"`)
}

// The token comes from the place that rules, whichever of token and token file was used there.
func TestTokenSources(t *testing.T) {
	token, file := map[string]string{"a": "consul {\n token = \"T\"\n}"}, map[string]string{"a": "consul {\n token_file = \"F\"\n}"}
	for _, c := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		args  []string
		want  string
	}{
		{"token beats the environment's file", token, map[string]string{"CONSUL_HTTP_TOKEN_FILE": "E"}, nil, "T/"},
		{"file beats the environment's token", file, map[string]string{"CONSUL_HTTP_TOKEN": "E"}, nil, "/F"},
		{"flag beats the file's token file", file, nil, []string{"-consul-token", "X"}, "X/"},
		{"flags", nil, nil, []string{"-consul-token-file", "Y", "-consul-token", "X"}, "X/Y"},
		{"environment", nil, map[string]string{"CONSUL_TOKEN_FILE": "E"}, nil, "/E"},
	} {
		args := c.args
		if c.files != nil {
			args = append(args, "-config", "DIR/a")
		}
		got := mustLoad(t, Lictor, c.files, c.env, args...)
		if s := got.Consul.Token.Reveal() + "/" + got.Consul.TokenFile; s != c.want {
			t.Errorf("%s: got %s, want %s", c.name, s, c.want)
		}
	}
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	order := func(path string) (string, error) {
		c, _, err := load(t, Lictor, nil, nil, "-config", filepath.Join(dir, path))
		var got []string
		for _, tmpl := range c.Templates {
			got = append(got, tmpl.Contents)
		}
		return strings.Join(got, " "), err
	}
	write("conf/b.hcl", `template { contents = "b" }`)
	write("conf/a/z.json", `{"template": {"contents": "a/z"}}`)
	write("conf/a/deep/y.yml", `template: {contents: a/deep/y}`)
	write("conf/c", `template { contents = "c" }`)
	write("elsewhere/l", `template { contents = "l" }`)
	link("../elsewhere/l", "conf/bb")
	link("conf", "linked")
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}

	want := "a/deep/y a/z b l c"
	for _, path := range []string{"conf", "linked"} {
		if got, err := order(path); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", path, got, err, want)
		}
	}
	if got, err := order("empty"); err != nil || got != "" {
		t.Errorf("empty folder: %q, %v", got, err)
	}

	// A mounted ConfigMap: the files are links through ..data.
	write("mount/..2026/a.hcl", `template { contents = "mounted" }`)
	link("..2026", "mount/..data")
	link("..data/a.hcl", "mount/a.hcl")
	if got, err := order("mount"); err != nil || got != "mounted" {
		t.Errorf("mounted folder: %q, %v", got, err)
	}

	write("stray/README", "Read me. Please.\n")
	_, err := order("stray")
	wantError(t, err, "stray/README:1: invalid HCL")

	write("loop/x", ``)
	link(".", "loop/self")
	_, err = order("loop")
	wantError(t, err, "loop/self: is a directory: a link in a configuration folder must lead to a file")

	_, err = order("absent")
	wantError(t, err, "absent: no such file or directory")

	link("nowhere", "stray/broken")
	_, err = order("stray/broken")
	wantError(t, err, "stray/broken: no such file or directory")
	if os.Geteuid() != 0 {
		write("secret/x", "")
		if err := os.Chmod(filepath.Join(dir, "secret/x"), 0); err != nil {
			t.Fatal(err)
		}
		_, err = order("secret")
		wantError(t, err, "secret/x: permission denied")
	}
}

func TestRetriesAreEndlessButForOnce(t *testing.T) {
	for _, c := range []struct {
		p    Persona
		args []string
		want int
	}{
		{Lictor, nil, 0},
		{Envconsul, nil, 0},
		{Lictor, []string{"-once"}, 5},
		{ConsulTemplate, []string{"-once"}, 12},
		{Lictor, []string{"-once", "-consul-retry-attempts=0"}, 0},
		{Lictor, []string{"-consul-retry-attempts", "7"}, 7},
	} {
		if got := mustLoad(t, c.p, nil, nil, c.args...); got.Consul.Retry.Attempts != c.want {
			t.Errorf("%v: %d attempts, want %d", c.args, got.Consul.Retry.Attempts, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, ConsulTemplate, nil, nil)
	if c.Consul.Retry.Backoff != 250*time.Millisecond || c.Consul.Retry.MaxBackoff != time.Minute || !c.Consul.Retry.Enabled ||
		c.MaxStale != 2*time.Second || c.BlockQueryWait != time.Minute || c.KillSignal != sigint || c.ReloadSignal != sighup ||
		c.LogLevel != "warn" || c.Syslog.Name != "consul-template" || c.Syslog.Enabled != Off || c.Exec.KillTimeout != 30*time.Second ||
		c.Consul.Address != "127.0.0.1:8500" || !c.Consul.SSL.Verify || c.Exec.ReloadSignal != 0 || c.LogFile.RotateDuration != 24*time.Hour {
		t.Errorf("got %+v", c)
	}
}

// A failing template ends -once and what takes a peer's place; lictor as a daemon outlives it, and tells what it does.
func TestDefaultsByPersona(t *testing.T) {
	for _, c := range []struct {
		p     Persona
		args  []string
		fatal Switch
		level string
	}{
		{Lictor, nil, Off, "info"},
		{Lictor, []string{"-once"}, On, "warn"},
		{ConsulTemplate, nil, On, "warn"},
		{Envconsul, nil, On, "warn"},
		{LictorExec, nil, Off, "warn"},
	} {
		got := mustLoad(t, c.p, map[string]string{"a": "template {\n source = \"x\"\n}"}, nil, append(c.args, "-config", "DIR/a")...)
		if got.Templates[0].ErrorFatal != c.fatal || got.LogLevel != c.level {
			t.Errorf("%v %v: error_fatal %v, log level %s", c.p, c.args, got.Templates[0].ErrorFatal, got.LogLevel)
		}
	}
}

// The block reload says what templates have that say nothing themselves, wherever it stands; "0s" is something.
func TestReloadIsTheDefaultOfTemplates(t *testing.T) {
	const hclTemplates = "template {\n source = \"a\"\n}\ntemplate {\n source = \"b\"\n min_interval = \"3s\"\n}\ntemplate {\n source = \"c\"\n min_interval = \"0s\"\n}\n"
	for name, src := range map[string]string{
		"a.hcl":  "reload { min_interval = \"10s\" }\n" + hclTemplates,
		"b.hcl":  hclTemplates + "reload { min_interval = \"10s\" }\n",
		"a.json": `{"reload": {"min_interval": "10s"}, "template": [{"source": "a"}, {"source": "b", "min_interval": "3s"}, {"source": "c", "min_interval": "0s"}]}`,
		"a.yaml": "reload: {min_interval: 10s}\ntemplate:\n- {source: a}\n- {source: b, min_interval: 3s}\n- {source: c, min_interval: 0s}\n",
	} {
		c := mustLoad(t, Lictor, map[string]string{name: src}, nil, "-config", "DIR/"+name, "-template", "d:e")
		var got []time.Duration
		for _, template := range c.Templates {
			got = append(got, template.MinInterval)
		}
		if want := []time.Duration{10 * time.Second, 3 * time.Second, 0, 10 * time.Second}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		var printed strings.Builder
		if err := c.Effective(&printed); err != nil || strings.Count(printed.String(), "min_interval: 10s") != 3 {
			t.Errorf("%s: printed %v\n%s", name, err, printed.String())
		}
	}
	if c := mustLoad(t, Lictor, nil, nil, "-template", "d:e"); c.Templates[0].MinInterval != 0 {
		t.Errorf("min_interval of a template is %v where nothing is set", c.Templates[0].MinInterval)
	}
}
