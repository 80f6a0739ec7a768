package consul

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"lictor/internal/consultest"
	"lictor/watch"
)

// A strict server wants to see a certificate of its authority. Both are those that its files hold when a connection is made.
type strict struct {
	*httptest.Server
	files      consultest.Certificates
	handshakes atomic.Int64
}

func newStrict(t *testing.T, p protocol, handle http.HandlerFunc) *strict {
	s := &strict{Server: httptest.NewUnstartedServer(handle), files: certificates(t)}
	s.EnableHTTP2 = p == http2
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		s.handshakes.Add(1)
		own, err := tls.LoadX509KeyPair(s.files.CertFile, s.files.KeyFile)
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(s.files.CAFile)
		authority := x509.NewCertPool()
		authority.AppendCertsFromPEM(text)
		return &tls.Config{
			Certificates: []tls.Certificate{own}, ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert,
			NextProtos: s.TLS.NextProtos, // which it has by then
		}, err
	}}
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func certificates(t *testing.T) consultest.Certificates {
	t.Helper()
	c, err := consultest.WriteCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// replace replaces a file as a whole.
func replace(t *testing.T, path, content string) {
	t.Helper()
	fresh := filepath.Join(t.TempDir(), "new") // not in a folder that is read
	if err := os.WriteFile(fresh, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}

// copyCertificates replaces the files of to by those of from.
func copyCertificates(t *testing.T, to, from consultest.Certificates) {
	t.Helper()
	for path, source := range map[string]string{to.CAFile: from.CAFile, to.CertFile: from.CertFile, to.KeyFile: from.KeyFile} {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, path, string(text))
	}
}

// TestRenewedCertificates has a server that gets another authority, and so another certificate, and wants one of it. We get ours later,
// after an attempt that writes them badly, and nobody restarts us. What is of the old authority is not accepted then.
func TestRenewedCertificates(t *testing.T) {
	for _, p := range []protocol{http2, http1} {
		for _, folder := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, authorities in a folder %v", p, folder), func(t *testing.T) {
				t.Parallel()
				server := newStrict(t, p, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Consul-Index", "9")
					if waits(r) {
						<-r.Context().Done()
						return
					}
					io.WriteString(w, aKey)
				})
				ours, old := certificates(t), certificates(t)
				copyCertificates(t, ours, server.files)
				copyCertificates(t, old, server.files)
				log := &lockedBuffer{}
				c := Config{
					Address: server.URL, TLS: TLS{CAFile: ours.CAFile, CertFile: ours.CertFile, KeyFile: ours.KeyFile},
					Log: slog.New(slog.NewTextHandler(log, nil)),
				}
				if folder {
					c.TLS.CAPath = filepath.Join(t.TempDir(), "authorities")
					if err := os.Mkdir(c.TLS.CAPath, 0o700); err != nil {
						t.Fatal(err)
					}
					ours.CAFile = filepath.Join(c.TLS.CAPath, "a.pem")
					copyCertificates(t, ours, server.files)
					c.TLS.CAFile = ""
				}
				q := watch.Key{Path: "k"}
				w := follow(t, open(t, c), watch.Set{q: {}})
				answered(t, w, watch.Set{q: {}})
				renew := func(to consultest.Certificates) {
					copyCertificates(t, server.files, to)
					server.CloseClientConnections()
				}
				fails := func(what string) {
					t.Helper()
					eventually(t, func() string {
						if err := w.Err(q); err == nil || !strings.Contains(err.Error(), "certificate") {
							return fmt.Sprintf("%s: the error is %v", what, err)
						}
						return ""
					})
				}
				works := func(what string) {
					t.Helper()
					eventually(t, func() string {
						if err := w.Err(q); err != nil {
							return fmt.Sprintf("%s: the error is %v", what, err)
						}
						return ""
					})
				}
				next := certificates(t)
				renew(next)
				fails("a new authority of the server's")
				replace(t, ours.CertFile, "not a certificate")
				replace(t, ours.CAFile, "not a certificate")
				bad := server.handshakes.Load()
				eventually(t, func() string {
					if n := server.handshakes.Load() - bad; n < 3 {
						return fmt.Sprintf("%d handshakes with files that can't be read", n)
					}
					return ""
				})
				fails("files that can't be read")
				if n := strings.Count(log.String(), "can't be read, the last one stays"); n != 1 { // the server's is refused before ours is asked for
					t.Errorf("%d warnings, want 1:\n%s", n, log)
				}
				renew(old)
				works("what was read last")
				if n := strings.Count(log.String(), "can't be read, the last one stays"); n != 2 {
					t.Errorf("%d warnings, want one for each file:\n%s", n, log)
				}
				renew(next)
				copyCertificates(t, ours, next)
				eventually(t, func() string {
					if strings.Count(log.String(), "was read again") != 2 {
						return "was logged:\n" + log.String()
					}
					return ""
				})
				works("all is renewed")
				if strings.Contains(log.String(), "PRIVATE") {
					t.Errorf("a key was logged:\n%s", log)
				}
				renew(old)
				fails("the old authority")
			})
		}
	}
}

// TestRefusedCertificate has a server that wants a certificate, and gets none, or one of another authority. The error says what it is about.
func TestRefusedCertificate(t *testing.T) {
	for _, p := range []protocol{http2, http1} {
		server := newStrict(t, p, func(http.ResponseWriter, *http.Request) { t.Error("it was let in") })
		other := certificates(t)
		for _, c := range []TLS{{CAFile: server.files.CAFile}, {CAFile: server.files.CAFile, CertFile: other.CertFile, KeyFile: other.KeyFile}} {
			for range 5 { // net/http has several errors for it, as the alert comes earlier or later
				if _, err := first(t, open(t, Config{Address: server.URL, TLS: c}), watch.Key{Path: "k"}); err == nil || !strings.Contains(err.Error(), "certificate") {
					t.Errorf("%s, certificate %q: %v", p, c.CertFile, err)
				}
			}
		}
	}
}

// TestCertificateThatIsNotWanted has a server that names the authorities whose certificates it takes: ours is not shown where it is of
// another one.
func TestCertificateThatIsNotWanted(t *testing.T) {
	ours := certificates(t)
	conf, err := (TLS{CertFile: ours.CertFile, KeyFile: ours.KeyFile}).config("localhost", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(ours.CertFile, ours.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		authorities [][]byte
		shown       int
	}{{nil, 1}, {[][]byte{pair.Leaf.RawIssuer}, 1}, {[][]byte{[]byte("another")}, 0}} {
		got, err := conf.GetClientCertificate(&tls.CertificateRequestInfo{
			Version: tls.VersionTLS13, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, AcceptableCAs: c.authorities,
		})
		if err != nil || len(got.Certificate) != c.shown {
			t.Errorf("of %q: %d certificates shown, want %d (%v)", c.authorities, len(got.Certificate), c.shown, err)
		}
	}
}
