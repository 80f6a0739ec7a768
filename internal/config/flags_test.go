package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestNormalizeArgs(t *testing.T) {
	fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
	Bind(fs, Lictor)
	for in, want := range map[string]string{
		"-once":                              "--once",
		"--once":                             "--once",
		"-once=false -dry":                   "--once=false --dry",
		"-once false":                        "--once false",
		"-log-level info":                    "--log-level=info",
		"--log-level info -once":             "--log-level=info --once",
		"-log-level=info":                    "--log-level=info",
		"-template a:b:c -template -:x":      "--template=a:b:c --template=-:x",
		"-log-level -once":                   "--log-level=-once", // the value may look like a flag, as in the peers
		"-log-level":                         "--log-level",
		"-v":                                 "--v",
		"-h":                                 "-h",
		"-bogus x":                           "--bogus x",
		"-once -- -dry":                      "--once -- -dry",
		"-once cmd -dry":                     "--once cmd -dry",
		"- -once":                            "- -once",
		"-consul-auth=user:pass=word render": "--consul-auth=user:pass=word render",
	} {
		if in == "-v" {
			want = "-v"
		}
		if got := strings.Join(NormalizeArgs(strings.Fields(in), fs), " "); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestFlagMistakes(t *testing.T) {
	for _, c := range []struct {
		p    Persona
		args string
		want string
	}{
		{ConsulTemplate, "-bogus", "flag provided but not defined: -bogus"},
		{ConsulTemplate, "-tempalte a:b", "flag provided but not defined: -tempalte: did you mean -template?"},
		{ConsulTemplate, "-template", "flag needs an argument: -template"},
		{ConsulTemplate, "-wait abc", `invalid value "abc" for flag -wait: invalid duration "abc"`},
		{ConsulTemplate, "-wait 5s:2s", `invalid value "5s:2s" for flag -wait: min 5s is more than max 2s`},
		{ConsulTemplate, "-once=maybe", `invalid value "maybe" for flag -once: want true or false`},
		{ConsulTemplate, "-kill-signal TERM", `invalid value "TERM" for flag -kill-signal: unknown signal "TERM": did you mean "SIGTERM"?`},
		{ConsulTemplate, "-consul-retry-attempts many", `invalid value "many" for flag -consul-retry-attempts: want a number`},
		{ConsulTemplate, "-max-stale 5", `invalid value "5" for flag -max-stale: invalid duration "5" has no unit`},
		{ConsulTemplate, "-template :out", `invalid value ":out" for flag -template: no source`},
		{Envconsul, "-consul-token-file x", "flag provided but not defined: -consul-token-file"},
		{Envconsul, "-exec-reload-signal SIGHUP", "flag provided but not defined: -exec-reload-signal"},
		{Envconsul, "-exec-env-pristine", "flag provided but not defined: -exec-env-pristine"},
		{Envconsul, "-log-file x", "flag provided but not defined: -log-file"},
		{Envconsul, "-template a:b", "flag provided but not defined: -template"},
		{Envconsul, "-dry", "flag provided but not defined: -dry"},
		{Envconsul, "-service-format-id x", "invalid value \"x\" for flag -service-format-id: it belongs to a -service-query, which must come before it"},
		{Lictor, "-template-check x", "invalid value \"x\" for flag -template-check: it belongs to a -template, which must come before it"},
		{LictorExec, "-template a:b -template-check=", "invalid value \"\" for flag -template-check: is empty: want a command"},
		{Lictor, "-template-perms 0600", "invalid value \"0600\" for flag -template-perms: it belongs to a -template, which must come before it"},
		{Lictor, "-template a:b -template-perms 1777", "invalid value \"1777\" for flag -template-perms: mode 1777 is out of range"},
		{Lictor, "-template a:b -template-perms rw", "invalid value \"rw\" for flag -template-perms: bad mode \"rw\""},
		{ConsulTemplate, "-template a:b -template-perms 0600", "flag provided but not defined: -template-perms"},
		{ConsulTemplate, "-template a:b -template-rollback", "flag provided but not defined: -template-rollback"},
		{ConsulTemplate, "-reload-min-interval 5s", "flag provided but not defined: -reload-min-interval"},
		{ConsulTemplate, "-prefix x", "flag provided but not defined: -prefix"},
		{ConsulTemplate, "-consul-addr x -splay 1s", "flag provided but not defined: -splay"},
	} {
		_, _, err := load(t, c.p, nil, nil, strings.Fields(c.args)...)
		wantError(t, err, c.want)
		if _, placed := errors.AsType[*Error](err); placed {
			t.Errorf("%s: a mistake in flags must be no *Error: it has another exit code", c.args)
		}
	}
}

// An option of the latest -template is none of a template that a file has.
func TestTemplateFlagsAreNotForFiles(t *testing.T) {
	files := map[string]string{"c.hcl": `template { source = "a" destination = "b" command = "true" }`}
	_, _, err := load(t, Lictor, files, nil, "-config", "DIR/c.hcl", "-template-rollback")
	wantError(t, err, "it belongs to a -template, which must come before it")
}

// Every flag that the peers list in -h, or were seen to take, is taken, with one dash or two, joined or not.
func TestPeerFlags(t *testing.T) {
	common := `consul-addr=x consul-auth=u:p consul-retry consul-retry-attempts=3 consul-retry-backoff=1s consul-retry-max-backoff=1m
		consul-ssl consul-ssl-ca-cert=x consul-ssl-ca-path=x consul-ssl-cert=x consul-ssl-key=x consul-ssl-server-name=x consul-ssl-verify
		consul-token=x consul-transport-dial-keep-alive=1s consul-transport-dial-timeout=1s consul-transport-disable-keep-alives
		consul-transport-max-idle-conns-per-host=5 consul-transport-tls-handshake-timeout=1s exec=x exec-kill-signal=SIGINT
		exec-kill-timeout=1s exec-splay=1s kill-signal=SIGINT log-level=info max-stale=1s once pid-file=x reload-signal=SIGHUP syslog
		syslog-facility=LOCAL1 vault-addr=x vault-agent-token-file=x vault-renew-token vault-unwrap-token vault-token=x vault-retry
		vault-retry-attempts=1 vault-retry-backoff=1s vault-retry-max-backoff=1s vault-ssl vault-ssl-ca-cert=x vault-ssl-ca-path=x
		vault-ssl-cert=x vault-ssl-key=x vault-ssl-server-name=x vault-ssl-verify vault-transport-dial-keep-alive=1s
		vault-transport-dial-timeout=1s vault-transport-disable-keep-alives vault-transport-max-idle-conns-per-host=1
		vault-transport-tls-handshake-timeout=1s wait=1s:2s retry=1s `
	for p, more := range map[Persona]string{
		ConsulTemplate: `consul-token-file=x dedup default-left-delimiter=x default-right-delimiter=y dry exec-env-pristine exec-env-custom=A=1
			exec-env-allowlist=A exec-env-denylist=B exec-reload-signal=SIGHUP log-file=x log-rotate-bytes=1 log-rotate-duration=1h
			log-rotate-max-files=3 parse-only syslog-name=x template=a:b template-error-fatal vault-client-user-agent=x
			vault-default-lease-duration=1m vault-transport-max-conns-per-host=1`,
		Envconsul: `no-prefix prefix=x pristine sanitize secret=x service-query=x service-format-id=a service-format-name=a
			service-format-address=a service-format-tag=a service-format-port=a upcase vault-namespace=x vault-k8s-auth-role-name=x
			vault-k8s-service-account-token=x vault-k8s-service-account-token-path=x vault-k8s-service-mount-path=x
			auth=u consul=x splay=1s ssl ssl-verify ssl-ca-cert=x ssl-cert=x timeout=1s token=x`,
	} {
		for _, flag := range strings.Fields(common + more) {
			name, value, takes := strings.Cut(flag, "=")
			forms := [][]string{{"-" + flag}, {"--" + flag}}
			if takes {
				forms = append(forms, []string{"-" + name, value}, []string{"--" + name, value})
			} else {
				forms = append(forms, []string{"-" + name + "=false"})
			}
			for _, args := range forms {
				if p == Envconsul && strings.HasPrefix(name, "service-format") {
					args = append([]string{"-service-query=s"}, args...)
				}
				if _, _, err := load(t, p, nil, nil, args...); err != nil {
					t.Errorf("%v %v: %v", p, args, err)
				}
			}
		}
	}
}

// What flags do to the configuration.
func TestFlagEffects(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Persona
		args []string
		get  func(Config) any
		want any
	}{
		{"addr", Lictor, []string{"-consul-addr", "x:1"}, func(c Config) any { return c.Consul.Address }, "x:1"},
		{"consul is short for it", Lictor, []string{"-consul=x:1"}, func(c Config) any { return c.Consul.Address }, "x:1"},
		{"last one wins", Lictor, []string{"-consul=a", "-consul-addr=b", "-once", "-once=false"}, func(c Config) any { return []any{c.Consul.Address, c.Once} }, []any{"b", false}},
		{"bools", Lictor, []string{"-once", "-dry=true", "-consul-retry=false"}, func(c Config) any { return []bool{c.Once, c.Dry, c.Consul.Retry.Enabled} }, []bool{true, true, false}},
		{"retry", ConsulTemplate, []string{"-retry", "30s"}, func(c Config) any { return []any{c.Consul.Retry.Backoff, c.Consul.Retry.MaxBackoff} }, []any{30 * time.Second, time.Minute}},
		{"old retry", Envconsul, []string{"-retry", "30s"}, func(c Config) any { return []any{c.Consul.Retry.Backoff, c.Consul.Retry.MaxBackoff} }, []any{30 * time.Second, 30 * time.Second}},
		{"wait", Lictor, []string{"-wait=1s"}, func(c Config) any { return c.Wait }, Wait{On, time.Second, 4 * time.Second}},
		{"auth", Lictor, []string{"-consul-auth=u:p:q"}, func(c Config) any { return c.Consul.Auth }, Auth{On, "u", "p:q"}},
		{"ssl", Lictor, []string{"-consul-ssl-cert=x"}, func(c Config) any { return c.Consul.SSL.Enabled }, On},
		{"template", Lictor, []string{"-template", "a:b"}, func(c Config) any { return []string{c.Templates[0].Source, c.Templates[0].Destination} }, []string{"a", "b"}},
		{"template command keeps colons", Lictor, []string{"-template", "a:b:echo a:b:c"}, func(c Config) any { return c.Templates[0].Exec.Command }, Command{[]string{"echo a:b:c"}, true}},
		{"template from standard input", Lictor, []string{"-template", "-:b"}, func(c Config) any { return c.Templates[0].Source }, "-"},
		{"template to standard output", Lictor, []string{"-template", "a:-"}, func(c Config) any { return c.Templates[0].Destination }, "/dev/stdout"},
		{"- is a file of the peer's", ConsulTemplate, []string{"-template", "a:-"}, func(c Config) any { return c.Templates[0].Destination }, "-"},
		{"template without a destination", Lictor, []string{"-dry", "-template", "ab"}, func(c Config) any { return c.Templates[0].Destination }, ""},
		{"delimiters", Lictor, []string{"-template", "a:b", "-default-left-delimiter", "[["}, func(c Config) any { return c.Templates[0].LeftDelimiter + c.Templates[0].RightDelimiter }, "[[}}"},
		{"error fatal", Lictor, []string{"-template", "a:b", "-template-error-fatal=false"}, func(c Config) any { return c.Templates[0].ErrorFatal }, Off},
		{"options of the latest template", Lictor, []string{"-template", "a:b", "-template-check", "x -c {{.Staged}}", "-template-commit-group=g", "-template", "c:d", "-template-perms", "0600", "-template-rollback", "-reload-min-interval", "7s"}, func(c Config) any {
			a, b := c.Templates[0], c.Templates[1]
			return []any{a.Check, a.CommitGroup, a.Rollback, a.MinInterval, a.Perms, b.Check, b.CommitGroup, b.Rollback, b.MinInterval, b.Perms}
		}, []any{Command{[]string{"x -c {{.Staged}}"}, true}, "g", false, 7 * time.Second, Perms(0), Command{}, "", true, 7 * time.Second, Perms(0o600)}},
		{"prefix loses one slash", Envconsul, []string{"-prefix", "//a@dc1"}, func(c Config) any { return c.Prefixes[0].Path }, "/a@dc1"},
		{"empty prefix is all keys", Envconsul, []string{"-prefix", ""}, func(c Config) any { return len(c.Prefixes) }, 1},
		{"no-prefix reaches all", Envconsul, []string{"-prefix", "a", "-no-prefix=false", "-prefix", "b"}, func(c Config) any { return []Switch{c.Prefixes[0].NoPrefix, c.Prefixes[1].NoPrefix} }, []Switch{Off, Off}},
		{"service formats", Envconsul, []string{"-service-query", "a", "-service-format-id", "ID", "-service-query", "b", "-service-format-port", "P"},
			func(c Config) any {
				return []string{c.Services[0].FormatID, c.Services[0].FormatPort, c.Services[1].FormatID, c.Services[1].FormatPort}
			}, []string{"ID", "", "", "P"}},
		{"pristine", LictorExec, []string{"-pristine", "-upcase", "-sanitize"}, func(c Config) any { return c.Pristine && c.Upcase && c.Sanitize }, true},
		{"restart", LictorExec, []string{"-restart=always"}, func(c Config) any { return c.Exec.Restart }, "always"},
		{"reload", LictorExec, []string{"-exec-reload=none"}, func(c Config) any { return c.Exec.Reload }, "none"},
		{"data", Lictor, []string{"-data", "a,b", "-data", "c", "-set", "k=1,2"}, func(c Config) any { return [][]string{c.Data, c.Set} }, [][]string{{"a,b", "c"}, {"k=1,2"}}},
		{"syslog", Lictor, []string{"-syslog-facility", "DAEMON"}, func(c Config) any { return c.Syslog.Enabled }, On},
		{"no signal", Lictor, []string{"-reload-signal="}, func(c Config) any { return c.ReloadSignal }, Signal(0)},
		{"exec", Lictor, []string{"-exec", "a b"}, func(c Config) any { return []any{c.Exec.Command, c.Exec.Enabled} }, []any{Command{[]string{"a b"}, true}, On}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.get(mustLoad(t, c.p, nil, nil, c.args...)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

// -template-error-fatal overrides what templates in files say; -no-prefix leaves prefixes in files alone.
func TestFlagsAndFiles(t *testing.T) {
	files := map[string]string{"a": "template {\n source = \"x\"\n error_fatal = true\n}\nprefix {\n path = \"p\"\n}\nexec {\n command = \"from-file\"\n}"}
	c := mustLoad(t, LictorExec, files, nil, "-template-error-fatal=false", "-config", "DIR/a", "-no-prefix=false", "-prefix", "q")
	if c.Templates[0].ErrorFatal != Off {
		t.Error("the template's own error_fatal wins over the flag")
	}
	if c.Prefixes[0].NoPrefix != On || c.Prefixes[1].NoPrefix != Off {
		t.Errorf("no_prefix: %v", c.Prefixes)
	}
}

// -exec, then arguments, then files.
func TestCommandOfTheArguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.hcl")
	if err := os.WriteFile(file, []byte(`exec { command = "from-file" }`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		cmd  []string
		want Command
	}{
		{nil, nil, Command{[]string{"from-file"}, false}},
		{nil, []string{"printf", "%s,", "one two"}, Command{[]string{"printf", "%s,", "one two"}, false}},
		{nil, []string{"echo $k | cat"}, Command{[]string{"echo $k | cat"}, true}},
		{[]string{"--exec=flag"}, []string{"arguments"}, Command{[]string{"flag"}, false}},
	} {
		fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
		flags := Bind(fs, Envconsul)
		if err := fs.Parse(append(c.args, "--config="+file)); err != nil {
			t.Fatal(err)
		}
		flags.Command = c.cmd
		got, _, err := Load(Envconsul, flags, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Exec.Command, c.want) {
			t.Errorf("%v %v: got %v, want %v", c.args, c.cmd, got.Exec.Command, c.want)
		}
	}
}

// A second Load with the same flags, as a reload does, gives the same.
func TestLoadAgain(t *testing.T) {
	fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
	flags := Bind(fs, Lictor)
	if err := fs.Parse([]string{"--template=a:b", "--exec-env-custom=A=1", "--once"}); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	first, _, err := Load(Lictor, flags, none)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := Load(Lictor, flags, none)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v\nsecond %+v, %v", first, second, err)
	}
}

func TestOldFlagsWarn(t *testing.T) {
	_, warnings, err := load(t, Envconsul, nil, nil, "-consul", "x", "-retry=1s", "-splay=0s", "-timeout", "5s", "-token=sesame")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(warnings, "\n")
	for _, want := range []string{"flag -consul: this flag is old: use -consul-addr", "flag -retry: ", "flag -splay: ", "flag -timeout: this flag has no effect", "flag -token: "} {
		if !strings.Contains(all, want) {
			t.Errorf("warnings %q lack %q", all, want)
		}
	}
	if len(warnings) != 5 || strings.Contains(all, "sesame") {
		t.Errorf("warnings %q", warnings)
	}
}

// What command lines for early versions of consul-template have works, too.
func TestOldFlagsOfConsulTemplateWarn(t *testing.T) {
	c, warnings, err := load(t, ConsulTemplate, nil, nil, "-consul", "x:1", "-retry", "30s", "-token=sesame", "-auth", "u:p", "-ssl", "-ssl-verify=false", "-ssl-ca-cert=ca", "-ssl-cert=c")
	if err != nil {
		t.Fatal(err)
	}
	if c.Consul.Address != "x:1" || c.Consul.Retry.Backoff != 30*time.Second || c.Consul.SSL.Verify || c.Consul.Token.Reveal() != "sesame" {
		t.Errorf("got %+v", c.Consul)
	}
	all := strings.Join(warnings, "\n")
	for _, want := range []string{"flag -consul: this flag is old: use -consul-addr", "flag -retry: this flag is old: use -consul-retry-backoff", "flag -ssl-verify: "} {
		if !strings.Contains(all, want) {
			t.Errorf("warnings %q do not have %q", all, want)
		}
	}
	if len(warnings) != 8 || strings.Contains(all, "sesame") {
		t.Errorf("warnings %q", warnings)
	}
}

func TestStrayValues(t *testing.T) {
	for line, want := range map[string]string{
		"-dry false":                       `flag -dry takes its value after "=": write -dry=false`,
		"-template a --once True -dry":     `flag -once takes its value after "=": write -once=True`,
		"-dry=true false":                  "",
		"-template false":                  "",
		"-template a false":                "",
		"-dry -- false":                    "",
		"-dry falsehood":                   "",
		"false":                            "",
		"":                                 "",
		"program: -upcase false":           "",
		"program: -upcase true x -dry":     "",
		"program: -upcase false -- env":    `flag -upcase takes its value after "=": write -upcase=false`,
		"program: -upcase false -once env": `flag -upcase takes its value after "=": write -upcase=false`,
	} {
		args, program := strings.CutPrefix(line, "program: ")
		fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
		Bind(fs, LictorExec)
		got := ""
		if err := StrayValue(NormalizeArgs(strings.Fields(args), fs), fs, program); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	for _, arg := range []string{"-v", "-version", "--version"} {
		fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
		flags := Bind(fs, ConsulTemplate)
		if err := fs.Parse(NormalizeArgs([]string{arg}, fs)); err != nil || !flags.ShowVersion {
			t.Errorf("%s: %v, %v", arg, flags.ShowVersion, err)
		}
	}
}

// The help names every flag that is not old, under a heading, in lines that fit.
func TestUsage(t *testing.T) {
	for _, p := range []Persona{Lictor, LictorExec, ConsulTemplate, Envconsul} {
		var b strings.Builder
		if err := Usage(&b, p); err != nil {
			t.Fatal(err)
		}
		for _, f := range Table(p) {
			if f.Group != unsupportedGroup && !slices.Contains(Groups(), f.Group) || f.Help == "" {
				t.Errorf("%v: -%s has group %q and help %q", p, f.Name, f.Group, f.Help)
			}
			if shown := regexp.MustCompile(`(?m)[ ,] -` + f.Name + `([ ,]|$)`).MatchString(b.String()); shown == f.Old {
				t.Errorf("%v: -%s old %t, shown %t", p, f.Name, f.Old, shown)
			}
		}
		for line := range strings.Lines(b.String()) {
			if len(line) > lineWidth+1 {
				t.Errorf("%v: long line %q", p, line)
			}
		}
	}
}
