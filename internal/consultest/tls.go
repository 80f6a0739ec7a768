package consultest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are PEM files: an authority, and a certificate of it with its key, for server and client use on 127.0.0.1.
type Certificates struct {
	CAFile, CertFile, KeyFile string // "" without Options.TLS
}

// WriteCertificates makes a new authority and a certificate of it into files of a folder, in place of those that it made before.
func WriteCertificates(dir string) (c Certificates, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "consultest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return c, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server.dc1.consul"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost", "server.dc1.consul"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return c, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return c, err
	}
	c = Certificates{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for _, f := range []struct {
		path, kind string
		der        []byte
	}{{c.CAFile, "CERTIFICATE", caDER}, {c.CertFile, "CERTIFICATE", leafDER}, {c.KeyFile, "EC PRIVATE KEY", keyDER}} {
		if err := os.WriteFile(f.path, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			return c, err
		}
	}
	return c, nil
}

// RenewCertificates makes a new authority and certificate for the agent, which uses them from its next Start on.
func (s *Server) RenewCertificates() (err error) {
	s.Certificates, err = WriteCertificates(s.dir)
	return err
}

// HTTP1 starts a proxy that serves the API with the agent's certificate until the test ends, and returns its host:port. It speaks
// HTTP/1.1 only, as most load balancers do, where the agent itself speaks HTTP/2. The agent must have been started with Options.TLS.
func (s *Server) HTTP1(tb testing.TB) (addr string) {
	tb.Helper()
	certificate, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		tb.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.Addr})
	forward.Transport = &http.Transport{DisableKeepAlives: true}
	forward.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	proxy := httptest.NewUnstartedServer(forward)
	proxy.Config.ErrorLog = forward.ErrorLog
	proxy.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	proxy.StartTLS()
	tb.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	return proxy.Listener.Addr().String()
}
