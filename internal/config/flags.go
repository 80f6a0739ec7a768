package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"lictor/internal/spell"
)

// A Persona is the program as which we were called; it decides which flags there are.
type Persona byte

// The personas. LictorExec is `lictor exec`, which has the flags for templates and for the environment.
const (
	Lictor         Persona = 'l'
	LictorExec     Persona = 'x'
	ConsulTemplate Persona = 'c'
	Envconsul      Persona = 'e'
)

// String is the name of the program.
func (p Persona) String() string {
	switch p {
	case ConsulTemplate:
		return "consul-template"
	case Envconsul:
		return "envconsul"
	}
	return "lictor"
}

// A Flag is one command-line flag, as help and documentation show it.
type Flag struct {
	Name  string // without dashes
	Value string // what it takes, in capitals; "" for a bool
	Path  string // of the option it sets, "" when it is no plain option
	Group string // heading in the help
	Help  string
	// Default is what rules without the flag; "" where that is nothing.
	Default string
	Old     bool // works, with a warning, and is not shown

	set func(*decoder, *Config, node) error
}

// Flags are the flags of one command line. Parsing checks each value at once; [Load] then lays the flags that were given over
// what it has read.
type Flags struct {
	// ShowVersion is set by -v and -version.
	ShowVersion bool
	// Command is the program to run as the arguments behind the flags name it; set it after parsing. -exec wins over it, it
	// wins over files.
	Command []string

	table   []Flag
	given   []givenFlag
	configs []string
	scratch Config   // takes every value while parsing, so that a bad one is found there
	check   *decoder // reads into scratch
}

type givenFlag struct {
	flag *Flag
	text string
}

// Bind adds the persona's flags to fs, which stops at the first argument that is no flag, as the peers do.
func Bind(fs *pflag.FlagSet, p Persona) *Flags {
	f := &Flags{table: Table(p), scratch: Default(p.String()), check: newDecoder()}
	fs.SetInterspersed(false)
	fs.SortFlags = false
	for i := range f.table {
		def := &f.table[i]
		added := fs.VarPF(&flagValue{f, def}, def.Name, "", def.Help)
		added.Hidden = def.Old
		if def.Value == "" {
			added.NoOptDefVal = "true"
		}
	}
	fs.BoolVarP(&f.ShowVersion, "version", "v", false, "Print the version and end.")
	return f
}

// flagValue is one flag's place in a pflag.FlagSet.
type flagValue struct {
	flags *Flags
	def   *Flag
}

func (v *flagValue) String() string { return "" }
func (v *flagValue) Type() string   { return v.def.Value }

// Set is called by pflag for each time the flag was given, in order.
func (v *flagValue) Set(s string) error {
	if v.def.Name == "config" {
		v.flags.configs = append(v.flags.configs, s)
		return nil
	}
	if err := v.def.apply(v.flags.check, &v.flags.scratch, s); err != nil {
		return err
	}
	v.flags.given = append(v.flags.given, givenFlag{v.def, s})
	return nil
}

// apply sets the flag's option in c. Its error does not name the flag, since pflag does.
func (def *Flag) apply(d *decoder, c *Config, s string) error {
	if err := def.set(d, c, node{kind: text, text: s, pos: flagPos(def.Name)}); err != nil {
		d.errs = nil
		return innermost(err)
	}
	return nil
}

// innermost takes the places off an error.
func innermost(err error) error {
	for {
		at, ok := errors.AsType[*Error](err)
		if !ok {
			return err
		}
		err = at.Err
	}
}

// apply lays the flags that were given over c, in the order in which they were given, and what each says of others last.
func (f *Flags) apply(d *decoder, c *Config) error {
	filePrefixes := len(c.Prefixes)
	last := map[string]string{}
	for _, g := range f.given {
		if err := g.flag.apply(d, c, g.text); err != nil {
			return fmt.Errorf("flag -%s: %w", g.flag.Name, err)
		}
		if g.flag.Old {
			d.warn(flagPos(g.flag.Name), "%s", g.flag.Help)
		}
		last[g.flag.Name] = g.text
	}
	if at := d.origin["exec.command"]; len(f.Command) > 0 && !at.isFlag() {
		c.Exec.Command = CommandOf(f.Command...)
		d.origin["exec.command"] = Pos{File: "arguments"}
	}
	if text, given := last["no-prefix"]; given {
		on, _ := strconv.ParseBool(text) // its set has checked it
		for i := filePrefixes; i < len(c.Prefixes); i++ {
			c.Prefixes[i].NoPrefix = SwitchOf(on)
		}
	}
	if _, given := last["template-error-fatal"]; given {
		for i := range c.Templates {
			c.Templates[i].ErrorFatal = c.TemplateErrorFatal
		}
	}
	if d.origin["consul.token"].isFlag() && !d.origin["consul.token_file"].isFlag() {
		c.Consul.TokenFile = ""
	}
	return nil
}

// settingFlag is the flag of an option: its text is turned into what would stand in a file, and decoded as that.
func settingFlag(st setting) Flag {
	return Flag{
		Name: st.flag, Path: st.path, Group: st.group, Help: st.doc, Value: placeholder(st), Default: defaultText(st),
		set: func(d *decoder, c *Config, n node) error {
			n, err := flagNode(n, st.typ)
			if err != nil {
				return err
			}
			return d.flag(st.path, n, reflect.ValueOf(c).Elem().FieldByIndex(st.index))
		},
	}
}

// flag reads an option from what a flag says.
func (d *decoder) flag(path string, n node, v reflect.Value) error {
	before := len(d.errs)
	d.value(path, n, v)
	if len(d.errs) > before {
		return stripPath(d.errs[before], path)
	}
	return nil
}

// stripPath takes "FLAG: PATH: " off an error: who typed a flag does not know the option's path.
func stripPath(err error, path string) error {
	return errors.New(strings.TrimPrefix(innermost(err).Error(), path+": "))
}

// flagNode is what the text of a flag (or environment variable) would be in a file, for an option of type t.
func flagNode(n node, t reflect.Type) (node, error) {
	switch {
	case t == reflect.TypeFor[Switch]() || t.Kind() == reflect.Bool:
		on, err := strconv.ParseBool(n.text)
		if err != nil {
			return n, fmt.Errorf("want true or false, found %q", n.text)
		}
		n.kind, n.text = boolean, strconv.FormatBool(on)
	case t == reflect.TypeFor[time.Duration](), reflect.PointerTo(t).Implements(reflect.TypeFor[nodeDecoder]()):
		// a text
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		n = node{kind: list, items: []node{n}, pos: n.pos} // commas belong to the text
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64 || t.Kind() == reflect.Float64:
		if _, err := strconv.ParseFloat(n.text, 64); err != nil {
			return n, fmt.Errorf("want a number, found %q", n.text)
		}
		n.kind = number
	}
	return n, nil
}

func placeholder(st setting) string {
	if st.takes != "" {
		return st.takes
	}
	switch st.typ {
	case reflect.TypeFor[Switch]():
		return ""
	case reflect.TypeFor[time.Duration]():
		return "DURATION"
	case reflect.TypeFor[Signal]():
		return "SIGNAL"
	case reflect.TypeFor[Wait]():
		return "MIN[:MAX]"
	case reflect.TypeFor[Auth]():
		return "USER[:PASSWORD]"
	case reflect.TypeFor[Command]():
		return "COMMAND"
	}
	switch st.typ.Kind() {
	case reflect.Bool:
		return ""
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "NUMBER"
	}
	return "TEXT"
}

// NormalizeArgs rewrites a command line of ours into what pflag reads: single-dash long flags get their second dash, and
// a value that follows its flag is joined to it. It stops where flags stop: at "--" or the first argument that is none.
func NormalizeArgs(args []string, fs *pflag.FlagSet) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			return append(out, args[i:]...)
		}
		name, _, joined := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		flag := fs.Lookup(name)
		if flag == nil && len(name) == 1 && arg[1] != '-' {
			out = append(out, arg) // a short flag
			continue
		}
		arg = "--" + strings.TrimLeft(arg, "-")
		if flag != nil && !joined && flag.NoOptDefVal == "" && i+1 < len(args) {
			i++
			arg += "=" + args[i]
		}
		out = append(out, arg)
	}
	return out
}

// StrayValue finds true or false behind a flag that takes its value only after "=", in what [NormalizeArgs] returned: it would
// be taken for an argument, and so would all that follows. Where arguments are a program to run, which may well be called true,
// it is one unless a flag follows.
func StrayValue(args []string, fs *pflag.FlagSet, program bool) error {
	at := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
	if at < 1 || !strings.EqualFold(args[at], "true") && !strings.EqualFold(args[at], "false") {
		return nil
	}
	if program && (at+1 == len(args) || !strings.HasPrefix(args[at+1], "-")) {
		return nil
	}
	name := strings.TrimPrefix(args[at-1], "--")
	if flag := fs.Lookup(name); flag == nil || flag.NoOptDefVal == "" {
		return nil
	}
	return fmt.Errorf("flag -%s takes its value after \"=\": write -%s=%s", name, name, args[at])
}

// FlagError says what is wrong with a command line in the words of this program; err is what parsing fs returned.
func FlagError(err error, fs *pflag.FlagSet) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		var names []string
		fs.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := spell.Closest(name, names); near != "" {
			return fmt.Errorf("flag provided but not defined: -%s: did you mean -%s?", name, near)
		}
		return fmt.Errorf("flag provided but not defined: -%s", name)
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fmt.Errorf("flag needs an argument: -%s", missing.GetSpecifiedName())
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("invalid value %q for flag -%s: %w", bad.GetValue(), bad.GetFlag().Name, bad.Unwrap())
	}
	return err
}
