package consul

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lictor/internal/consultest"
	"lictor/internal/secret"
	"lictor/watch"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string // the URL of a request, or what the error says
	}{
		{Config{}, "http://127.0.0.1:8500"},
		{Config{Address: "consul.example:1"}, "http://consul.example:1"},
		{Config{Address: "http://h:1/gateway/"}, "http://h:1/gateway"},
		{Config{Address: "https://h:1"}, "https://h:1"},
		{Config{Address: "h:1", TLS: TLS{Enabled: true}}, "https://h:1"},
		{Config{Address: "http://h:1", TLS: TLS{Enabled: true}}, "https://h:1"},
		{Config{Address: "unix:///run/consul.sock"}, "http://localhost"},
		{Config{Address: "ftp://h"}, "scheme must be http, https or unix"},
		{Config{Address: "http://"}, "no host"},
		{Config{Address: ":8500"}, "no host"},
		{Config{Address: "localhost"}, "http://localhost"},
		{Config{Address: "[::1]:8500"}, "http://[::1]:8500"},
		{Config{Address: "[fe80::1%eth0]:8500"}, "http://[fe80::1%25eth0]:8500"},
		{Config{Address: "::1"}, "in brackets"},
		{Config{Address: "[::1"}, "in brackets"},
		{Config{Address: "[web]:1"}, "want [IPV6]:PORT"},
		{Config{Address: "consul_1.bücher.example:1"}, "http://consul_1.b%C3%BCcher.example:1"},
		{Config{Address: " 127.0.0.1:8500"}, `" 127.0.0.1:8500" has a blank in it`},
		{Config{Address: "127.0.0.1:8500\n"}, "has a blank in it"},
		{Config{Address: "localhost:8500,other:8500"}, "is a list"},
		{Config{Address: "http://a:1,http://b:1"}, "is a list"},
		{Config{Address: "h:http"}, "port must be a number"},
		{Config{Address: "h:65536"}, "port must be a number"},
		{Config{Address: "h:0"}, "port must be a number"},
		{Config{Address: "h!:1"}, `'!' can not be in the name of a host`},
		{Config{Address: "h:1?token=hunter2"}, "must not have a query"},
		{Config{Address: "http://h:1/x#hunter2"}, "must not have a query"},
		{Config{Address: "unix://"}, "has no path"},
		{Config{Address: "http://me:hunter2@h:1"}, "use the auth options"},
		{Config{Address: "htps://me:hunter2@h"}, "use the auth options"},
		{Config{Address: "http:///me:hunter2@h"}, "use the auth options"},
		{Config{Address: "http:/me:hunter2@h"}, "use the auth options"},
		{Config{Address: "http://me:hunter2/@h"}, "use the auth options"},
		{Config{TLS: TLS{CertFile: "x"}}, "both a certificate and a key"},
		{Config{TLS: TLS{CAFile: "/does/not/exist"}}, "/does/not/exist"},
		{Config{MaxConnections: 1}, "must be 2 or more"},
		{Config{Plan: "magic"}, `plan "magic"`},
	} {
		s, err := New(c.config)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = s.client.base.url.String()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%+v: %s, want %s", c.config, got, c.want)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("the error shows a password: %s", got)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := Config{Token: "hunter2", Password: "hunter3"}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("config", "config", c, "token", c.Token)
	if out := fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Token, c.Token) + b.String(); strings.Contains(out, "hunter") {
		t.Errorf("a secret shows in: %s", out)
	}
}

func TestUnixSocketAndBasicAuth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "pw" || r.Header.Get("X-Consul-Token") != "tok" ||
			r.FormValue("ns") != "n" || r.FormValue("partition") != "p" || r.URL.Path != "/v1/catalog/services" {
			t.Errorf("request %s %v", r.URL, r.Header)
		}
		w.Header().Set("X-Consul-Index", "5")
		fmt.Fprint(w, `{"web":["b","a"]}`)
	}))
	server.Listener = l
	server.Start()
	defer server.Close()
	s := open(t, Config{Address: "unix://" + path, Username: "me", Password: "pw", Token: "tok", Namespace: "n", Partition: "p"})
	if got := answer[[]*watch.ServiceName](t, s, watch.Services{}); len(got) != 1 || got[0].Name != "web" || got[0].Tags[0] != "a" {
		t.Errorf("services = %+v", got)
	}
}

func TestTokensAndTLS(t *testing.T) {
	server := consultest.Start(t, consultest.Options{TLS: true, ACL: true})
	server.Put(t, "open/k", "v")
	server.Put(t, "shut/k", "v")
	token := server.NewToken(t, `key_prefix "open/" { policy = "read" }`)
	good := Config{Address: "https://" + server.HTTPSAddr, Token: secret.Text(token), TLS: TLS{CAFile: server.CAFile}}
	s := open(t, good)
	if p := answer[*watch.KeyPair](t, s, watch.Key{Path: "open/k"}); p == nil || p.Value != "v" {
		t.Errorf("open/k = %+v", p)
	}
	if p := answer[*watch.KeyPair](t, s, watch.Key{Path: "open/missing"}); p != nil {
		t.Errorf("open/missing = %+v", p)
	}
	_, err := first(t, s, watch.Key{Path: "shut/k"})
	if err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(err.Error(), "shut/k") || strings.Contains(err.Error(), token) {
		t.Errorf("a denied key: %v", err)
	}
	ca, err := os.ReadFile(server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []protocol{http2, http1} {
		config := good
		host, _ := p.reach(t, server)
		config.Address = "https://" + host
		for what, c := range map[string]struct {
			tls  TLS
			says string // "" when it works
		}{
			"authority as text": {TLS{CABytes: string(ca)}, ""},
			"unknown authority": {TLS{}, "certificate"},
			"not verified":      {TLS{SkipVerify: true}, ""},
			"another name":      {TLS{CAFile: server.CAFile, ServerName: "other.example"}, "other.example"},
			"server's name":     {TLS{CAFile: server.CAFile, ServerName: "server.dc1.consul"}, ""},
			"own certificate":   {TLS{CAFile: server.CAFile, CertFile: server.CertFile, KeyFile: server.KeyFile}, ""},
		} {
			config.TLS = c.tls
			_, err := first(t, open(t, config), watch.Key{Path: "open/k"})
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v", p, what, err)
			}
		}
	}

	t.Run("token file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		_, err := first(t, open(t, Config{Address: server.Addr, TokenFile: file}), watch.Key{Path: "open/k"})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("a token file that is missing: %v", err)
		}
		write := func(token string) {
			if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("00000000-0000-4000-8000-00000000dead")
		log := &lockedBuffer{}
		s := open(t, Config{Address: server.Addr, TokenFile: file, Token: "ignored", Log: slog.New(slog.NewTextHandler(log, nil))})
		if _, err := first(t, s, watch.Key{Path: "open/k"}); !denied(err) {
			t.Errorf("a wrong token: %v", err)
		}
		before, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		write(token)
		// An editor may keep the time, and both tokens have one length.
		if err := os.Chtimes(file, time.Time{}, before.ModTime()); err != nil {
			t.Fatal(err)
		}
		if _, err := first(t, s, watch.Key{Path: "open/k"}); err != nil {
			t.Errorf("the new token: %v", err)
		}
		for _, spoil := range []func() error{
			func() error { return os.WriteFile(file, nil, 0o600) },
			func() error { return os.Remove(file) },
		} {
			before := strings.Count(log.String(), "level=WARN")
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := first(t, s, watch.Key{Path: "open/k"}); err != nil {
					t.Errorf("the token before is forgotten: %v", err)
				}
			}
			if n := strings.Count(log.String(), "level=WARN") - before; n != 1 {
				t.Errorf("%d warnings, want 1:\n%s", n, log)
			}
		}
		if strings.Contains(log.String(), token) {
			t.Errorf("the token was logged:\n%s", log)
		}
	})
	t.Run("empty token file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, Config{Address: server.Addr, TokenFile: file})
		if _, err := first(t, s, watch.Key{Path: "open/k"}); !denied(err) { // as without any
			t.Errorf("a token file that never held one: %v", err)
		}
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := first(t, s, watch.Key{Path: "open/k"}); err != nil {
			t.Errorf("the token that came later: %v", err)
		}
	})
}
