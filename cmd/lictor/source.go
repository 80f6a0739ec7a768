package main

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"

	"lictor/internal/config"
	"lictor/watch"
	"lictor/watch/consul"
	"lictor/watch/file"
)

// The names that ?source=NAME and default_source know.
const (
	consulSource = "consul"
	dataSource   = "data"
)

// newSource makes what answers the queries: local files for their contents, and for all else the source that a query names, or
// the default one.
func (a *assembly) newSource() (watch.Source, error) { return a.routed(a.newData) }

// routed makes the sources, and what hands each query to its own. To add a source, add it here.
func (a *assembly) routed(newData func() (watch.Source, error)) (watch.Source, error) {
	sources := map[string]watch.Source{}
	if a.hasData() {
		data, err := newData()
		if err != nil {
			return nil, err
		}
		sources[dataSource], sources[consulSource] = data, data
	}
	if a.usesConsul() {
		consul, err := a.newConsul()
		if err != nil {
			return nil, err
		}
		sources[consulSource] = consul
	}
	if _, err := a.sourceNames().Name(a.defaultSource()); err != nil {
		return nil, &exitError{exitConfig, &config.Error{Pos: a.cfg.At("default_source"), Err: err}}
	}
	return route(sources, a.defaultSource()), nil
}

// usesConsul tells whether Consul answers any query. Beside data files it only does where it is meant to: a run on data files with the
// configuration of a live system must not ask that. So what a configuration file says counts for data files that it names itself.
func (a *assembly) usesConsul() bool {
	byFlag := func(option string) bool { return strings.HasPrefix(a.cfg.At(option).File, "flag ") }
	switch {
	case !a.hasData(), a.asksRegistry(), a.cfg.DefaultSource == consulSource && byFlag("default_source"):
		return true
	case byFlag("data"), byFlag("set"):
		return false
	}
	return a.cfg.DefaultSource != ""
}

// sourceNames are the names of the sources, the default one first. Where there is data, that stands in for Consul unless Consul is used.
func (a *assembly) sourceNames() watch.SourceNames {
	all := watch.SourceNames{consulSource}
	if a.hasData() {
		all = append(all, dataSource)
	}
	if a.defaultSource() == dataSource {
		slices.Reverse(all)
	}
	return all
}

// defaultSource is the name of the source that answers queries which name none.
func (a *assembly) defaultSource() string {
	if a.cfg.DefaultSource == "" && a.hasData() {
		return dataSource
	}
	return cmp.Or(a.cfg.DefaultSource, consulSource)
}

// route hands each query to the source that it names, and to the one named usual where it names none. Local files are read whatever the
// sources are. There is no other name: see [watch.SourceNames].
func route(sources map[string]watch.Source, usual string) watch.Source {
	files := &file.Contents{}
	return watch.Route(func(q watch.Query) watch.Source {
		if _, ok := q.(watch.File); ok {
			return files
		}
		return sources[cmp.Or(watch.SourceOf(q), usual)]
	})
}

// checkTokenFile fails where the token file can't be read. A start waits for it, but a reload must not give up a token that works.
func (a *assembly) checkTokenFile() error {
	if !a.usesConsul() || a.cfg.Consul.TokenFile == "" {
		return nil
	}
	_, err := os.ReadFile(a.cfg.Consul.TokenFile)
	return a.at("consul.token_file", err)
}

// newData makes the source of the data files.
func (a *assembly) newData() (watch.Source, error) {
	for _, assignment := range a.cfg.Set {
		if err := new(file.Data).Set(assignment); err != nil {
			return nil, &exitError{exitConfig, &config.Error{Pos: a.cfg.At("set"), Err: err}}
		}
	}
	if a.cfg.Once { // nobody is going to fix a broken file while we wait
		if _, err := file.Load(a.cfg.Set, a.cfg.Data...); err != nil {
			return nil, lines(err)
		}
	}
	data := file.New(a.cfg.Data...)
	data.Assignments = a.cfg.Set
	return data, nil
}

func (a *assembly) newConsul() (watch.Source, error) {
	c := a.cfg.Consul
	source, err := consul.New(consul.Config{
		Address: c.Address, Namespace: c.Namespace,
		Token: c.Token, TokenFile: c.TokenFile,
		Username: c.Auth.Username, Password: c.Auth.Password,
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
