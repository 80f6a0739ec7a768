package examples

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A trial is an example's configuration as it stands, but for the places of its files and the commands that only a machine's
// own HAProxy or nginx understands.
type trial struct {
	*testing.T
	name, dir string
}

// place writes the configuration with what it says replaced, and returns its path.
func (r trial) place(replace map[string]string) string {
	r.Helper()
	src, err := os.ReadFile(r.name + "/" + r.name + ".hcl")
	if err != nil {
		r.Fatal(err)
	}
	text := string(src)
	for _, old := range slices.Backward(slices.Sorted(maps.Keys(replace))) {
		if !strings.Contains(text, old) {
			r.Errorf("%s.hcl has no %s", r.name, old)
		}
		text = strings.ReplaceAll(text, old, replace[old])
	}
	path := filepath.Join(r.dir, "lictor.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
	return path
}

// once runs lictor -once on it, with values over those of the data file, and returns what it says.
func (r trial) once(code int, config string, values ...string) string {
	r.Helper()
	args := []string{"-config", config, "-data", "data.yaml", "-once"}
	for _, v := range values {
		args = append(args, "-set", v)
	}
	cmd := exec.CommandContext(r.Context(), lictor(r.T), args...)
	cmd.Dir = r.name
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		r.Fatalf("with %v: exit code %d, want %d\n%s", values, got, code, out)
	}
	return string(out)
}

func (r trial) read(name string) string {
	r.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.Fatal(err)
	}
	return string(b)
}

// The configuration of HAProxy: a good file is there and reloaded, a bad one is refused by HAProxy itself, and one whose reload
// fails is taken back.
func TestConfigurationOfHAProxy(t *testing.T) {
	r := trial{t, "haproxy", t.TempDir()}
	replace := map[string]string{"haproxy -c": program(t, "haproxy") + " -c", "/etc/haproxy": r.dir, "systemctl reload haproxy": "echo reloaded >>" + r.dir + "/reloads"}
	config := r.place(replace)
	r.once(0, config)
	good := r.read("haproxy.cfg")
	if r.read("reloads") != "reloaded\n" {
		t.Error("it was not reloaded once")
	}
	if said := r.once(14, config, "kv/service/haproxy/mode=bogus"); !strings.Contains(said, "check failed") || r.read("haproxy.cfg") != good {
		t.Errorf("a bad file is there, or it was refused for another reason: %s", said)
	}
	replace["systemctl reload haproxy"] = "false"
	if said := r.once(14, r.place(replace), "kv/service/haproxy/maxconn=17"); !strings.Contains(said, "rolled back, since a command failed") || r.read("haproxy.cfg") != good {
		t.Errorf("the file was not taken back: %s", said)
	}
}

// The configuration of nginx, with a real one to reload: both files are there or neither is, whichever of them nginx refuses, when it
// is asked or when it is reloaded.
func TestConfigurationOfNginx(t *testing.T) {
	r := trial{t, "nginx", t.TempDir()}
	nginx, port := program(t, "nginx"), freeAddress(t)
	for name, text := range map[string]string{"nginx.conf": "events {}\n", "error.log": ""} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, nginx, "-p", r.dir, "-e", r.dir+"/error.log", "-g", "daemon off; pid "+r.dir+"/nginx.pid;", "-c", r.dir+"/nginx.conf")
	eventually(t, "nginx runs", func() bool {
		b, err := os.ReadFile(filepath.Join(r.dir, "nginx.pid"))
		return err == nil && len(b) > 0
	})
	config := r.place(map[string]string{
		"nginx -t -q": nginx + " -t -q -g 'pid " + r.dir + "/check.pid; error_log stderr;'", "/etc/nginx": r.dir, "/run/nginx.pid": r.dir + "/nginx.pid",
		"/var/log/nginx/error.log": r.dir + "/error.log",
	})
	const blocked = "kv/service/nginx/blocked/"
	listen := "kv/service/nginx/listen=" + port
	r.once(0, config, listen)
	main, list := r.read("nginx.conf"), r.read("conf.d/blocked.conf")
	kept := func(what, said, because string) {
		t.Helper()
		if !strings.Contains(said, because) {
			t.Errorf("%s: refused for another reason: %s", what, said)
		}
		if r.read("nginx.conf") != main || r.read("conf.d/blocked.conf") != list {
			t.Errorf("%s: one of the files was replaced", what)
		}
	}
	kept("a bad list", r.once(14, config, listen, blocked+"x=nobody", "kv/service/nginx/worker_connections=512"), `invalid parameter "<value>"`)
	taken := listen[:strings.LastIndexByte(listen, '=')+1] + consul.Server(t).Addr
	kept("a port that is taken", r.once(14, config, taken, blocked+"y=192.0.2.8"), "Address already in use")
	r.once(0, config, listen, blocked+"y=192.0.2.8")
	if !strings.Contains(r.read("conf.d/blocked.conf"), "deny 192.0.2.8; # y") {
		t.Error("a good list is not there")
	}
}
