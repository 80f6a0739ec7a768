package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// checkOptions finds values that are out of range. It does not look at templates, prefixes and services.
func (c Config) checkOptions() []error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, &Error{c.At(path), fmt.Errorf(path+": "+format, args...)})
	}
	if _, err := ParseLevel(c.LogLevel); err != nil {
		bad("log_level", "%w", err)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("log_format", "unknown format %q: want text or json", c.LogFormat)
	}
	for path, signal := range map[string]Signal{"kill_signal": c.KillSignal, "reload_signal": c.ReloadSignal} {
		if s := syscall.Signal(signal); s == syscall.SIGKILL || s == syscall.SIGSTOP {
			bad(path, "%s can not be caught: want another one, such as SIGTERM or SIGHUP", signal)
		}
	}
	if err := c.Wait.check(); err != nil {
		path := "wait"
		if c.IsSet("wait.min") {
			path = "wait.min"
		}
		bad(path, "%w", err)
	}
	if !slices.Contains([]string{"never", "on-failure", "always"}, c.Exec.Restart) {
		bad("exec.restart", "unknown policy %q: want never, on-failure or always", c.Exec.Restart)
	}
	switch e := c.Exec; {
	case !slices.Contains([]string{"", "none", "signal", "restart"}, e.Reload):
		bad("exec.reload", "unknown way %q: want none, signal or restart", e.Reload)
	case e.Reload == "signal" && e.ReloadSignal == 0:
		bad("exec.reload", "there is no signal to send: set reload_signal too")
	}
	if c.Consul.MaxConnections < 2 {
		bad("consul.max_connections", "%d is too few: want at least 2, one for reads and one that waits for changes", c.Consul.MaxConnections)
	}
	if c.Consul.Retry.Attempts < 0 {
		bad("consul.retry.attempts", "%d is negative: 0 is no limit", c.Consul.Retry.Attempts)
	}
	if c.PluginTimeout == 0 {
		bad("plugin_timeout", "0s is no limit: a program that hangs would hold all templates up for ever")
	}
	if c.BlockQueryWait < time.Second {
		bad("block_query_wait", "%v is too short: want at least 1s", c.BlockQueryWait)
	}
	errs = append(errs, checkCustom("exec.env", c.At("exec.env.custom"), c.Exec.Env)...)
	return append(errs, checkCustom("command_env", c.At("command_env.custom"), c.CommandEnv)...)
}

// checkCustom finds entries of custom in an env block that are no NAME=VALUE. It does not show them: they may hold a secret.
func checkCustom(where string, pos Pos, e Env) []error {
	var errs []error
	for i, entry := range e.Custom {
		if name, _, ok := strings.Cut(entry, "="); !ok || name == "" {
			errs = append(errs, &Error{pos, fmt.Errorf("%s.custom: entry %d is not NAME=VALUE", where, i+1)})
		}
	}
	return errs
}

// ParseLevel reads a log level in any case: trace (below slog.LevelDebug), debug, info, warn, err or error.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "trace":
		return slog.LevelDebug - 4, nil
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "err", "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("invalid log level %q: want trace, debug, info, warn or error", s)
}

// Validate finds what is wrong with templates, prefixes and services, and joins all of it (exit code 14 in the peers).
func (c Config) Validate() error {
	var errs []error
	for _, t := range c.Templates {
		for _, err := range t.check(c.Dry || c.ParseOnly) {
			errs = append(errs, &Error{t.Pos, fmt.Errorf("template: %w", err)})
		}
		errs = append(errs, checkCustom("template.exec.env", t.Pos, t.Exec.Env)...)
	}
	errs = append(errs, c.overwritten()...)
	errs = append(errs, c.idleRollbacks()...)
	for _, g := range c.Guards {
		errs = append(errs, g.check())
	}
	for _, s := range c.Services {
		if s.Query == "" {
			errs = append(errs, &Error{s.Pos, errors.New("service: no query: want query = \"NAME\"")})
		}
	}
	for _, s := range c.Secrets {
		errs = append(errs, &Error{s.Pos, fmt.Errorf("secret %q: Vault is not supported", s.Path)})
	}
	return errors.Join(errs...)
}

func (t Template) check(noDestination bool) []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case t.Source != "" && t.Contents != "":
		bad("cannot specify both 'source' and 'contents': remove one")
	case t.Source == "" && t.Contents == "":
		bad("must specify exactly one of 'source' or 'contents': both are empty")
	}
	if t.Destination == "" && !noDestination {
		bad("%s: missing destination", t.name())
	}
	if t.NamesFolder() {
		bad("%s: destination %s is a directory: name the file in it", t.name(), t.Destination)
	}
	if err := t.Wait.check(); err != nil {
		bad("%s: wait: %w", t.name(), err)
	}
	if t.LeftDelimiter == t.RightDelimiter && t.LeftDelimiter != "" {
		bad("%s: left and right delimiter are both %q", t.name(), t.LeftDelimiter)
	}
	if !slices.Contains([]string{"", "auto", "always", "never"}, t.LogDiff) {
		bad("%s: log_diff: unknown value %q: want auto, always or never", t.name(), t.LogDiff)
	}
	if !t.Check.IsZero() && t.CheckTimeout == 0 {
		bad("%s: check_timeout: 0s is no limit: a check that hangs would hold the destination up for ever", t.name())
	}
	// Logs and errors call a template by itself SOURCE => DESTINATION.
	if strings.ContainsFunc(t.CommitGroup, func(r rune) bool { return r == '/' || r == '>' || !unicode.IsPrint(r) }) {
		bad("%s: commit_group: bad name %q: want one without \"/\", \">\" and control characters", t.name(), t.CommitGroup)
	}
	return errs
}

// name is how messages call a template.
func (t Template) name() string {
	if t.Source != "" {
		return t.Source
	}
	if t.Destination != "" {
		return "contents for " + t.Destination
	}
	return "contents"
}

// NamesFolder tells whether the destination is a folder, or can only be one.
func (t Template) NamesFolder() bool {
	info, err := os.Stat(t.Destination)
	return strings.HasSuffix(t.Destination, "/") || err == nil && info.IsDir()
}
