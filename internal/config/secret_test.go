package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestEffectiveRedacts(t *testing.T) {
	c := mustLoad(t, Lictor, map[string]string{"a": `
consul {
  address = "http://user:sesame@c:8500"
  token   = "sesame"
  auth { username = "u"  password = "sesame" }
}
vault { token = "sesame"  k8s_service_account_token = "sesame" }
nomad { token = "sesame"  auth_password = "sesame" }
exec { env { custom = ["PASSWORD=sesame", "OTHER=sesame=x"] } }
template { exec { env { custom = ["PASSWORD=sesame"] } } }
`}, map[string]string{}, "-config", "DIR/a")
	var b strings.Builder
	if err := c.Effective(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "sesame") {
		t.Errorf("shows a secret:\n%s", b.String())
	}
	for _, want := range []string{"PASSWORD=(redacted)", "username: u", "@c:8500", "token: (redacted)"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
}

// What `lictor config` prints is a configuration that means the same.
func TestEffectiveCanBeReadAgain(t *testing.T) {
	first := mustLoad(t, Lictor, map[string]string{"a": `
consul { address = "c:1"  ssl { verify = false }  retry { attempts = 4 } }
data = ["a b", "c"]
template {
  contents = "two\nlines: {{ key \"x\" }}\n"
  destination = "out"
  command = ["a", "b c"]
  perms = 0640
  user = 12
  wait = "1s"
  function_denylist = ["env"]
  check = "haproxy -c -f \"$LICTOR_STAGED\""
  commit_group = "lb"
}
template { source = "yes"  destination = "0x10"  command = "a | b"  error_fatal = false }
prefix { path = "p"  no_prefix = false  key { name = "k"  format = "f" } }
service { query = "q"  format_id = "i" }
exec { command = "run me"  reload_signal = "SIGHUP"  kill_timeout = "90m" }
reload_signal = ""
wait = "2s:3s"
log_file { path = "x"  log_rotate_bytes = 5 }
vault { address = "v"  renew_token = false }
syslog { facility = "USER" }
deduplicate { enabled = false }
`}, nil, "-config", "DIR/a")
	var b strings.Builder
	if err := first.Effective(&b); err != nil {
		t.Fatal(err)
	}
	second := mustLoad(t, Lictor, map[string]string{"b.yaml": b.String()}, nil, "-config", "DIR/b.yaml")
	if a, b := bare(first), bare(second); !reflect.DeepEqual(a, b) {
		t.Errorf("was %+v\n is %+v", a, b)
	}
	if !strings.Contains(b.String(), "address: c:1 # ") || !strings.Contains(b.String(), "a:2") {
		t.Errorf("does not say where the address comes from:\n%s", b.String())
	}
}

// A broken file of secrets does not show them in the error either.
func TestMistakesDoNotShowSecrets(t *testing.T) {
	for name, src := range map[string]string{
		"a.hcl":  "consul {\n token = [\"sesame\"]\n}\n",
		"b.json": `{"consul": {"token": {"x": "sesame"}, "auth": ["sesame"]}}`,
		"c.yaml": "consul:\n  token: [sesame]\n  auth: {password: [sesame]}\n",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := load(t, Lictor, nil, nil, "-config", path)
		wantError(t, err, "consul.token: want a text")
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("shows a secret: %v", err)
		}
	}
}
