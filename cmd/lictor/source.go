package main

import (
	"errors"
	"os"

	"lictor/internal/config"
	"lictor/watch"
	"lictor/watch/consul"
	"lictor/watch/file"
)

// newSource makes what answers the queries: local files for their contents, and for all else the data files, where there
// are any, or Consul. To add a source, add it here.
func (a *assembly) newSource() (watch.Source, error) {
	registry, err := a.newRegistry()
	if err != nil {
		return nil, err
	}
	return withFiles(registry), nil
}

// withFiles asks local files for their contents, and registry for all else.
func withFiles(registry watch.Source) watch.Source {
	files := &file.Contents{}
	return watch.Route(func(q watch.Query) watch.Source {
		if _, ok := q.(watch.File); ok {
			return files
		}
		return registry
	})
}

// checkTokenFile fails where the token file can't be read. A start waits for it, but a reload must not give up a token that works.
func (a *assembly) checkTokenFile() error {
	if a.hasData() || a.cfg.Consul.TokenFile == "" {
		return nil
	}
	_, err := os.ReadFile(a.cfg.Consul.TokenFile)
	return a.at("consul.token_file", err)
}

func (a *assembly) newRegistry() (watch.Source, error) {
	if a.hasData() {
		for _, assignment := range a.cfg.Set {
			if err := new(file.Data).Set(assignment); err != nil {
				return nil, &exitError{exitConfig, &config.Error{Pos: a.cfg.At("set"), Err: err}}
			}
		}
		if a.cfg.Once { // nobody is going to mend a broken file while we wait
			if _, err := file.Load(a.cfg.Set, a.cfg.Data...); err != nil {
				return nil, lines(err)
			}
		}
		data := file.New(a.cfg.Data...)
		data.Assignments = a.cfg.Set
		return data, nil
	}
	c := a.cfg.Consul
	source, err := consul.New(consul.Config{
		Address: c.Address, Namespace: c.Namespace,
		Token: consul.Secret(c.Token.Reveal()), TokenFile: c.TokenFile,
		Username: c.Auth.Username, Password: consul.Secret(c.Auth.Password.Reveal()),
		TLS: consul.TLS{
			Enabled: c.SSL.Enabled == config.On, CertFile: c.SSL.Cert, KeyFile: c.SSL.Key,
			CAFile: c.SSL.CACert, CAPath: c.SSL.CAPath, CABytes: c.SSL.CACertBytes,
			ServerName: c.SSL.ServerName, SkipVerify: !c.SSL.Verify,
		},
		Transport: consul.Transport{
			DialKeepAlive: c.Transport.DialKeepAlive, DialTimeout: c.Transport.DialTimeout,
			IdleConnTimeout: c.Transport.IdleConnTimeout, TLSHandshakeTimeout: c.Transport.TLSHandshakeTimeout,
			MaxIdleConns: c.Transport.MaxIdleConns, MaxIdleConnsPerHost: c.Transport.MaxIdleConnsPerHost,
			DisableKeepAlives: c.Transport.DisableKeepAlives,
		},
		Wait: a.cfg.BlockQueryWait, Stale: a.cfg.MaxStale > 0, MaxConnections: c.MaxConnections,
		Once: a.cfg.Once && !a.patient(), Log: a.log,
	})
	if bad, ok := errors.AsType[*consul.AddressError](err); ok {
		return nil, &exitError{exitConfig, &config.Error{Pos: a.cfg.At("consul.address"), Err: bad}}
	}
	if err != nil {
		return nil, err // a nil *Source must become a nil interface
	}
	return source, nil
}
