package main

import (
	"fmt"
	"slices"
	"strings"

	"lictor/funcs"
	"lictor/internal/config"
	"lictor/internal/glob"
	"lictor/internal/spell"
)

// doubtLists warns of entries in lists of names that name nothing. A list that forbids something by a misspelt name forbids
// nothing, and would say so only by what happens then.
func doubtLists(cfg config.Config) []string {
	var warnings []string
	warn := func(pos config.Pos, option, entry, why string) {
		warnings = append(warnings, fmt.Sprintf("%v: %s: %q %s", pos, option, entry, why))
	}
	env := func(pos func(list string) config.Pos, block string, e config.Env) {
		for _, list := range []struct {
			name    string
			entries []string
		}{{"allowlist", e.Allow}, {"denylist", e.Deny}} {
			for _, entry := range list.entries {
				if why := doubtVariable(entry); why != "" {
					warn(pos(list.name), block+"."+list.name, entry, why)
				}
			}
		}
	}
	env(func(list string) config.Pos { return cfg.At("exec.env." + list) }, "exec.env", cfg.Exec.Env)
	env(func(list string) config.Pos { return cfg.At("command_env." + list) }, "command_env", cfg.CommandEnv)
	for _, t := range cfg.Templates {
		here := func(string) config.Pos { return t.Pos }
		env(here, "template.exec.env", t.Exec.Env)
		for _, name := range t.FunctionDenylist {
			if why := doubtFunction(name); why != "" {
				warn(t.Pos, "template: function_denylist", name, why)
			}
		}
	}
	return warnings
}

// doubtFunction says why an entry of function_denylist forbids nothing, "" where it forbids something.
func doubtFunction(pattern string) string {
	switch near := spell.Closest(pattern, funcs.Names()); {
	case funcs.Deniable(pattern):
		return ""
	case slices.Contains(spell.Builtins, pattern):
		return "belongs to the template language, and can't be forbidden"
	case near != "":
		return fmt.Sprintf("is no function, and forbids nothing: did you mean %q?", near)
	default:
		return "is no function, and forbids nothing: lictor functions lists them all"
	}
}

// doubtVariable says why an entry of an allowlist or denylist of variables is most likely a mistake, "" where it is not. Any
// name may be that of a variable, so only those are doubted that are nearly one of the well-known ones.
func doubtVariable(pattern string) string {
	if glob.Malformed(pattern) {
		return "is no pattern, and matches nothing: a [ needs its ]"
	}
	if strings.ContainsAny(pattern, `*?[\`) {
		return ""
	}
	if near := spell.Slip(pattern, wellKnown()); near != "" {
		return fmt.Sprintf("is no variable that is known here: did you mean %q?", near)
	}
	return ""
}

// wellKnown are the variables that many programs give a meaning to, those that we read among them.
func wellKnown() []string {
	names := strings.Fields(`PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE TERM TMPDIR HOSTNAME IFS ENV
		LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT BASH_ENV PYTHONPATH PERL5LIB RUBYLIB NODE_OPTIONS JAVA_TOOL_OPTIONS
		HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy
		NOTIFY_SOCKET XDG_RUNTIME_DIR XDG_CONFIG_HOME SSH_AUTH_SOCK KUBECONFIG
		CONSUL_HTTP_ADDR CONSUL_HTTP_TOKEN CONSUL_HTTP_AUTH CONSUL_HTTP_SSL CONSUL_HTTP_SSL_VERIFY CONSUL_TOKEN
		CONSUL_CACERT CONSUL_CAPATH CONSUL_CLIENT_CERT CONSUL_CLIENT_KEY CONSUL_TLS_SERVER_NAME
		VAULT_ADDR VAULT_TOKEN VAULT_NAMESPACE NOMAD_ADDR NOMAD_TOKEN NOMAD_NAMESPACE
		AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE AWS_REGION
		GOOGLE_APPLICATION_CREDENTIALS AZURE_CLIENT_SECRET GITHUB_TOKEN`)
	for _, v := range config.Variables() {
		names = append(names, v.Names...)
	}
	return names
}
