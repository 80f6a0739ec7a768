package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"lictor/internal/consultest"
)

// The whole program on a real Consul.

const webTemplate = `mode {{ key "PREFIX/mode" }}
{{ range service "PREFIX-web" }}server {{ .ID }} {{ .Address }}:{{ .Port }}
{{ end -}}
`

// webTemplateFor is webTemplate for keys and services that begin with prefix.
func webTemplateFor(prefix string) string { return strings.ReplaceAll(webTemplate, "PREFIX", prefix) }

// instance is the registration of one instance of a service, on a node of its own.
func instance(service string, n int) *api.CatalogRegistration {
	return &api.CatalogRegistration{
		Node: fmt.Sprintf("%s-node-%d", service, n), Address: fmt.Sprintf("10.0.0.%d", n),
		Service: &api.AgentService{ID: fmt.Sprintf("%s-%d", service, n), Service: service, Port: 8000 + n},
	}
}

func TestDaemonFollowsConsul(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "follow/mode", "tcp")
	server.Register(t, instance("follow-web", 1))
	dir := folder(t, map[string]string{"in.ctmpl": webTemplateFor("follow"), "slow.hcl": slowWatch})
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		d := start(t, dir, "lictor", "-consul", server.Addr, "-config", "slow.hcl", "-template", "in.ctmpl:out:cp out copy")
		d.file("copy", "mode tcp\nserver follow-web-1 10.0.0.1:8001\n")
		server.Put(t, "follow/mode", "http")
		d.file("copy", "mode http\nserver follow-web-1 10.0.0.1:8001\n")
		server.Register(t, instance("follow-web", 2))
		d.file("copy", "mode http\nserver follow-web-1 10.0.0.1:8001\nserver follow-web-2 10.0.0.2:8002\n")
		server.Deregister(t, &api.CatalogDeregistration{Node: "follow-web-node-2"})
		d.file("copy", "mode http\nserver follow-web-1 10.0.0.1:8001\n")
		d.signal(sig)
		if code := d.exit(patience); code != 0 {
			t.Errorf("%v: exit code %d", sig, code)
		}
		server.Put(t, "follow/mode", "tcp")
	}
}

func TestOnceOnConsul(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "once/mode", "http")
	server.Register(t, instance("once-web", 1))
	dir := folder(t, map[string]string{"in.ctmpl": webTemplateFor("once"), "absent.ctmpl": `{{ key "once/absent" }}`})
	want := "mode http\nserver once-web-1 10.0.0.1:8001\n"

	for i, args := range [][]string{
		{"lictor", "-consul", server.Addr},
		{"lictor", "-consul-addr=http://" + server.Addr},
		{"consul-template", "-consul-addr", server.Addr},
		{"consul-template", "-consul-addr", server.Addr, "-max-stale=0"},
	} {
		out := fmt.Sprintf("out%d", i)
		d := start(t, dir, args[0], append(args[1:], "-once", "-template", "in.ctmpl:"+out+":cp "+out+" "+out+".copy")...)
		if code := d.exit(patience); code != 0 || d.printed() != "" {
			t.Errorf("%v: exit code %d, printed %q", args, code, d.printed())
		}
		if got := read(t, dir, out+".copy"); got != want {
			t.Errorf("%v: %q, want %q", args, got, want)
		}
	}
	d := startWith(t, dir, []string{"CONSUL_HTTP_ADDR=" + server.Addr}, "lictor", "-once", "-dry", "-template", "in.ctmpl:dry")
	if code := d.exit(patience); code != 0 || d.printed() != "> dry\n"+want {
		t.Errorf("-dry: exit code %d, printed %q", code, d.printed())
	}
	// As the peer, -once waits for a missing key until a signal ends it with 12; given a limit it says what is missing.
	d = start(t, dir, "lictor", "-once", "-consul", server.Addr, "-start-timeout", "1s", "-template", "absent.ctmpl:absent")
	if code := d.exit(patience); code != 14 || !strings.Contains(d.printed(), "waiting for key(once/absent)") || read(t, dir, "absent") != "" {
		t.Errorf("exit code %d, printed %q", code, d.printed())
	}
}

// TestStopLeavesNothing runs the program inside this process, so that a goroutine that it leaves behind is seen. It is not
// parallel, since it sends signals to itself.
func TestStopLeavesNothing(t *testing.T) {
	server := sharedConsul.Server(t)
	server.Put(t, "stop/mode", "http")
	// A shell that is just about to run the program may lose the signal.
	dir := folder(t, map[string]string{"in.ctmpl": webTemplateFor("stop"), "slow.hcl": slowWatch + "\nexec { command = [\"sleep\", \"3600\"] }"})
	before := goleak.IgnoreCurrent()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		path := func(name string) string { return filepath.Join(dir, name) }
		os.Remove(path("out"))
		in, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		log, err := os.Create(path("log")) // the program's and ours
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan int)
		go func() {
			ended <- run("lictor", []string{"-consul", server.Addr, "-config", path("slow.hcl"), "-template", path("in.ctmpl") + ":" + path("out") + ":sleep 3600",
				"-pid-file", path("pid"), "-exec-kill-timeout", "1h"}, streams{in: in, out: log, err: log})
		}()
		eventually(t, "it has rendered", func() bool { return read(t, dir, "out") != "" })
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		select {
		case code := <-ended:
			if code != 0 {
				t.Errorf("%v: exit code %d\n%s", sig, code, read(t, dir, "log"))
			}
		case <-time.After(patience):
			t.Fatalf("%v: it has not ended within %s", sig, patience)
		}
		in.Close()
		log.Close()
		goleak.VerifyNone(t, before)
		if _, err := os.Stat(path("pid")); err == nil {
			t.Errorf("%v: the process file is left", sig)
		}
	}
}

// TestConsulOutage: the registry is away at the start, comes, goes, is away during a reload, and comes back.
func TestConsulOutage(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{Persist: true})
	server.Put(t, "outage/mode", "http")
	server.Register(t, instance("outage-web", 1))
	server.Stop()
	dir := folder(t, map[string]string{"in.ctmpl": webTemplateFor("outage"), "child.sh": eventsScript})
	config := func(dest string) string {
		return "template {\n  source = \"in.ctmpl\"\n  destination = \"" + dest + "\"\n}\n"
	}
	write(t, dir, "conf.d/a.hcl", config("out"))
	d := start(t, dir, "lictor", "-consul", server.Addr, "-consul-retry-max-backoff", "300ms", "-config", "conf.d", "-exec", "exec sh child.sh",
		"-exec-reload-signal", "SIGUSR2")
	d.waitPrinted("connection refused", 1)
	if read(t, dir, "out")+read(t, dir, "events") != "" {
		t.Fatal("it has rendered without data")
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const before, after = "mode http\nserver outage-web-1 10.0.0.1:8001\n", "mode tcp\nserver outage-web-1 10.0.0.1:8001\n"
	d.file("out", before)
	d.file("events", "start\n")

	failures := strings.Count(d.printed(), "connection refused")
	server.Kill()
	d.waitPrinted("connection refused", failures+1)
	write(t, dir, "conf.d/b.hcl", config("new"))
	d.signal(syscall.SIGHUP)
	d.file("new", before)
	d.file("events", "start\nINT\nstart\n")
	if got := read(t, dir, "out"); got != before {
		t.Errorf("while the registry is away the file has %q", got)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Put(t, "outage/mode", "tcp")
	d.file("out", after)
	d.file("new", after)
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if lines := strings.Count(d.printed(), "\n"); lines > 60 {
		t.Errorf("two outages are %d lines of log", lines)
	}
}

// TestSecretsStayOutOfTheLog looks for the token and for values in all that is printed, at the lowest level, also when
// things go wrong.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{ACL: true})
	const value = "hunter2-5up3r"
	server.Put(t, "secret/value", value)
	token := server.NewToken(t, `key_prefix "secret/" { policy = "read" }`)
	good := map[string]string{"in.ctmpl": `v={{ key "secret/value" }}`}
	config := `consul {
  address = "` + server.Addr + `"
  token   = "` + token + `"
}
`
	wrong := "11111111-2222-4333-8444-555555555555"
	for name, tc := range map[string]struct {
		token, template string
		code            int
		says            string
	}{
		"all is well":         {token, `v={{ key "secret/value" }}`, 0, ""},
		"wrong token":         {wrong, `v={{ key "secret/value" }}`, 14, "ACL not found"},
		"not allowed":         {token, `v={{ key "other/value" }}`, 14, "Permission denied"},
		"no number":           {token, `{{ key "secret/value" | parseInt }}`, 14, "parseInt"},
		"no float":            {token, `{{ key "secret/value" | parseFloat }}`, 14, "parseFloat"},
		"no bool":             {token, `{{ key "secret/value" | parseBool }}`, 14, "parseBool"},
		"no JSON":             {token, `{{ key "secret/value" | parseJSON }}`, 14, "parseJSON"},
		"no YAML":             {token, `{{ printf "[%s" (key "secret/value") | parseYAML }}`, 14, "parseYAML"},
		"no base64":           {token, `{{ key "secret/value" | base64Decode }}`, 14, "base64Decode"},
		"no map key":          {token, `{{ index (parseJSON "{}").x (key "secret/value") }}`, 14, "index"},
		"not a list position": {token, `{{ index (split "," "a") (key "secret/value") }}`, 14, "index"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"in.ctmpl": tc.template})
			d := startWith(t, dir, []string{"CONSUL_HTTP_TOKEN=" + tc.token}, "lictor", "-once", "-log-level", "trace", "-consul", server.Addr,
				"-consul-retry=false", "-template", "in.ctmpl:out:true")
			if code := d.exit(patience); code != tc.code || !strings.Contains(d.printed(), tc.says) {
				t.Errorf("exit code %d, want %d and %q", code, tc.code, tc.says)
			}
			for what, secret := range map[string]string{"the token": tc.token, "the value": value} {
				if strings.Contains(d.printed(), secret) {
					t.Errorf("%s was printed", what)
				}
			}
		})
	}
	t.Run("daemon", func(t *testing.T) {
		t.Parallel()
		dir := folder(t, good)
		write(t, dir, "lictor.hcl", config)
		d := start(t, dir, "lictor", "-config", "lictor.hcl", "-log-level", "trace", "-template", "in.ctmpl:out")
		d.file("out", "v="+value)
		d.signal(syscall.SIGHUP)
		d.waitPrinted("reloading", 1)
		write(t, dir, "lictor.hcl", config+"nonsense\n")
		d.signal(syscall.SIGHUP)
		d.waitPrinted("refused", 1)
		d.signal(syscall.SIGTERM)
		d.exit(patience)
		shown := start(t, dir, "lictor", "config", "-consul-token", token, "-consul-auth", "user:"+value)
		shown.exit(patience)
		for _, printed := range []string{d.printed(), shown.printed()} {
			if strings.Contains(printed, token) || strings.Contains(printed, value) {
				t.Errorf("a secret was printed in\n%s", printed)
			}
		}
	})
}

// A file that is added to a configuration folder is rendered after a reload.
func TestReloadOnConsul(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "reload/mode", "http")
	dir := folder(t, map[string]string{"in.ctmpl": webTemplateFor("reload")})
	config := func(dest string) string {
		return "consul {\n  address = \"" + server.Addr + "\"\n}\ntemplate {\n  source = \"in.ctmpl\"\n  destination = \"" + dest + "\"\n}\n"
	}
	write(t, dir, "conf.d/a.hcl", config("one"))
	d := start(t, dir, "lictor", "-config", "conf.d")
	d.file("one", "mode http\n")
	write(t, dir, "conf.d/b.hcl", config("two"))
	d.signal(syscall.SIGHUP)
	d.file("two", "mode http\n")
	server.Put(t, "reload/mode", "tcp")
	d.file("one", "mode tcp\n")
	d.file("two", "mode tcp\n")
}
