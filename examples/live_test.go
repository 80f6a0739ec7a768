package examples

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"lictor/internal/consultest"
)

var consul = &consultest.Shared{}

func TestMain(m *testing.M) { goleak.VerifyTestMain(tidy{consul.Main(m)}) }

// tidy removes the program that lictor built, after the last test.
type tidy struct{ consultest.Runner }

func (t tidy) Run() int {
	defer os.Remove(binary)
	return t.Runner.Run()
}

var binary = filepath.Join(os.TempDir(), fmt.Sprintf("lictor-examples-%d", os.Getpid()))

// lictor builds the program, once for all tests.
func lictor(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return binary
}

var build = sync.OnceValue(func() error {
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/lictor").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// The configuration files are read as they stand.
func TestConfigurations(t *testing.T) {
	for _, name := range []string{"haproxy", "nginx"} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), lictor(t), "-config", name+".hcl", "-data", "data.yaml", "-once", "-dry")
			cmd.Dir = name
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			golden, err := filepath.Glob(name + "/*.golden")
			if err != nil || len(golden) == 0 {
				t.Fatal(golden, err)
			}
			for _, path := range golden {
				if want, err := os.ReadFile(path); err != nil || !strings.Contains(string(out), string(want)) {
					t.Errorf("%s (%v) is not in\n%s", path, err, out)
				}
			}
		})
	}
}

// The scripts show what they say they show.
func TestDemos(t *testing.T) {
	for _, name := range []string{"haproxy", "nginx"} {
		t.Run(name, func(t *testing.T) {
			for _, need := range []string{"bash", "curl", "python3", name} {
				program(t, need)
			}
			server := consul.Server(t)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", name+"/demo.sh")
			cmd.Env = append(os.Environ(), "CONSUL_HTTP_ADDR="+server.Addr, "LICTOR="+lictor(t))
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.WaitDelay = 10 * time.Second
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if keys, _, err := server.Client.KV().Keys("service/", "", nil); err != nil || len(keys) > 0 {
				t.Errorf("the script left the keys %v (%v)", keys, err)
			}
		})
	}
}

// patience is longer than anything takes here, on the slowest machine.
const patience = time.Minute

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// A running is a program that runs, and what it printed.
type running struct {
	*exec.Cmd
	log  *os.File
	done chan struct{}
	err  error
}

func run(t *testing.T, name string, args ...string) *running {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Cmd: exec.Command(name, args...), log: log, done: make(chan struct{})}
	r.Stdout, r.Stderr = log, log
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.err = r.Wait(); close(r.done) }()
	t.Cleanup(func() {
		_ = r.Process.Signal(syscall.SIGTERM)
		select {
		case <-r.done:
		case <-time.After(patience):
			_ = r.Process.Kill()
			<-r.done
			t.Errorf("%s did not end on SIGTERM", name)
		}
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("%s printed:\n%s", name, b)
		}
		log.Close()
	})
	return r
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// backends starts two web servers that say their names, and returns what registers each in Consul.
func backends(t *testing.T, server *consultest.Server) map[string]func() {
	t.Helper()
	register := map[string]func(){}
	for _, name := range []string{"a", "b"} {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
		t.Cleanup(backend.Close)
		address := backend.Listener.Addr().(*net.TCPAddr)
		register[name] = func() {
			server.AgentRegister(t, &api.AgentServiceRegistration{ID: name, Name: "web", Address: "127.0.0.1", Port: address.Port, Tags: []string{"release"}})
		}
		t.Cleanup(func() { _ = server.Client.Agent().ServiceDeregister(name) }) // where the test came so far
	}
	return register
}

// configure writes the keys that the template reads, and a configuration in which lictor runs HAProxy.
func configure(t *testing.T, server *consultest.Server, haproxy, front string) (config string) {
	t.Helper()
	for key, value := range map[string]string{
		"maxconn": "200", "mode": "http", "bind": front, "stats_bind": freeAddress(t), "timeouts/client": "5s", "timeouts/connect": "1s", "timeouts/server": "5s",
	} {
		server.Put(t, "service/haproxy/"+key, value)
	}
	t.Cleanup(func() { server.DeleteTree(t, "service/haproxy/") })
	dir := t.TempDir()
	text := fmt.Sprintf(`consul { address = %q }
		template {
		  source      = "haproxy/haproxy.ctmpl"
		  destination = "%[2]s/haproxy.cfg"
		  check       = "%[3]s -c -f \"$LICTOR_STAGED\""
		  # HAProxy loses a reload signal that comes while it still handles the last one.
		  wait { min = "200ms" max = "500ms" }
		}
		exec {
		  command       = ["%[3]s", "-W", "-db", "-f", "%[2]s/haproxy.cfg"]
		  reload_signal = "SIGUSR2"
		  kill_signal   = "SIGUSR1"
		  kill_timeout  = "1h"
		}`, server.Addr, dir, haproxy)
	config = filepath.Join(dir, "lictor.hcl")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

const unavailable = "503 Service Unavailable"

// answers tells who answers ten requests.
func answers(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	seen := map[string]bool{}
	for range 10 {
		resp, err := client.Get(url)
		if err != nil {
			seen[err.Error()] = true
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			seen[string(body)] = true
		} else {
			seen[resp.Status] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), " ")
}

// The whole way: instances come and go in Consul, and requests through HAProxy follow.
func TestRequestsFollowConsul(t *testing.T) {
	haproxy := program(t, "haproxy")
	server := consul.Server(t)
	front := freeAddress(t)
	url := "http://" + front
	register := backends(t, server)
	config := configure(t, server, haproxy, front)

	register["a"]()
	l := run(t, lictor(t), "-config", config, "-log-level", "info")
	eventually(t, "the first request is answered", func() bool { return answers(t, url) == "a" })
	settled := func() { // HAProxy loses a signal, also the one to end, while it still handles a reload
		eventually(t, "HAProxy has done all reloads", func() bool {
			b, err := os.ReadFile(l.log.Name())
			return err == nil && strings.Count(string(b), "Former worker") >= strings.Count(string(b), "telling the child")
		})
	}
	for _, step := range []struct {
		what, want string
		do         func()
	}{
		{"b is registered", "a b", register["b"]},
		{"a is deregistered", "b", func() { server.AgentDeregister(t, "a") }},
		{"b is deregistered", unavailable, func() { server.AgentDeregister(t, "b") }},
		{"a is back", "a", register["a"]},
		{"b is back", "a b", register["b"]},
	} {
		settled()
		step.do()
		begin := time.Now()
		eventually(t, step.what+": "+step.want+" answer", func() bool { return answers(t, url) == step.want })
		t.Logf("%s: requests followed after %s", step.what, time.Since(begin).Round(time.Millisecond))
	}
	settled()
	if err := l.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.done:
	case <-time.After(patience):
		t.Fatal("lictor did not end on SIGTERM")
	}
	if l.err != nil {
		t.Errorf("lictor ended with: %v", l.err)
	}
	if c, err := net.Dial("tcp", front); err == nil {
		c.Close()
		t.Error("HAProxy outlived lictor")
	}
}
