package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// The same as with HAProxy, with nginx: two files that include each other, and a reload that says nothing of its failure.

// nginxTemplate takes settings from keys, and says at /connections which it has.
const nginxTemplate = `
pid DIR/nginx.pid;
error_log DIR/error.log notice;
worker_processes 2;
events {
    worker_connections {{key "connections"}};
}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path       DIR/proxy;
    fastcgi_temp_path     DIR/fastcgi;
    uwsgi_temp_path       DIR/uwsgi;
    scgi_temp_path        DIR/scgi;
    include upstreams.conf;
    server {
        listen 127.0.0.1:PORT;
        {{- with key "other-port"}}
        listen 127.0.0.1:{{.}};
        {{- end}}
        location / {
            proxy_pass http://web;
        }
        location = /connections {
            return 200 "{{key "connections"}}";
        }
    }
}
`

const upstreamsTemplate = `upstream web {
{{- range service "web"}}
    server {{.Address}}:{{.Port}};
{{- end}}
}
`

// reloadNginx is the command of examples/nginx, which also starts nginx here. The check leaves an empty process file.
const reloadNginx = `if [ -s DIR/nginx.pid ]; then exec sh EXAMPLE/reload.sh DIR/nginx.pid DIR/error.log; fi; exec nginx -p DIR -e DIR/error.log -c DIR/nginx.conf`

// An nginxServing is an nginx whose configuration lictor renders from Consul, with web servers behind it and clients in
// front.
type nginxServing struct {
	t       *testing.T
	consul  *consultest.Server
	dir     string
	url     string
	lictor  *running
	clients *clients
}

// serveNginx starts all of it, with the web server web-0. upstreams is more for the template of the file that nginx.conf
// includes.
func serveNginx(t *testing.T, upstreams string) *nginxServing {
	t.Helper()
	needs(t, "nginx")
	example, err := filepath.Abs("../../examples/nginx")
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	v := &nginxServing{t: t, consul: consultest.Start(t, consultest.Options{}), dir: t.TempDir(), url: "http://127.0.0.1:" + port}
	v.consul.Put(t, "connections", "100")
	v.consul.Put(t, "other-port", "")
	v.register("web-0")
	place := strings.NewReplacer("DIR", v.dir, "PORT", port, "EXAMPLE", example)
	write(t, v.dir, "nginx.ctmpl", place.Replace(nginxTemplate))
	write(t, v.dir, "upstreams.ctmpl", upstreamsTemplate+upstreams)
	write(t, v.dir, "reload", place.Replace(reloadNginx))
	write(t, v.dir, "lictor.hcl", place.Replace(`
template {
  source       = "nginx.ctmpl"
  destination  = "nginx.conf"
  commit_group = "nginx"
  check        = "nginx -t -q -p DIR -e stderr -c {{.StagedDir}}DIR/nginx.conf"
  command      = "sh DIR/reload"
  rollback     = true
}
template {
  source       = "upstreams.ctmpl"
  destination  = "upstreams.conf"
  commit_group = "nginx"
  command      = "sh DIR/reload"
}`))
	t.Cleanup(v.stopNginx)
	v.lictor = start(t, v.dir, "lictor", "-consul", v.consul.Addr, "-config", "lictor.hcl")
	answers(t, v.url, "web-0")
	v.clients = startClients(t, v.url)
	return v
}

func (v *nginxServing) stopNginx() {
	pid, err := strconv.Atoi(strings.TrimSpace(read(v.t, v.dir, "nginx.pid")))
	if err != nil {
		return // it never ran
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	eventually(v.t, "nginx ends", func() bool { return read(v.t, v.dir, "nginx.pid") == "" })
}

// register registers a web server that answers with its name, and returns its port.
func (v *nginxServing) register(name string) (port string) {
	v.t.Helper()
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	v.t.Cleanup(b.Close)
	addr := b.Listener.Addr().(*net.TCPAddr)
	v.consul.Register(v.t, &api.CatalogRegistration{
		Node: "n-" + name, Address: "127.0.0.1", Service: &api.AgentService{ID: name, Service: "web", Port: addr.Port},
	})
	return strconv.Itoa(addr.Port)
}

func TestBadValueDoesNotReachNginx(t *testing.T) {
	t.Parallel()
	v := serveNginx(t, "")
	main, upstreams := read(t, v.dir, "nginx.conf"), read(t, v.dir, "upstreams.conf")

	v.consul.Put(t, "connections", "many")
	v.lictor.waitPrinted("check failed", 1)
	port := v.register("web-1") // a good change, which has to wait: the files are committed together or not at all
	eventually(t, "the change of the other file is refused", func() bool { return strings.Contains(read(t, v.dir, "upstreams.conf.rejected"), port) })
	v.clients.goOn(20)
	if read(t, v.dir, "nginx.conf") != main || read(t, v.dir, "upstreams.conf") != upstreams {
		t.Error("a file has changed, though nginx refuses the new ones")
	}
	if !strings.Contains(read(t, v.dir, "nginx.conf.rejected"), "many") {
		t.Error("the refused file was not kept for a look")
	}
	answers(t, v.url+"/connections", "100")

	v.consul.Put(t, "connections", "200")
	answers(t, v.url+"/connections", "200")
	answers(t, v.url, "web-1")
	v.clients.goOn(20)
	v.clients.allServed()

	// The log has the difference of what comes of the catalog, and says how to see that of the rest.
	log := v.lictor.printed()
	if !strings.Contains(log, "[emerg]") {
		t.Error("the log does not have the reason, which is what nginx says")
	}
	if !strings.Contains(log, fmt.Sprintf(`msg=diff line="+    server 127.0.0.1:%s;"`, port)) {
		t.Error("the log lacks what was to change in upstreams.conf")
	}
	if hint := fmt.Sprintf("diff -u %[1]s %[1]s.rejected", filepath.Join(v.dir, "nginx.conf")); strings.Count(log, hint) != 1 {
		t.Errorf("the log has %d times, not once: %s", strings.Count(log, hint), hint)
	}
	if strings.Contains(log, `+    worker_connections`) {
		t.Error("the log has the line with the key's value")
	}
}

// nginx's own check can't see that a port is taken, and "nginx -s reload" succeeds though nginx goes on with what it had.
func TestReloadThatNginxRefusesIsRolledBack(t *testing.T) {
	t.Parallel()
	v := serveNginx(t, `# {{key "other-port"}}`)
	main, upstreams := read(t, v.dir, "nginx.conf"), read(t, v.dir, "upstreams.conf")

	taken := takenPort(t)
	v.consul.Put(t, "other-port", taken)
	v.lictor.waitPrinted("the previous files are back", 1)
	v.lictor.file("nginx.conf", main)
	v.lictor.file("upstreams.conf", upstreams)
	for _, name := range []string{"nginx.conf.rejected", "upstreams.conf.rejected"} {
		if !strings.Contains(read(t, v.dir, name), taken) {
			t.Errorf("what was rolled back is not kept as %s", name)
		}
	}
	if log := v.lictor.printed(); !strings.Contains(log, "nginx was not reloaded") || !strings.Contains(log, "Address already in use") {
		t.Error("the log does not say why")
	}
	v.clients.goOn(20)

	// A good value goes through, also one for a port.
	other := freePort(t)
	v.consul.Put(t, "other-port", other)
	answers(t, "http://127.0.0.1:"+other, "web-0")
	v.consul.Put(t, "connections", "200")
	answers(t, v.url+"/connections", "200")
	v.clients.goOn(20)
	v.clients.allServed()
}

// The check sees the folder as it is going to be: what nginx.conf includes by a relative path or a pattern, whether lictor
// renders it or not, and whether it renders nginx.conf or only one of the files that this includes.
func TestNginxCheckSeesTheWholeFolder(t *testing.T) {
	t.Parallel()
	needs(t, "nginx")
	const main = `pid DIR/nginx.pid;
error_log stderr;
events {}
http {
    include mime.types;
    include conf.d/*.conf;
}
`
	const web = `template {
  contents     = "upstream {{key \"name\"}} { server 127.0.0.1:1; }"
  destination  = "conf.d/web.conf"
  commit_group = "nginx"
  check        = "nginx -t -q -p {{.StagedDir}}DIR -e stderr -c {{.StagedDir}}DIR/nginx.conf"
}
`
	for what, more := range map[string]string{
		"nginx.conf is rendered":     "template {\n contents = file\n destination = \"nginx.conf\"\n commit_group = \"nginx\"\n}\n",
		"nginx.conf is not rendered": "",
	} {
		dir := t.TempDir()
		place := strings.NewReplacer("DIR", dir, "file", strconv.Quote(main))
		write(t, dir, "nginx.conf", strings.ReplaceAll(main, "DIR", dir))
		if more != "" {
			write(t, dir, "nginx.conf", "not yet")
		}
		write(t, dir, "mime.types", "types { text/html html; }\n")
		write(t, dir, "conf.d/static.conf", "upstream static { server 127.0.0.1:2; }\n")
		write(t, dir, "lictor.hcl", strings.ReplaceAll(place.Replace(web+more), "DIR", dir))
		once := func(name string, code int) string {
			write(t, dir, "data.yaml", "kv: {name: "+name+"}")
			d := start(t, dir, "lictor", "-once", "-config", "lictor.hcl", "-data", "data.yaml")
			if got := d.exit(patience); got != code {
				t.Fatalf("%s, %s: exit code %d, want %d\n%s", what, name, got, code, d.printed())
			}
			return d.printed()
		}
		once("web", 0)
		good := read(t, dir, "conf.d/web.conf")
		if log := once("static", 14); !strings.Contains(log, `duplicate upstream "<value>"`) {
			t.Errorf("%s: refused for another reason: %s", what, log)
		}
		if got := read(t, dir, "conf.d/web.conf"); got != good {
			t.Errorf("%s: a bad file is there: %s", what, got)
		}
		once("other", 0) // though web.conf.rejected and hidden files may be there
	}
}
