package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// execNginx starts a lictor that supervises an nginx by a text for the shell, in which NGINX stands for its command line. It
// answers with the key motd, and at /slow when backend does.
func execNginx(t *testing.T, text, backend string) (d *running, url string) {
	t.Helper()
	needs(t, "nginx")
	dir, port := t.TempDir(), freePort(t)
	place := strings.NewReplacer("NGINX", "nginx -p DIR -e stderr -c DIR/nginx.conf -g 'daemon off;'").Replace
	fill := func(text string) string {
		return strings.NewReplacer("DIR", dir, "PORT", port, "BACKEND", backend).Replace(place(text))
	}
	write(t, dir, "data.yaml", "kv: {motd: one}\n")
	write(t, dir, "nginx.ctmpl", fill(`
worker_processes 2;
pid DIR/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path       DIR/proxy;
    fastcgi_temp_path     DIR/fastcgi;
    uwsgi_temp_path       DIR/uwsgi;
    scgi_temp_path        DIR/scgi;
    server {
        listen 127.0.0.1:PORT;
        location /     { return 200 "{{ key "motd" }}"; }
        location /slow { proxy_pass BACKEND; }
    }
}
`))
	write(t, dir, "lictor.hcl", fill(`
data = ["data.yaml"]
template {
  source      = "nginx.ctmpl"
  destination = "nginx.conf"
}
exec {
  command       = "`+text+`"
  reload_signal = "SIGHUP"
  kill_signal   = "SIGQUIT"
}
`))
	d = start(t, dir, "lictor", "-config", "lictor.hcl")
	url = "http://127.0.0.1:" + port
	answers(t, url, "one")
	return d, url
}

// However an nginx is started by a text, a reload reaches it, and ends neither it nor us.
func TestTextOfNginxIsReloaded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"simple": "NGINX", "and": "cd DIR && NGINX", "semicolon": "NGINX; true", "pipe": "NGINX 2>&1 | tee nginx.log", "exec": "exec NGINX",
		"bash": `bash -c \"cd DIR && NGINX\"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, url := execNginx(t, text, "http://127.0.0.1:1")
			for _, motd := range []string{"two", "three"} {
				write(t, d.dir, "data.yaml", "kv: {motd: "+motd+"}\n")
				answers(t, url, motd)
			}
			if n := strings.Count(d.printed(), `msg="child started"`); n != 1 || strings.Contains(d.printed(), "level=WARN") {
				t.Errorf("it was started %d times", n)
			}
			d.signal(syscall.SIGTERM)
			d.exit(patience)
			if got := get(url); got != "" {
				t.Errorf("nginx still answers %q", got)
			}
		})
	}
}

// A request that is under way when we are asked to end is answered, though a shell between us and nginx ends at once.
func TestTextOfNginxDrains(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "late")
	}))
	defer backend.Close()
	d, url := execNginx(t, "NGINX; true", backend.URL)
	got := make(chan string)
	go func() {
		r, err := http.Get(url + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer r.Body.Close()
		body := make([]byte, 4)
		_, err = r.Body.Read(body)
		got <- fmt.Sprint(string(body), err)
	}()
	<-arrived
	d.signal(syscall.SIGTERM)
	eventually(t, "the shell has ended", func() bool { return !hasChildren(t, d.cmd.Process.Pid) })
	close(release)
	if body := <-got; !strings.HasPrefix(body, "late") {
		t.Errorf("the client got %q", body)
	}
	d.exit(patience)
}

// hasChildren tells whether a process has any that it has not reaped.
func hasChildren(t *testing.T, pid int) bool {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		t.Skip("no lists of children in /proc")
	}
	for _, list := range lists {
		if text, err := os.ReadFile(list); err == nil && len(text) > 0 {
			return true
		}
	}
	return false
}

// The signals that are passed on reach a program below a shell, in envconsul's place as well.
func TestSignalsReachBelowAShell(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"envconsul", "-config=data.hcl", "-prefix=app/", "sh child.sh; true"},
		{"envconsul", "-config=data.hcl", "-prefix=app/", "sh child.sh | cat"},
		{"envconsul", "-config=data.hcl", "-prefix=app/", "sh", "child.sh"},
		{"lictor", "exec", "-config=data.hcl", "-prefix=app/", "-exec", "cd . && sh child.sh"},
		{"consul-template", "-config=data.hcl", "-exec", "sh child.sh && true"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"child.sh": eventsScript, "data.yaml": "kv: {app: {x: 1}}\n", "data.hcl": "data = [\"data.yaml\"]\nkill_signal = \"SIGQUIT\"\n"})
			d := start(t, dir, args[0], args[1:]...)
			d.file("events", "start\n")
			d.signal(syscall.SIGUSR1)
			d.file("events", "start\nUSR1\n")
			d.signal(syscall.SIGUSR2)
			d.file("events", "start\nUSR1\nUSR2\n")
			d.signal(syscall.SIGQUIT)
			d.exit(patience)
			d.file("events", "start\nUSR1\nUSR2\nINT\n")
		})
	}
}
