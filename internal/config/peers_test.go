package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// shared is the folder of recorded configurations and cases beside the repository. Without it the test is skipped, but in
// CI it must be there.
func shared(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no ../shared beside the repository")
	}
	return dir
}

// Every recorded configuration of the peers is read as the peers read it.
func TestPeerConfigurations(t *testing.T) {
	dir := filepath.Join(shared(t), "configs")
	tmpl := func(change func(*Template)) Template {
		var c Config
		c.DefaultDelimiters, c.TemplateErrorFatal, c.PluginTimeout = Delimiters{"{{", "}}"}, On, 30*time.Second
		got := defaultTemplate()
		change(&got)
		c.completeTemplate(&got)
		return got
	}
	const pool, motd, port = "{{ key \"larch/pool\" }}", "{{ key \"larch/motd\" }}", "{{ key \"larch/http/port\" }}"
	const limit = "{{ with key \"larch/flags\" | parseJSON }}{{ .limit }} {{ .absent }}{{ end }}\n"
	for name, want := range map[string]func(*Config){
		"consul-template/01-contents-perms.hcl": func(c *Config) {
			c.Templates = []Template{tmpl(func(t *Template) {
				t.Contents = "bind={{ key \"larch/http/bind\" }}:{{ key \"larch/http/port\" }}\nmotd={{ keyOrDefault \"larch/nope\" \"none\" }}\n"
				t.Destination, t.Perms = "out/conf.d/http.conf", 0o640
			})}
		},
		"consul-template/02-backup-source.hcl": func(c *Config) {
			c.Templates = []Template{tmpl(func(t *Template) {
				t.Source, t.Destination, t.Backup, t.Perms = "pool.ctmpl", "out/pool.txt", true, 0o600
			})}
		},
		"consul-template/03-no-dest-dirs.hcl": func(c *Config) {
			c.Templates = []Template{tmpl(func(t *Template) { t.Contents, t.Destination, t.CreateDestDirs = "x\n", "missing/dir/file.txt", false })}
		},
		"consul-template/04-command-string-and-list.hcl": func(c *Config) {
			c.Templates = []Template{
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command = pool, "a.txt", Command{[]string{`echo "shell:$0:$(cat a.txt)" >> log.txt`}, true}
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command = motd, "b.txt", Command{[]string{"/usr/bin/tee", "-a", "log-$(id).txt"}, false}
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command = "third", "c.txt", Command{[]string{"true"}, false}
				}),
			}
		},
		"consul-template/05-shared-commands.hcl": func(c *Config) {
			c.Templates = []Template{
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command = pool, "a.txt", CommandOf("echo reload >> log.txt")
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command = motd, "b.txt", CommandOf("echo reload >> log.txt")
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command = port, "c.txt", CommandOf("echo other >> log.txt")
				}),
			}
		},
		"consul-template/06-command-timeout.hcl": func(c *Config) {
			c.Templates = []Template{tmpl(func(t *Template) {
				t.Contents, t.Destination, t.Command, t.CommandTimeout = pool, "a.txt", CommandOf("sleep 6; echo late >> log.txt"), time.Second
			})}
		},
		"consul-template/07-missing-key.hcl": func(c *Config) {
			c.Templates = []Template{
				tmpl(func(t *Template) { t.Contents, t.Destination = limit, "lenient.txt" }),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.ErrorOnMissingKey, t.ErrorFatal = limit, "strict.txt", true, Off
				}),
			}
		},
		"consul-template/08-delimiters.json": func(c *Config) {
			c.DefaultDelimiters, c.MaxStale = Delimiters{"[[", "]]"}, 5*time.Second
			c.Templates = []Template{
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.LeftDelimiter, t.RightDelimiter = "[[ key \"larch/pool\" ]] {{ untouched }}\n", "default.txt", "[[", "]]"
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.LeftDelimiter, t.RightDelimiter = "<% key \"larch/pool\" %> [[ untouched ]]\n", "own.txt", "<%", "%>"
				}),
			}
		},
		"consul-template/09-wait.hcl": func(c *Config) {
			c.Wait = Wait{On, 2 * time.Second, 6 * time.Second}
			c.Templates = []Template{
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command, t.Wait = pool, "global.txt", CommandOf("date +%s.%N >> global.log"), c.Wait
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Command, t.Wait = pool, "own.txt", CommandOf("date +%s.%N >> own.log"), Wait{On, 500 * time.Millisecond, time.Second}
				}),
			}
		},
		"consul-template/10-sandbox-denylist.hcl": func(c *Config) {
			c.Templates = []Template{
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.SandboxPath = `{{ file "box/inside.txt" }}`, "inside.txt", "box"
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.FunctionDenylist, t.ErrorFatal = `{{ env "HOME" }}`, "env.txt", []string{"env"}, Off
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.FunctionDenylist, t.ErrorFatal = `{{ toUpper "abc" }}`, "upper.txt", []string{"toUpper"}, Off
				}),
			}
		},
		"consul-template/11-exec-supervise.hcl": func(c *Config) {
			c.PidFile, c.ReloadSignal, c.KillSignal, c.LogLevel = "ct.pid", 10, 15, "info"
			c.LogFile.Path, c.LogFile.RotateMaxFiles = "logs/", 2
			c.Templates = []Template{tmpl(func(t *Template) { t.Contents, t.Destination = pool+"\n", "pool.txt" })}
			c.Exec.Command, c.Exec.Enabled, c.Exec.ReloadSignal, c.Exec.KillTimeout = Command{[]string{"./sigchild"}, false}, On, 1, 2*time.Second
			c.Exec.Env = Env{Pristine: true, Custom: []string{"CHILD_LOG=child.log", "v_mode=test"}}
		},
		"consul-template/12-owner-and-template-exec.hcl": func(c *Config) {
			c.Templates = []Template{
				tmpl(func(t *Template) {
					t.Contents = "{{ range service \"birch\" }}{{ .ID }} {{ .Address }}:{{ .Port }}\n{{ end }}"
					t.Destination, t.Perms, t.User, t.Group = "birch.txt", 0o644, "nobody", "12"
					t.Exec.Command, t.Exec.Timeout, t.Exec.Env = CommandOf("/usr/bin/env"), 5*time.Second, Env{Pristine: true, Custom: []string{"WHO=template"}}
				}),
				tmpl(func(t *Template) {
					t.Contents, t.Destination, t.Exec.Command = pool, "both.txt", CommandOf("echo from-exec >> log.txt")
				}),
			}
		},
		"envconsul/01-app.hcl": func(c *Config) {
			c.Upcase, c.Sanitize, c.Prefixes = true, true, []Prefix{{Path: "larch/", NoPrefix: On}}
			c.Exec.Command, c.Exec.Enabled = Command{[]string{`env -0 | sort -z | tr '\0' '\n'`}, true}, On
		},
		"envconsul/02-layers.hcl": func(c *Config) {
			c.Prefixes = []Prefix{{Path: "larch/", Format: "LARCH_{{ key }}", NoPrefix: On}, {Path: `larch/site/{{ env "SITE" }}`, Format: "LARCH_{{ key }}", NoPrefix: On}}
			c.Exec.Command, c.Exec.Enabled = CommandOf("/usr/bin/env"), On
		},
		"envconsul/03-closed-environment.hcl": func(c *Config) {
			c.Prefixes = []Prefix{{Path: "larch/", NoPrefix: On}}
			c.Exec.Command, c.Exec.Enabled = CommandOf("/usr/bin/env"), On
			c.Exec.Env = Env{Allow: []string{"PATH", "motd", "pool", "http/*", "*token"}, Deny: []string{"*token"}, Custom: []string{"APP_MODE=closed", "PATH=/usr/bin"}}
		},
		"envconsul/04-services.hcl": func(c *Config) {
			c.Services = []Service{{Query: "main.birch", FormatAddress: "BIRCH_HOST", FormatPort: "BIRCH_PORT", FormatID: "{{ service }}_{{ key }}"}, {Query: "birch"}}
			c.Exec.Command, c.Exec.Enabled = CommandOf("/usr/bin/env"), On
		},
		"envconsul/05-supervise.hcl": func(c *Config) {
			c.KillSignal, c.ReloadSignal, c.PidFile, c.MaxStale = 15, 12, "ec.pid", 5*time.Second
			c.Wait = Wait{On, 500 * time.Millisecond, 2 * time.Second}
			c.Prefixes = []Prefix{{Path: "larch/http", NoPrefix: Off, Format: "v_{{ key }}"}}
			c.Exec.Command, c.Exec.Enabled, c.Exec.KillSignal, c.Exec.KillTimeout = CommandOf("./sigchild"), On, 15, time.Second
		},
		"envconsul/06-old-style.json": func(c *Config) {
			c.Consul.Retry.Backoff, c.Consul.Retry.MaxBackoff, c.Pristine = 2*time.Second, 2*time.Second, true
			c.Prefixes = []Prefix{{Path: "larch/site/dev", NoPrefix: Off}, {Path: "larch/http", NoPrefix: On, Format: "{{ key | replaceKey `port` `HTTP_PORT` }}"}}
			c.Exec.Command, c.Exec.Enabled, c.Exec.KillTimeout = CommandOf("/usr/bin/env"), On, 3*time.Second
			c.Exec.Env = Env{Deny: []string{"bind"}, Custom: []string{"LAST=1"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := ConsulTemplate
			if strings.HasPrefix(name, "envconsul") {
				p = Envconsul
			}
			got := bare(mustLoad(t, p, nil, nil, "-config", filepath.Join(dir, name)))
			c := Default(p.String())
			c.complete(p)
			want(&c)
			if !reflect.DeepEqual(got, bare(c)) {
				t.Errorf("\n got %+v\nwant %+v", got, bare(c))
			}
		})
	}
	var files int
	for _, sub := range []string{"consul-template", "envconsul"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		files += len(entries)
	}
	if files != 18 {
		t.Errorf("%d recorded configurations, of which 18 are tested here", files)
	}
}

// The command lines and configurations of the recorded cases are taken, but for those that the peers refused at this
// stage too; and of those, none is.
func TestRecordedCases(t *testing.T) {
	for _, suite := range []struct {
		glob string
		p    Persona
	}{{"envcases/cases/*.json", Envconsul}, {"conformance/cases/*.json", ConsulTemplate}} {
		paths, err := filepath.Glob(filepath.Join(shared(t), suite.glob))
		if err != nil || len(paths) < 50 {
			t.Fatalf("%d cases of %s, %v", len(paths), suite.glob, err)
		}
		for _, path := range paths {
			var c struct {
				Args, Configs []string
				Config, Quirk string
				WantExit      int `json:"want_exit"`
				ExitCode      int `json:"exit_code"`
			}
			src, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(src, &c)
			}
			if err != nil {
				t.Fatal(err)
			}
			files, args := map[string]string{}, []string{}
			for i, text := range append(c.Configs, c.Config) {
				if text != "" {
					name := string(rune('a' + i))
					files[name], args = text, append(args, "-config=DIR/"+name)
				}
			}
			for _, arg := range c.Args {
				args = append(args, strings.NewReplacer("{work}", "DIR", "{addr}", "127.0.0.1:8500").Replace(arg))
			}
			_, _, err = load(t, suite.p, files, nil, args...)
			code := c.WantExit + c.ExitCode
			refused := (code == 13 || code == 15) && !strings.Contains(path, "no-command")
			if crashed := strings.Contains(c.Quirk, "crash"); crashed && err == nil {
				t.Errorf("%s: no error, where the peer crashes", path)
			} else if !crashed && refused != (err != nil) {
				t.Errorf("%s: exit code %d, our error: %v", path, code, err)
			}
		}
	}
}
