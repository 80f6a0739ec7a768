package consul

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/hashicorp/consul/api"
)

// TLS is how to speak TLS with the agent. It is also spoken when the address says https. All files are read again for each new
// connection, so that renewed ones need no restart.
type TLS struct {
	Enabled                 bool
	CertFile, KeyFile       string
	CAFile, CAPath, CABytes string // CABytes is PEM text; of several the first that is set counts: CAFile, CABytes, CAPath
	ServerName              string // "" is the address's host
	SkipVerify              bool
}

// config makes the configuration of connections to host. It fails where a file can't be used now.
func (t TLS) config(host string, log *slog.Logger) (*tls.Config, error) {
	conf := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.SkipVerify}
	err := t.setAuthorities(conf, host, log)
	if err == nil {
		err = t.setCertificate(conf, log)
	}
	if err != nil {
		return nil, fmt.Errorf("consul TLS: %w", err)
	}
	return conf, nil
}

// setAuthorities has the server's certificate verified as crypto/tls does, but by the authorities that the files hold by then.
func (t TLS) setAuthorities(conf *tls.Config, host string, log *slog.Logger) error {
	authorities := &renewed[*x509.CertPool]{
		name: "consul certificate authority", log: log, equal: (*x509.CertPool).Equal,
		read: func() (*x509.CertPool, error) {
			conf, err := api.SetupTLSConfig(&api.TLSConfig{CAFile: t.CAFile, CAPath: t.CAPath, CAPem: []byte(t.CABytes)})
			if err != nil {
				return nil, err
			}
			return conf.RootCAs, nil // nil is those of the system
		},
	}
	if _, err := authorities.get(); err != nil || t.SkipVerify {
		return err
	}
	conf.InsecureSkipVerify = true // VerifyConnection verifies it
	conf.VerifyConnection = func(state tls.ConnectionState) error {
		roots, err := authorities.get()
		if err != nil {
			return err
		}
		options := x509.VerifyOptions{
			Roots: roots, Intermediates: x509.NewCertPool(),
			DNSName: cmp.Or(conf.ServerName, state.ServerName, host), // state has none where it is an IP address
		}
		for _, c := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		if _, err := state.PeerCertificates[0].Verify(options); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		return nil
	}
	return nil
}

// setCertificate has the certificate shown that the files hold by then, where the server takes it.
func (t TLS) setCertificate(conf *tls.Config, log *slog.Logger) error {
	switch {
	case t.CertFile == "" && t.KeyFile == "":
		return nil
	case t.CertFile == "" || t.KeyFile == "":
		return errors.New("both a certificate and a key file are needed, or neither")
	}
	certificate := &renewed[tls.Certificate]{
		name: "consul client certificate", log: log,
		equal: func(a, b tls.Certificate) bool { return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal) },
		read: func() (tls.Certificate, error) {
			c, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				err = fmt.Errorf("certificate %s with key %s: %w", t.CertFile, t.KeyFile, err)
			}
			return c, err
		},
	}
	if _, err := certificate.get(); err != nil {
		return err
	}
	conf.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c, err := certificate.get()
		if err != nil || asked.SupportsCertificate(&c) != nil {
			return &tls.Certificate{}, err
		}
		return &c, nil
	}
	return nil
}
