package environ

import (
	"context"
	"log/slog"
	"slices"

	"lictor/internal/command"
	"lictor/internal/glob"
	"lictor/internal/spell"
)

// dangerous are the names of variables by which a value makes programs load or run something else than they would: those of the
// dynamic loader and the C library, of shells, and of interpreters. Who may write a key must not choose that. They are patterns,
// as of [glob.Text].
var dangerous = []string{
	"LD_*", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH",
	"PATH", "IFS", "ENV", "BASH_ENV", "BASH_FUNC_*", "SHELLOPTS", "BASHOPTS", "PS4",
	"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP",
	"PERL5LIB", "PERL5OPT", "PERL5DB", "PERLLIB",
	"RUBYLIB", "RUBYOPT", "NODE_OPTIONS", "NODE_PATH",
	"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS",
	"PHPRC", "PHP_INI_SCAN_DIR", "LUA_INIT*", "LUA_PATH*", "LUA_CPATH*",
}

// isDangerous tells whether dangerous has a name.
func isDangerous(name string) bool { return glob.Text(dangerous, name) }

// refuse takes the variables out that keys and services must not give, and logs each once.
func (b *Builder) refuse(found []variable) []variable {
	level, message := slog.LevelError, "refused: with a variable of this name who writes the key chooses what programs load or run; -allow-env lets it through"
	if b.spec.AllowAll {
		level, message = slog.LevelWarn, "with a variable of this name who writes the key chooses what programs load or run"
	}
	told, e := 0, b.spec.Exec
	kept := slices.DeleteFunc(found, func(v variable) bool {
		name := v.name()
		if !isDangerous(name) || slices.Contains(b.spec.AllowNames, name) || len(command.Environ([]string{v.entry}, e.Pristine, nil, e.Allow, e.Deny)) == 0 {
			return false // or the exec.env block drops it without a word
		}
		if b.first("dangerous " + name + ": " + v.from) {
			if told++; told <= mostWarnings {
				b.log.Log(context.Background(), level, message, "variable", name, "from", v.from)
			}
		}
		return !b.spec.AllowAll
	})
	if more := told - mostWarnings; more > 0 {
		b.log.Log(context.Background(), level, "more variables of such names", "count", more)
	}
	return kept
}

// doubtAllowed warns of names that are let through, and would be in any case.
func (b *Builder) doubtAllowed() {
	for _, name := range b.spec.AllowNames {
		if isDangerous(name) {
			continue
		}
		if near := spell.Closest(name, dangerous); near != "" {
			b.log.Warn("allow_env: no variable of this name is refused", "variable", name, "did you mean", near)
			continue
		}
		b.log.Warn("allow_env: no variable of this name is refused", "variable", name)
	}
}
