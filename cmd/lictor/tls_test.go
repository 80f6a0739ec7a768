package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lictor/internal/consultest"
)

// terminate starts an HAProxy that speaks TLS and hands requests on to a Consul, until the test ends. With http2 it speaks that too.
func terminate(t *testing.T, server *consultest.Server, http2 bool) (addr string) {
	t.Helper()
	needs(t, "haproxy")
	cert, err := os.ReadFile(server.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	addr = "127.0.0.1:" + freePort(t)
	offers := "alpn http/1.1"
	if http2 {
		offers = "alpn h2,http/1.1"
	}
	dir := folder(t, map[string]string{"server.pem": string(cert) + string(key)})
	write(t, dir, "haproxy.cfg", fmt.Sprintf(`defaults
  mode http
  timeout connect 10s
  timeout client 2m
  timeout server 2m
frontend tls
  bind %s ssl crt %s %s
  default_backend consul
backend consul
  server consul %s
`, addr, filepath.Join(dir, "server.pem"), offers, server.Addr))
	proxy := exec.Command("haproxy", "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	proxy.Stderr = os.Stderr
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Process.Kill(); _ = proxy.Wait() })
	return addr
}

// TestTLS reaches Consul over TLS: by itself, where it speaks HTTP/2, and behind an HAProxy that does or does not. Each is rendered
// from once, as lictor and as consul-template, and followed.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{TLS: true})
	for name, addr := range map[string]string{
		"consul":          server.HTTPSAddr,
		"haproxy":         terminate(t, server, false),
		"haproxy, HTTP/2": terminate(t, server, true),
	} {
		t.Run(name, func(t *testing.T) {
			key := strings.ReplaceAll(name, ", ", "-")
			server.Put(t, key, "4")
			dir := folder(t, map[string]string{"in.ctmpl": fmt.Sprintf("{{key %q}}", key)})
			reach := []string{"-consul-addr", "https://" + addr, "-consul-ssl-ca-cert", server.CAFile}
			d := start(t, dir, "lictor", append(reach, "-template", "in.ctmpl:out")...)
			d.file("out", "4")
			for _, program := range []string{"lictor", "consul-template"} {
				once := start(t, dir, program, append(reach, "-once", "-template", "in.ctmpl:"+program)...)
				if code := once.exit(patience); code != exitOK || read(t, dir, program) != "4" {
					t.Errorf("%s: exit code %d, printed %q", program, code, once.printed())
				}
			}
			server.Put(t, key, "5")
			d.file("out", "5")
		})
	}
}

// TestRedirectElsewhere has what should be Consul redirect to another port of this machine: nothing is sent there, and it is an error at once.
func TestRedirectElsewhere(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for elsewhere, with %v", r.URL, r.Header)
	}))
	t.Cleanup(other.Close)
	from := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(from.Close)
	dir := folder(t, map[string]string{"in.ctmpl": `{{key "a"}}`})
	d := start(t, dir, "lictor", "-once", "-consul-addr", from.URL, "-consul-token", "hunter2", "-template", "in.ctmpl:out")
	want := "consul at " + from.Listener.Addr().String() + " redirects to another host, " + other.Listener.Addr().String()
	if code := d.exit(patience); code != exitRuntime || !strings.Contains(d.printed(), want) || strings.Contains(d.printed(), "will retry") {
		t.Errorf("exit code %d, printed %q, want %q", code, d.printed(), want)
	}
}
