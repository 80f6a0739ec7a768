package config

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lictor/internal/secret"
)

// A Switch is a bool that knows whether it was set. The zero value is Auto: something else decides.
type Switch int8

// The states of a Switch.
const (
	Auto Switch = iota
	On
	Off
)

// SwitchOf is On for true and Off for false.
func SwitchOf(b bool) Switch {
	if b {
		return On
	}
	return Off
}

// Or is the switch as a bool, and def while it is Auto.
func (s Switch) Or(def bool) bool {
	if s == Auto {
		return def
	}
	return s == On
}

func (s *Switch) decodeNode(n node) error {
	if n.kind != boolean {
		return n.want("true or false")
	}
	*s = SwitchOf(n.text == "true")
	return nil
}

// A Signal is a signal by number; 0 is none.
type Signal syscall.Signal

const (
	sigint = Signal(syscall.SIGINT)
	sighup = Signal(syscall.SIGHUP)
)

// String is the signal's name, such as SIGHUP, and "" for none.
func (s Signal) String() string {
	if s == 0 {
		return ""
	}
	return unix.SignalName(syscall.Signal(s))
}

// SignalNames are the names of the signals that options take, but for those that a program can't catch.
func SignalNames() []string {
	var names []string
	for sig := syscall.Signal(1); sig < 32; sig++ {
		if name := unix.SignalName(sig); name != "" && sig != syscall.SIGKILL && sig != syscall.SIGSTOP {
			names = append(names, name)
		}
	}
	return names
}

func (s *Signal) decodeNode(n node) error {
	if n.kind != text {
		return n.want(`the name of a signal such as "SIGHUP"`)
	}
	name := strings.ToUpper(n.text)
	if name == "" {
		*s = 0
		return nil
	}
	if sig := unix.SignalNum(name); sig != 0 {
		*s = Signal(sig)
		return nil
	}
	if unix.SignalNum("SIG"+name) != 0 {
		return n.errorf("unknown signal %q: did you mean %q?", n.text, "SIG"+name)
	}
	return n.errorf("unknown signal %q: want a name such as SIGHUP, SIGUSR1 or SIGTERM (kill -l lists them)", n.text)
}

// Perms are the permission bits of a file; 0 is unset.
type Perms fs.FileMode

// String is the mode in octal, such as 0640, and "" for unset.
func (p Perms) String() string {
	if p == 0 {
		return ""
	}
	return fmt.Sprintf("%#o", uint32(p))
}

func (p *Perms) decodeNode(n node) error {
	base := 8
	switch {
	case n.kind == text && n.text == "":
		*p = 0
		return nil
	case n.kind == number:
		base = 0 // 0640 is octal, 640 is not
	case n.kind != text:
		return n.want(`an octal mode such as "0640"`)
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(n.text, "0o"), base, 32)
	if err != nil {
		return n.errorf("bad mode %q: want an octal number such as \"0640\"", n.text)
	}
	if v > 0o777 {
		if base == 0 && !strings.HasPrefix(n.text, "0") {
			return n.errorf("mode %s is a decimal number here (octal %#o): write \"0%s\"", n.text, v, n.text)
		}
		return n.errorf("mode %s is out of range: want 0001 to 0777", n.text)
	}
	*p = Perms(v)
	return nil
}

// An Owner is a user or group, by name or by number in decimal.
type Owner string

func (o *Owner) decodeNode(n node) error {
	if n.kind != text && n.kind != number {
		return n.want("a name or number")
	}
	if n.kind == number {
		if _, err := strconv.ParseUint(n.text, 10, 32); err != nil {
			return n.errorf("want a name or a whole number that is not negative, found %s", n.text)
		}
	}
	*o = Owner(n.text)
	return nil
}

// A Command is a program with its arguments, or with Shell one text for sh -c. The zero Command is none.
type Command struct {
	Args  []string
	Shell bool
}

// CommandOf is the command that a list of arguments means: more than one are run as they stand, a single one that is not
// a plain file name is a text for the shell. Texts in files and flags are read by the same rule.
func CommandOf(args ...string) Command {
	if len(args) == 0 || len(args) == 1 && strings.TrimSpace(args[0]) == "" {
		return Command{}
	}
	return Command{Args: args, Shell: len(args) == 1 && !plainName(args[0])}
}

// plainName tells whether s can be run without a shell to the same effect.
func plainName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./-+@%", r) || r > 127)
	})
}

// IsZero tells whether there is no command.
func (c Command) IsZero() bool { return len(c.Args) == 0 }

// Key is a comparable form: equal commands have equal keys.
func (c Command) Key() string { return fmt.Sprintf("%t %q", c.Shell, c.Args) }

func (c *Command) decodeNode(n node) error {
	switch n.kind {
	case text:
		if *c = CommandOf(n.text); c.IsZero() && n.text != "" {
			return n.errorf("the command is blank")
		}
		return nil
	case list:
		var args []string
		for _, item := range n.items {
			if item.kind != text {
				return item.want("a text: each item of a command is one argument")
			}
			args = append(args, item.text)
		}
		*c = CommandOf(args...)
		if len(args) > 0 && strings.TrimSpace(args[0]) == "" {
			return n.errorf("the command is blank")
		}
		return nil
	}
	return n.want(`a text for the shell or a list such as ["systemctl", "reload", "nginx"]`)
}

// decodeText reads "MIN[:MAX]".
func (w *Wait) decodeText(s string) (warning string, err error) {
	lo, hi, both := strings.Cut(s, ":")
	out := Wait{Enabled: Off}
	if out.Min, err = parseDuration(lo); err != nil {
		return "", err
	}
	if both {
		if out.Max, err = parseDuration(hi); err != nil {
			return "", err
		}
		if err := out.check(); err != nil {
			return "", err
		}
	}
	if out.Min > 0 {
		out.Enabled = On
	}
	*w = out
	return "", nil
}

func (w Wait) check() error {
	if w.Max != 0 && w.Max < w.Min {
		return fmt.Errorf("min %v is more than max %v", w.Min, w.Max)
	}
	return nil
}

// complete fills in what is implied: on if there is a min, max is 4 times min.
func (w *Wait) complete() {
	if w.Enabled == Auto && w.Min > 0 {
		w.Enabled = On
	}
	if w.Max == 0 {
		w.Max = 4 * w.Min
	}
}

// decodeText reads "USER[:PASSWORD]".
func (a *Auth) decodeText(s string) (warning string, err error) {
	user, password, _ := strings.Cut(s, ":")
	*a = Auth{Enabled: On, Username: user, Password: secret.Text(password)}
	return "", nil
}

// decodeText reads an address.
func (c *Consul) decodeText(s string) (warning string, err error) {
	c.Address = s
	return `the text form of consul is old: write consul { address = "..." }`, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	switch {
	case err != nil:
		if _, numeric := strconv.ParseFloat(s, 64); numeric == nil {
			return 0, fmt.Errorf("invalid duration %q has no unit: write for example %q", s, s+"s")
		}
		return 0, fmt.Errorf("invalid duration %q: want a number with a unit, such as \"500ms\", \"30s\" or \"5m\"", s)
	case d < 0:
		return 0, fmt.Errorf("duration %q is negative", s)
	}
	return d, nil
}
