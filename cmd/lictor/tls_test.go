package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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

// TestRenewedClientCertificate has a Consul that asks for a certificate of its authority, and gets another authority. lictor is given
// ours later, and needs no signal for it; one that comes while the files are broken changes nothing.
func TestRenewedClientCertificate(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{TLS: true, Persist: true, HCL: "verify_incoming_https = true\n"})
	server.Put(t, "renewed", "1")
	dir, old := t.TempDir(), t.TempDir()
	give := func(dir string) {
		write(t, dir, "ca.pem", read(t, "", server.CAFile))
		write(t, dir, "cert.pem", read(t, "", server.CertFile))
		write(t, dir, "key.pem", read(t, "", server.KeyFile))
		write(t, dir, "token", "anonymous")
		write(t, dir, "lictor.hcl", `
consul {
  address    = "https://`+server.HTTPSAddr+`"
  token_file = "token"
  ssl {
    ca_cert = "ca.pem"
    cert    = "cert.pem"
    key     = "key.pem"
  }
  retry {
    max_backoff = "500ms"
  }
}
template {
  contents    = "{{key \"renewed\"}}"
  destination = "out"
}`)
	}
	give(dir)
	give(old)
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("out", "1")

	server.Stop()
	if err := server.RenewCertificates(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Put(t, "renewed", "2")
	d.waitPrinted("certificate signed by unknown authority", 1)
	refused := 0
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem", "token"} {
		good := read(t, dir, name)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		d.signal(syscall.SIGHUP)
		refused++
		d.waitPrinted("the new configuration is refused, the old one goes on", refused)
		write(t, dir, name, good)
	}
	give(dir)
	d.file("out", "2")

	left := start(t, old, "lictor", "-config", "lictor.hcl", "-once", "-consul-retry=false")
	if code := left.exit(patience); code != exitRuntime || !strings.Contains(left.printed(), "certificate signed by unknown authority") {
		t.Errorf("with the old files: exit code %d, printed %q", code, left.printed())
	}
	write(t, old, "ca.pem", read(t, "", server.CAFile))
	left = start(t, old, "lictor", "-config", "lictor.hcl", "-once", "-consul-retry=false")
	if code := left.exit(patience); code != exitRuntime || !strings.Contains(left.printed(), "certificate") {
		t.Errorf("with the old certificate: exit code %d, printed %q", code, left.printed())
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
