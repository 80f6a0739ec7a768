package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Each mistake is one line that says where it is, what it is, and what to do.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, file, src, want string }{
		{"unknown", "a.hcl", "\nbogus = 1\n", `a.hcl:2: unknown option "bogus"`},
		{"misspelt in a block", "a.hcl", "template {\n  comand = \"x\"\n}", `a.hcl:2: unknown option "comand" in template: did you mean "command"?`},
		{"misspelt block", "a.hcl", "prefixx {\n}", `a.hcl:1: unknown option "prefixx": did you mean "prefix"?`},
		{"misspelt two deep", "a.hcl", "consul {\n retry {\n  atempts = 1\n }\n}", `a.hcl:3: unknown option "atempts" in consul.retry: did you mean "attempts"?`},
		{"of templates", "a.hcl", "check = \"true\"", `a.hcl:1: unknown option "check": it belongs into a template block`},
		{"of templates, or the block for all", "a.hcl", "min_interval = \"1s\"", `a.hcl:1: unknown option "min_interval": it belongs into a template block, or into the block "reload" as the default of all`},
		{"of programs", "a.hcl", "env {\n custom = [\"A=b\"]\n}", `a.hcl:1: unknown option "env": it belongs into the exec block: write exec { env ... }, at the top level for the program, in a template for its command`},
		{"of commands", "a.hcl", "template {\n env { custom = [\"A=b\"] }\n}", `a.hcl:2: unknown option "env" in template: it belongs into the exec block of the template: write exec { env ... }`},
		{"of the top level", "a.hcl", "template {\n cache = \"c\"\n}", `a.hcl:2: unknown option "cache" in template: it belongs to the top level, beside the template blocks`},
		{"reload in a template", "a.yaml", "template:\n- reload: {min_interval: 1s}\n", `a.yaml:2: unknown option "reload" in template: write min_interval = "10s" without a block around it`},
		{"gone from the peer", "a.hcl", "vault {\n grace = \"1s\"\n}", `a.hcl:2: unknown option "grace" in vault`},
		{"json", "a.json", "{\n \"template\": [\n  {\"contents\": \"x\"},\n  {\"destinaton\": \"x\"}\n ]\n}", `a.json:4: unknown option "destinaton" in template: did you mean "destination"?`},
		{"json after strings with line ends", "a.json", "{\"pid_file\": \"a\\nb\",\n\n\"logLevel\": \"info\"}", `a.json:3: unknown option "logLevel": did you mean "log_level"?`},
		{"yaml", "a.yaml", "template:\n  - contents: x\n    perm: 0600\n", `a.yaml:3: unknown option "perm" in template: did you mean "perms"?`},
		{"label", "a.hcl", "prefix \"t\" {\n path = \"x\"\n}", `a.hcl:1: block "prefix" takes no label: remove "t"`},
		{"text for a bool", "a.hcl", `pristine = "true"`, `a.hcl:1: pristine: want true or false without quotes, found a text`},
		{"text for a switch", "a.yml", "template:\n  error_fatal: \"false\"\n", `a.yml:2: template.error_fatal: want true or false, found a text`},
		{"number for a text", "a.hcl", `pid_file = 7`, `a.hcl:1: pid_file: want a text in quotes, found a number`},
		{"text for a number", "a.hcl", "consul {\n retry {\n attempts = \"3\"\n }\n}", `a.hcl:3: consul.retry.attempts: want a whole number without quotes, found a text`},
		{"fraction", "a.json", `{"consul": {"retry": {"attempts": 1.5}}}`, `a.json:1: consul.retry.attempts: want a whole number, found 1.5`},
		{"list for a text", "a.hcl", "pid_file = [\"a\"]", `a.hcl:1: pid_file: want a text in quotes, found a list`},
		{"text for a block", "a.hcl", `exec = "run"`, `a.hcl:1: exec: want a block, found a text`},
		{"number in a list", "a.hcl", "exec {\n env {\n  custom = [\"A=1\",\n 2]\n }\n}", `a.hcl:4: exec.env.custom: want a text in quotes, found a number`},
		{"number in a command", "a.hcl", "exec {\n command = [\"sleep\",\n  5]\n}", `a.hcl:3: exec.command: want a text: each item`},
		{"empty check", "a.hcl", "template {\n check = \"\"\n}", `a.hcl:2: template.check: is empty: want a command, or leave the option out`},
		{"guard in a template", "a.yaml", "template:\n  - contents: x\n    guard:\n      max_shrink: 50%\n", `a.yaml:3: unknown option "guard" in template: it belongs to the top level, since templates share what they read`},
		{"empty check list", "a.yaml", "template:\n  - source: x\n    check: []\n", `a.yaml:3: template.check: is empty`},
		{"check without a value", "a.yaml", "template:\n  - source: x\n    check:\n", `a.yaml:3: template.check: has no value: write one, or leave the option out`},
		{"check that is null", "a.json", "{\"template\": [{\"source\": \"x\",\n \"check\": null}]}", `a.json:2: template.check: has no value`},
		{"max_shrink without a value", "a.yaml", "guard:\n- min_instances: 1\n  max_shrink:\n", `a.yaml:3: guard.max_shrink: has no value`},
		{"guard without a value", "a.yaml", "guard:\n", `a.yaml:1: guard: has no value`},
		{"interval without a value", "a.yaml", "reload:\n  min_interval: ~\n", `a.yaml:2: reload.min_interval: has no value`},
		{"misspelt without a value", "a.yaml", "template:\n  - source: x\n    chekc:\n", `a.yaml:3: unknown option "chekc" in template: did you mean "check"?`},
		{"blank command", "a.hcl", "exec {\n command = \"  \"\n}", `a.hcl:2: exec.command: the command is blank`},
		{"duration without a unit", "a.hcl", `max_stale = "5"`, `a.hcl:1: max_stale: invalid duration "5" has no unit: write for example "5s"`},
		{"check_timeout without a unit", "a.hcl", "template {\n check_timeout = 5\n}", `a.hcl:2: template.check_timeout: 5 has no unit, and would be nanoseconds: for seconds write "5s"`},
		{"hold without a unit", "a.hcl", "guard {\n max_shrink = \"50%\"\n hold = 300\n}", `a.hcl:3: guard.hold: 300 has no unit`},
		{"min_interval without a unit", "a.yaml", "reload:\n  min_interval: 10\n", `a.yaml:2: reload.min_interval: 10 has no unit`},
		{"bad duration", "a.hcl", `max_stale = "soon"`, `a.hcl:1: max_stale: invalid duration "soon"`},
		{"negative duration", "a.hcl", `max_stale = "-2s"`, `a.hcl:1: max_stale: duration "-2s" is negative`},
		{"negative number of nanoseconds", "a.json", `{"max_stale": -2}`, `a.json:1: max_stale: invalid duration -2`},
		{"wait the wrong way round", "a.hcl", `wait = "5s:1s"`, `a.hcl:1: wait: min 5s is more than max 1s`},
		{"wait block the wrong way round", "a.hcl", "wait {\n min = \"5s\"\n max = \"1s\"\n}", `a.hcl:2: wait.min: min 5s is more than max 1s`},
		{"signal without SIG", "a.hcl", `kill_signal = "TERM"`, `a.hcl:1: kill_signal: unknown signal "TERM": did you mean "SIGTERM"?`},
		{"no such signal", "a.hcl", `kill_signal = "SIGNOPE"`, `a.hcl:1: kill_signal: unknown signal "SIGNOPE": want a name such as SIGHUP`},
		{"signal number", "a.hcl", `kill_signal = 15`, `a.hcl:1: kill_signal: want the name of a signal`},
		{"decimal mode", "a.json", `{"template": {"perms": 640}}`, `a.json:1: template.perms: mode 640 is a decimal number here (octal 01200): write "0640"`},
		{"mode out of range", "a.hcl", "template {\n perms = \"4755\"\n}", `a.hcl:2: template.perms: mode 4755 is out of range`},
		{"no mode", "a.hcl", "template {\n perms = \"rw-r--r--\"\n}", `a.hcl:2: template.perms: bad mode "rw-r--r--"`},
		{"negative owner", "a.hcl", "template {\n user = -1\n}", `a.hcl:2: template.user: want a name or a whole number that is not negative, found -1`},
		{"more than all", "a.hcl", "guard {\n max_shrink = \"150%\"\n}", `a.hcl:2: guard.max_shrink: want a part such as "50%", more than 0% and at most 100%, found "150%"`},
		{"part without a sign", "a.hcl", "guard {\n max_shrink = \"50\"\n}", `at most 100%, found "50"`},
		{"log level", "a.hcl", `log_level = "loud"`, `a.hcl:1: log_level: invalid log level "loud"`},
		{"log format", "a.hcl", `log_format = "xml"`, `a.hcl:1: log_format: unknown format "xml": want text or json`},
		{"signal that can't be caught", "a.hcl", "\nreload_signal = \"SIGKILL\"", `a.hcl:2: reload_signal: SIGKILL can not be caught`},
		{"restart", "a.hcl", "exec {\n restart = \"maybe\"\n}", `a.hcl:2: exec.restart: unknown policy "maybe"`},
		{"way to reload", "a.hcl", "exec {\n reload = \"hup\"\n}", `a.hcl:2: exec.reload: unknown way "hup": want none, signal or restart`},
		{"reload by no signal", "a.hcl", "exec {\n reload = \"signal\"\n}", `a.hcl:2: exec.reload: there is no signal to send: set reload_signal too`},
		{"connections", "a.hcl", "consul {\n max_connections = 1\n}", `a.hcl:2: consul.max_connections: 1 is too few`},
		{"attempts", "a.hcl", "consul {\n retry {\n attempts = -1\n }\n}", `a.hcl:3: consul.retry.attempts: -1 is negative`},
		{"custom without a value", "a.hcl", "exec {\n env {\n custom = [\"A=1\", \"secret\"]\n }\n}", `a.hcl:3: exec.env.custom: entry 2 is not NAME=VALUE`},
		{"open block", "a.hcl", "prefix {\n  path = \"t/\"\n", `invalid HCL: object expected closing RBRACE`},
		{"open text", "a.hcl", "log_level = \"info\n", `a.hcl:1: invalid HCL`},
		{"open heredoc", "a.hcl", "template {\n contents = <<EOF\nabc\n", `invalid HCL`},
		{"bad escape", "a.hcl", "pid_file = \"a\\q\"\n", `a.hcl:1: invalid HCL`},
		{"escape of no letter", "a.hcl", "\n\"\\777\" = 1\n", `a.hcl:2: invalid HCL: malformed string`},
		{"open json", "a.json", "{\n\"template\": [\n", `invalid JSON: the file ends in the middle`},
		{"json comma", "a.json", "{\"pid_file\": \"a\",\n\"log_level\" \"b\"}", `a.json:2: invalid JSON: invalid character`},
		{"two json objects", "a.json", "{}\n{}", `a.json:2: invalid JSON: more text after the end`},
		{"yaml syntax", "a.yaml", "a: [1\nb: 2\n", `invalid YAML`},
		{"yaml tab", "a.yaml", "exec:\n\tcommand: x\n", `a.yaml:2: invalid YAML`},
		{"two yaml documents", "a.yaml", "pid_file: x\n---\npid_file: y\n", `a.yaml:2: more than one YAML document`},
		{"yaml list", "a.yaml", "- a\n", "a.yaml:1: want options and blocks, found a list"},
		{"yaml text", "a.yaml", "hello\n", "a.yaml:1: want options and blocks, found a text"},
		{"yaml that contains itself", "a.yaml", "template: &a\n  exec: *a\n", `invalid YAML: blocks or lists nest deeper`},
		{"deep json", "a.json", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `invalid JSON: blocks or lists nest deeper`},
		{"deep hcl", "a.hcl", strings.Repeat("a {\n", 100) + strings.Repeat("}\n", 100), `blocks or lists nest deeper`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := load(t, Lictor, map[string]string{c.file: c.src}, nil, "-config", "DIR/"+c.file)
			wantError(t, err, c.want)
			if at, ok := errors.AsType[*Error](err); !ok || at.Pos.Line < 1 {
				t.Errorf("error %v has no place", err)
			}
		})
	}
}

// All mistakes are reported, in the order of the file, not only the first.
func TestAllMistakesAtOnce(t *testing.T) {
	_, _, err := hcl(t, "consul {\n adress = \"x\"\n}\nmax_stale = true\nlog_level = \"loud\"\ntemplate {\n perms = \"9\"\n}\n")
	wantError(t, err, "a.hcl:2: ", "a.hcl:4: ", "a.hcl:5: ", "a.hcl:7: ")
}

// What a value may look like, and what it then is.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		name, src string
		get       func(Config) any
		want      any
	}{
		{"duration text", `max_stale = "1m30s"`, func(c Config) any { return c.MaxStale }, 90 * time.Second},
		{"duration number", `max_stale = 5000000000`, func(c Config) any { return c.MaxStale }, 5 * time.Second},
		{"leader only", `max_stale = "0s"`, func(c Config) any { return c.MaxStale }, time.Duration(0)},
		{"wait text", `wait = "2s"`, func(c Config) any { return c.Wait }, Wait{On, 2 * time.Second, 8 * time.Second}},
		{"wait text with max", `wait = "2s:3s"`, func(c Config) any { return c.Wait }, Wait{On, 2 * time.Second, 3 * time.Second}},
		{"wait block", "wait {\n min = \"1s\"\n}", func(c Config) any { return c.Wait }, Wait{On, time.Second, 4 * time.Second}},
		{"wait off", "wait {\n enabled = false\n min = \"1s\"\n}", func(c Config) any { return c.Wait.Enabled }, Off},
		{"wait, the peer's name of enabled", "wait {\n bool = true\n min = \"1s\"\n}", func(c Config) any { return c.Wait.Enabled }, On},
		{"no wait", ``, func(c Config) any { return c.Wait }, Wait{}},
		{"signal", `kill_signal = "sigUsr1"`, func(c Config) any { return c.KillSignal.String() }, "SIGUSR1"},
		{"no signal", `reload_signal = ""`, func(c Config) any { return c.ReloadSignal }, Signal(0)},
		{"heredoc", "template {\n contents = <<EOF\n  a\n b\nEOF\n}", func(c Config) any { return c.Templates[0].Contents }, "  a\n b\n"},
		{"indented heredoc", "template {\n contents = <<-EOF\n    a\n     b\n    EOF\n}", func(c Config) any { return c.Templates[0].Contents }, "a\n b\n"},
		{"comments", "# a\n// b\n/* c\n */ log_level = \"info\" # d", func(c Config) any { return c.LogLevel }, "info"},
		{"case of names", "Log_Level = \"info\"", func(c Config) any { return c.LogLevel }, "info"},
		{"old list name", "template {\n function_blacklist = [\"env\"]\n function_denylist = [\"file\"]\n}", func(c Config) any { return c.Templates[0].FunctionDenylist }, []string{"env", "file"}},
		{"text for a list", "exec {\n env {\n allowlist = \"A, B_*,C\"\n }\n}", func(c Config) any { return c.Exec.Env.Allow }, []string{"A", "B_*", "C"}},
		{"whitelist", "exec {\n env {\n whitelist = [\"A\"]\n blacklist = [\"B\"]\n }\n}", func(c Config) any { return []any{c.Exec.Env.Allow, c.Exec.Env.Deny} }, []any{[]string{"A"}, []string{"B"}}},
		{"command with a comma", "exec {\n command = \"echo a,b\"\n}", func(c Config) any { return c.Exec.Command }, Command{[]string{"echo a,b"}, true}},
		{"command without blanks", "exec {\n command = \"./run.sh\"\n}", func(c Config) any { return c.Exec.Command }, Command{[]string{"./run.sh"}, false}},
		{"command with shell signs", "exec {\n command = \"a;b\"\n}", func(c Config) any { return c.Exec.Command }, Command{[]string{"a;b"}, true}},
		{"command list", "exec {\n command = [\"a b\", \"$c\"]\n}", func(c Config) any { return c.Exec.Command }, Command{[]string{"a b", "$c"}, false}},
		{"command list of one with blanks", "exec {\n command = [\"a b\"]\n}", func(c Config) any { return c.Exec.Command }, Command{[]string{"a b"}, true}},
		{"exec is on with a command", "exec {\n command = \"a\"\n}", func(c Config) any { return c.Exec.Enabled }, On},
		{"exec off", "exec {\n enabled = false\n command = \"a\"\n}", func(c Config) any { return c.Exec.Enabled }, Off},
		{"octal number", "template {\n perms = 0640\n}", func(c Config) any { return c.Templates[0].Perms }, Perms(0o640)},
		{"octal text", "template {\n perms = \"640\"\n}", func(c Config) any { return c.Templates[0].Perms }, Perms(0o640)},
		{"numeric owner", "template {\n user = 1000\n gid = 12\n}", func(c Config) any { return []Owner{c.Templates[0].User, c.Templates[0].Group} }, []Owner{"1000", "12"}},
		{"user wins over uid", "template {\n user = \"www\"\n uid = 7\n}", func(c Config) any { return c.Templates[0].User }, Owner("www")},
		{"exec.command wins over command", "template {\n command = \"a\"\n command_timeout = \"1s\"\n exec {\n command = \"b\"\n }\n}",
			func(c Config) any { return []any{c.Templates[0].Exec.Command.Args[0], c.Templates[0].Exec.Timeout} }, []any{"b", time.Second}},
		{"command timeout of exec", "template {\n exec {\n command = \"b\"\n timeout = \"3s\"\n }\n}", func(c Config) any { return c.Templates[0].Exec.Timeout }, 3 * time.Second},
		{"default command timeout", "template {\n command = \"a\"\n}", func(c Config) any { return c.Templates[0].Exec.Timeout }, 30 * time.Second},
		{"default exec timeout", "", func(c Config) any { return c.Exec.Timeout }, time.Duration(0)},
		{"template wait wins", "wait = \"9s\"\ntemplate {\n wait = \"1s:2s\"\n}\ntemplate {\n}", func(c Config) any { return []Wait{c.Templates[0].Wait, c.Templates[1].Wait} },
			[]Wait{{On, time.Second, 2 * time.Second}, {On, 9 * time.Second, 36 * time.Second}}},
		{"template that does not wait", "wait = \"9s\"\ntemplate {\n wait = \"0s\"\n}", func(c Config) any { return c.Templates[0].Wait.Enabled }, Off},
		{"delimiters alone", "default_delimiters {\n left = \"[[\"\n}\ntemplate {\n right_delimiter = \"]]\"\n}",
			func(c Config) any { return c.Templates[0].LeftDelimiter + c.Templates[0].RightDelimiter }, "[[]]"},
		{"error_fatal", "template_error_fatal = false\ntemplate {\n}\ntemplate {\n error_fatal = true\n}",
			func(c Config) any { return []Switch{c.Templates[0].ErrorFatal, c.Templates[1].ErrorFatal} }, []Switch{Off, On}},
		{"error_fatal of a daemon", "template {\n}", func(c Config) any { return c.Templates[0].ErrorFatal }, Off},
		{"ssl is on with any option", "consul {\n ssl {\n verify = false\n }\n}", func(c Config) any { return c.Consul.SSL.Enabled }, On},
		{"ssl is off by default", "consul {\n token = \"x\"\n}", func(c Config) any { return c.Consul.SSL.Enabled }, Off},
		{"ssl switched off", "consul {\n ssl {\n enabled = false\n cert = \"x\"\n }\n}", func(c Config) any { return c.Consul.SSL.Enabled }, Off},
		{"auth is on with a name", "consul {\n auth {\n username = \"u\"\n }\n}", func(c Config) any { return c.Consul.Auth.Enabled }, On},
		{"syslog is on with a facility", "syslog {\n facility = \"LOCAL5\"\n}", func(c Config) any { return c.Syslog.Enabled }, On},
		{"prefixes", "prefix {\n path = \"/a\"\n no_prefix = false\n}\nprefix {\n path = \"b\"\n}",
			func(c Config) any { return []any{c.Prefixes[0].Path, c.Prefixes[0].NoPrefix, c.Prefixes[1].NoPrefix} }, []any{"/a", Off, On}},
		{"prefix without a path", "prefix {\n path = \"a\"\n}\nprefix {\n format = \"x\"\n}", func(c Config) any { return len(c.Prefixes) }, 1},
		{"repeated key", "log_level = \"info\"\nlog_level = \"debug\"", func(c Config) any { return c.LogLevel }, "debug"},
		{"repeated block is replaced whole", "consul {\n address = \"a:1\"\n}\nconsul {\n token = \"t\"\n}",
			func(c Config) any { return c.Consul.Address + " " + c.Consul.Token.Reveal() }, "127.0.0.1:8500 t"},
		{"repeated exec", "exec {\n env {\n custom = [\"A=1\"]\n }\n}\nexec {\n splay = \"0s\"\n}", func(c Config) any { return c.Exec.Env.Custom }, []string(nil)},
		{"old consul text", `consul = "c:9"`, func(c Config) any { return c.Consul.Address }, "c:9"},
		{"old top level", "token = \"t\"\nretry = \"2s\"\nsplay = \"1s\"\ntimeout = \"3s\"\npath = \"x\"\nauth {\n username = \"u\"\n}\nssl {\n cert = \"c\"\n}", func(c Config) any {
			return []any{c.Consul.Token.Reveal(), c.Consul.Retry.Backoff, c.Consul.Retry.MaxBackoff, c.Exec.Splay, c.Exec.KillTimeout, c.Consul.Auth.Username, c.Consul.SSL.Enabled}
		}, []any{"t", 2 * time.Second, 2 * time.Second, time.Second, 3 * time.Second, "u", On}},
		{"once has no effect in a file", "once = true\nparseonly = true", func(c Config) any { return c.Once || c.ParseOnly }, false},
		{"empty", "", func(c Config) any { return len(c.Templates) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := hcl(t, c.src)
			if err != nil {
				t.Fatal(err)
			}
			if v := c.get(got); !reflect.DeepEqual(v, c.want) {
				t.Errorf("got %#v, want %#v", v, c.want)
			}
		})
	}
}

// The three languages say the same.
func TestOneMeaningInThreeLanguages(t *testing.T) {
	want := mustLoad(t, Lictor, map[string]string{"a": `
consul {
  address = "c:1"
  token   = "t"
  retry { attempts = 3  backoff = "1s" }
}
template {
  contents    = "x\ny\u00e9 \"q\"\n"
  destination = "out"
  command     = ["a", "b c"]
  perms       = 0600
  backup      = true
}
template { source = "s"  destination = "d"  command = "a b" }
exec { env { custom = ["A=1"] } }
wait = "1s:2s"
guard { queries = ["nodes()", "prefix(a,b/*)"]  max_shrink = "50%"  hold = "5m" }
`}, nil, "-config", "DIR/a")
	for name, src := range map[string]string{
		"a.json": `{"consul": {"address": "c:1", "token": "t", "retry": {"attempts": 3, "backoff": "1s"}},
"template": [{"contents": "x\ny\u00e9 \"q\"\n", "destination": "out", "command": ["a", "b c"], "perms": "0600", "backup": true},
 {"source": "s", "destination": "d", "command": "a b", "sandbox_path": null}],
"exec": [{"splay": "9s"}, {"env": {"custom": ["A=1"]}}], "wait": {"min": "1s", "max": "2s", "enabled": true},
"guard": {"queries": ["nodes()", "prefix(a,b/*)"], "max_shrink": "50%", "hold": "5m"}}`,
		"a.yaml": `
consul: {address: c:1, token: t, retry: {attempts: 3, backoff: 1s}}
template:
  - &first
    contents: "x\ny\u00e9 \"q\"\n"
    destination: out
    command: [a, b c]
    perms: 0600
    backup: true
  - source: s
    destination: d
    command: a b
exec:
  env: {custom: [A=1]}
wait: 1s:2s
guard:
  - queries: [nodes(), "prefix(a,b/*)"]
    max_shrink: 50%
    hold: 5m
`,
	} {
		got := mustLoad(t, Lictor, map[string]string{name: src}, nil, "-config", "DIR/"+name)
		if a, b := bare(got), bare(want); !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, a, b)
		}
	}
}

// What the peers have may be null, as they allow it in JSON: it is as if left out. So may options of old places.
func TestNull(t *testing.T) {
	for name, src := range map[string]string{
		"a.json": `{"consul": null, "token": null, "retry": null, "once": null, "max_stale": null, "template": [{"source": "s", "command": null, "user": null, "exec": null}]}`,
		"a.yaml": "consul:\nonce:\ntemplate:\n- source: s\n  command:\n  wait: ~\n",
	} {
		got := mustLoad(t, Lictor, map[string]string{name: src}, nil, "-config", "DIR/"+name)
		want := mustLoad(t, Lictor, map[string]string{"a.hcl": "template {\n source = \"s\"\n}"}, nil, "-config", "DIR/a.hcl")
		if a, b := bare(got), bare(want); !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, a, b)
		}
	}
}

// bare is a configuration without the places where things were set.
func bare(c Config) Config {
	c.origin, c.files = nil, nil
	for i := range c.Templates {
		c.Templates[i].Pos = Pos{}
	}
	for i := range c.Prefixes {
		c.Prefixes[i].Pos = Pos{}
	}
	for i := range c.Services {
		c.Services[i].Pos = Pos{}
	}
	for i := range c.Guards {
		c.Guards[i].Pos = Pos{}
	}
	return c
}

func TestYAMLMergeKeys(t *testing.T) {
	c := mustLoad(t, Lictor, map[string]string{"a.yaml": `
template:
  - &base {source: a, destination: b, backup: true, perms: 0600}
  - {<<: *base, destination: c, backup: false}
`}, nil, "-config", "DIR/a.yaml")
	got := c.Templates[1]
	if got.Source != "a" || got.Destination != "c" || got.Backup || got.Perms != 0o600 {
		t.Errorf("got %+v", got)
	}
}

// Old spellings and traps work, but are pointed out.
func TestWarnings(t *testing.T) {
	for src, want := range map[string]string{
		`consul = "c:9"`:                         `a.hcl:1: the text form of consul is old`,
		"\ntoken = \"sesame\"":                   `a.hcl:2: token is old: write consul.token`,
		"template {\n check_timeout = \"5s\"\n}": `a.hcl:1: template: check_timeout has no effect without check`,
		`once = true`:                            `a.hcl:1: once has no effect in a file: use the flag`,
		"prefix {\n format = \"x\"\n}":           `a.hcl:1: a prefix block without a path is ignored`,
		"max_stale = 5":                          `a.hcl:1: max_stale: a number is taken as nanoseconds: for seconds write "5s"`,
		"deduplicate {\n enabled = true\n}":      `a.hcl:2: deduplicate has no effect`,
		"exec {\n timeout = \"5s\"\n}":           `a.hcl:2: exec.timeout has no effect: a program that is supervised runs as long`,
		"template {\n exec {\n timeout = \"5s\"\n restart = \"never\"\n splay = \"0s\"\n kill_signal = \"SIGUSR1\"\n }\n}": `a.hcl:6: template.exec.kill_signal has no effect: a command that is stopped gets SIGTERM`,
	} {
		_, warnings, err := hcl(t, src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], want) || strings.Contains(warnings[0], "sesame") {
			t.Errorf("%s: warnings %q, want one with %q", src, warnings, want)
		}
	}
}
