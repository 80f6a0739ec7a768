package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// Load reads everything that configures a run: defaults, then the files and folders that flags name, then CT_LOCAL_CONFIG,
// then the other flags; environment variables fill what is still unset. Its error joins all mistakes found (exit code 15 in
// the peers); what jobs lack is found by [Config.Validate]. Warnings are for the log, one line each.
func Load(p Persona, flags *Flags, getenv func(string) string) (c Config, warnings []string, err error) {
	c = Default(p.String())
	d := newDecoder()
	for _, path := range flags.configs {
		d.path(path, &c)
	}
	if local := getenv("CT_LOCAL_CONFIG"); local != "" && p != Envconsul {
		d.source("CT_LOCAL_CONFIG", []byte(local), &c)
	}
	c.origin, c.files = d.origin, d.files
	if err := flags.apply(d, &c); err != nil {
		d.fail(err)
	}
	d.environment(&c, getenv)
	if p == Lictor || p == LictorExec {
		d.doubtGroups(c)
	}
	d.doubtChecks(c)
	d.doubtDestinations(c)
	c.complete(p)
	if c.Deduplicate.Enabled == On {
		d.warn(c.At("deduplicate.enabled"), "deduplicate has no effect: each host renders for itself")
	}
	return c, d.warnings, errors.Join(append(d.errs, c.checkOptions()...)...)
}

// path reads a configuration file, or each file below a folder in lexical order.
func (d *decoder) path(path string, c *Config) {
	info, err := os.Stat(path)
	if err != nil {
		d.fail(fmt.Errorf("configuration %s: %w", path, cause(err)))
		return
	}
	if !info.IsDir() {
		d.readFile(path, c)
		return
	}
	root := path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		root = real // WalkDir does not follow a link, not even the first
	}
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			d.fail(fmt.Errorf("configuration %s: %w", file, cause(err)))
			return nil
		}
		// Kubernetes keeps the files of a volume in ..data and links to them: reading both would read all twice.
		if file != root && strings.HasPrefix(entry.Name(), "..") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		rel, _ := filepath.Rel(root, file)
		d.readFile(filepath.Join(path, rel), c)
		return nil
	})
	if err != nil {
		d.fail(fmt.Errorf("configuration %s: %w", path, err))
	}
}

func (d *decoder) readFile(path string, c *Config) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		err = errors.New("is a directory: a link in a configuration folder must lead to a file")
	case err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeCharDevice == 0 && info.Mode()&fs.ModeNamedPipe == 0:
		err = fmt.Errorf("is not a file (%v)", info.Mode().Type())
	}
	var src []byte
	if err == nil {
		src, err = os.ReadFile(path)
	}
	if err != nil {
		d.fail(fmt.Errorf("configuration %s: %w", path, cause(err)))
		return
	}
	d.files = append(d.files, path)
	d.source(path, src, c)
}

// source reads the text of one file over c.
func (d *decoder) source(name string, src []byte, c *Config) {
	n, err := parse(name, src)
	if err != nil {
		d.fail(err)
		return
	}
	d.file(n, c)
}

// cause takes the operation and path off an error, which the message has already.
func cause(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

// environment fills options that are still unset from environment variables.
func (d *decoder) environment(c *Config, getenv func(string) string) {
	// The token and the file that holds it are one thing: either one given elsewhere rules out both variables.
	haveToken := c.IsSet("consul.token") || c.IsSet("consul.token_file")
	d.schema.walk(c, func(st setting) {
		if c.IsSet(st.path) || st.group == unsupportedGroup || haveToken && strings.HasPrefix(st.path, "consul.token") {
			return
		}
		for _, name := range st.env {
			value := getenv(name)
			if value == "" {
				continue
			}
			n, err := flagNode(node{kind: text, text: value, pos: Pos{File: "environment variable " + name}}, st.typ)
			if err != nil {
				d.fail(&Error{Pos{File: "environment variable " + name}, err})
				return
			}
			d.value(st.path, n, reflect.ValueOf(c).Elem().FieldByIndex(st.index))
			return
		}
	})
}

// complete fills in what follows from other options.
func (c *Config) complete(p Persona) {
	auto := func(s *Switch, block string) {
		if *s == Auto {
			*s = SwitchOf(c.IsSet(block))
		}
	}
	auto(&c.Consul.SSL.Enabled, "consul.ssl")
	auto(&c.Consul.Auth.Enabled, "consul.auth")
	auto(&c.Syslog.Enabled, "syslog")
	auto(&c.Deduplicate.Enabled, "deduplicate")
	if c.Once && !c.IsSet("consul.retry.attempts") {
		c.Consul.Retry.Attempts = 12 // five minutes, as the peers
		if p == Lictor || p == LictorExec {
			c.Consul.Retry.Attempts = 5 // eight seconds: who waits at a prompt wants to be told
		}
	}
	c.Wait.complete()
	c.Exec.complete()
	if c.TemplateErrorFatal == Auto {
		// A daemon of ours outlives a template that fails on bad data; a peer's place is taken as the peer filled it.
		c.TemplateErrorFatal = SwitchOf(c.Once || p == ConsulTemplate || p == Envconsul)
	}
	if c.LogLevel == "" {
		c.LogLevel = "warn"
		if p == Lictor && !c.Once && !c.Dry {
			c.LogLevel = "info" // a daemon's log tells what it changed
		}
	}
	for i := range c.Templates {
		c.completeTemplate(&c.Templates[i])
		if c.Templates[i].Destination == "-" && (p == Lictor || p == LictorExec) {
			c.Templates[i].Destination = "/dev/stdout" // to the peers it is a file's name
		}
	}
	for i := range c.Prefixes {
		if c.Prefixes[i].NoPrefix == Auto {
			c.Prefixes[i].NoPrefix = On
		}
	}
}

func (e *Exec) complete() {
	if e.Enabled == Auto {
		e.Enabled = SwitchOf(!e.Command.IsZero())
	}
}

func (c *Config) completeTemplate(t *Template) {
	if t.Exec.Command.IsZero() {
		t.Exec.Command = t.Command
	}
	if t.Exec.Timeout == 0 {
		t.Exec.Timeout = t.CommandTimeout
	}
	t.Command, t.CommandTimeout = Command{}, 0
	t.Exec.complete()
	if t.Wait == (Wait{}) {
		t.Wait = c.Wait
	}
	t.Wait.complete()
	if t.MinInterval == unset {
		t.MinInterval = c.Reload.MinInterval
	}
	if t.PluginTimeout == 0 {
		t.PluginTimeout = c.PluginTimeout
	}
	orElse(&t.LeftDelimiter, c.DefaultDelimiters.Left)
	orElse(&t.RightDelimiter, c.DefaultDelimiters.Right)
	orElse(&t.User, t.UID)
	orElse(&t.Group, t.GID)
	t.UID, t.GID = "", ""
	if t.ErrorFatal == Auto {
		t.ErrorFatal = c.TemplateErrorFatal
	}
}

func orElse[T ~string](s *T, def T) {
	if *s == "" {
		*s = def
	}
}
