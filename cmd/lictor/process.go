package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lictor/internal/command"
	"lictor/internal/config"
	"lictor/internal/retry"
	"lictor/internal/runner"
)

// maxGrace is how long a command that is stopped may take to end at most: nothing is rendered meanwhile.
const maxGrace = 5 * time.Second

// reloadRetry is after which pauses a command that failed is run again.
var reloadRetry = retry.Backoff{First: time.Second, Most: 5 * time.Minute}

// command makes a reload command of its configuration; without a program it is the zero Command.
func (a *assembly) command(e config.Exec) command.Command {
	if e.Command.IsZero() || e.Enabled == config.Off {
		return command.Command{}
	}
	c := command.Command{
		Args: e.Command.Args, Shell: e.Command.Shell, Env: a.environ(os.Environ(), a.cfg.CommandEnv, e.Env),
		Timeout: e.Timeout, Grace: min(e.KillTimeout, maxGrace),
	}
	if a.persona == config.ConsulTemplate {
		c.Stdout, c.Stderr = a.streams.out, a.streams.err // where that tool lets its commands print
	}
	return c
}

// environ is the environment of a program that we run: base by the rules of one env block after the other, and what it needs to
// reach the registry that we use. As with consul-template that is there whatever is pristine or allowed; only what a
// denylist names is not.
func (a *assembly) environ(base []string, rules ...config.Env) []string {
	var registry []string
	if a.usesConsul() {
		registry = a.consulEnviron()
	}
	for _, r := range rules {
		base = command.Environ(base, r.Pristine, r.Custom, r.Allow, r.Deny)
		registry = command.Environ(registry, false, nil, nil, r.Deny)
	}
	return command.Environ(append(base, registry...), false, nil, nil, nil)
}

// lookupEnv answers `env` in templates: as in consul-template, what reaches the registry that we use comes before our own
// environment.
func (a *assembly) lookupEnv(name string) (value string, ok bool) {
	if a.usesConsul() {
		for _, entry := range a.consulEnviron() {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value, true
			}
		}
	}
	return os.LookupEnv(name)
}

func (a *assembly) consulEnviron() []string {
	c := a.cfg.Consul
	env := []string{
		"CONSUL_HTTP_ADDR=" + c.Address,
		"CONSUL_HTTP_SSL=" + strconv.FormatBool(c.SSL.Enabled == config.On),
		"CONSUL_HTTP_SSL_VERIFY=" + strconv.FormatBool(c.SSL.Verify),
	}
	for name, value := range map[string]string{
		"CONSUL_HTTP_TOKEN":      c.Token.Reveal(),
		"CONSUL_CACERT":          c.SSL.CACert,
		"CONSUL_CAPATH":          c.SSL.CAPath,
		"CONSUL_CLIENT_CERT":     c.SSL.Cert,
		"CONSUL_CLIENT_KEY":      c.SSL.Key,
		"CONSUL_TLS_SERVER_NAME": c.SSL.ServerName,
	} {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	if c.Auth.Enabled == config.On {
		env = append(env, "CONSUL_HTTP_AUTH="+c.Auth.Username+":"+c.Auth.Password.Reveal())
	}
	return env
}

// addChild makes the supervised program of -exec and exec mode, if there is one, and its environment.
func (a *assembly) addChild() error {
	e := a.cfg.Exec
	switch {
	case a.cfg.ParseOnly, a.cfg.Dry && !a.execMode():
		return nil
	case a.cfg.Dry:
		return a.previewEnviron()
	case a.cfg.NoCommands:
		a.runner.Commands = runner.CommandsNever
		if strings.HasPrefix(a.cfg.At("exec.command").File, "flag ") {
			return &exitError{exitFlags, errors.New("flag -no-commands does not go with -exec: the program would not be started")}
		}
		return nil
	}
	if !a.runsProgram() {
		if a.execMode() {
			return &exitError{exitConfig, errors.New("no command: name the program after the options, or with -exec")}
		}
		return nil
	}
	a.child = &command.Child{
		Command: command.Command{Args: e.Command.Args, Shell: e.Command.Shell, Stdout: a.streams.out, Stderr: a.streams.err},
		Stdin:   a.streams.in, KillSignal: syscall.Signal(e.KillSignal), KillTimeout: e.KillTimeout,
		IgnoreFiles: e.Reload == "none", Splay: e.Splay, Restart: command.RestartPolicy(e.Restart),
	}
	if e.Reload != "restart" {
		a.child.ReloadSignal = syscall.Signal(e.ReloadSignal)
	}
	a.runner.Child = a.child
	if a.persona == config.ConsulTemplate {
		a.runner.Commands = runner.CommandsFirst
	} else {
		a.runner.Queue.Retry = reloadRetry // also with Once, since the commands begin when the program may not be up yet
	}
	if !a.execMode() {
		a.runner.Environ = func() []string { return a.environ(os.Environ(), e.Env) }
		return nil
	}
	return a.addChildEnviron()
}

func (a *assembly) execMode() bool {
	return a.persona == config.LictorExec || a.persona == config.Envconsul
}

// asPID1 is what we do as the first process of a container: run ourselves as a child, and reap orphans.
func asPID1(s streams) int {
	code, err := command.Init()
	if err != nil {
		return report(s.err, &exitError{code, err})
	}
	return code
}
