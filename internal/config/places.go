package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"lictor/internal/spell"
)

// idle are the options that have an effect in another place only, since two kinds of programs share a block, and why.
var idle = map[string]string{
	"exec.timeout":                "a program that is supervised runs as long as it wants to",
	"template.exec.kill_signal":   "a command that is stopped gets SIGTERM",
	"template.exec.reload":        "a command is run, not told",
	"template.exec.reload_signal": "a command is run, not told",
	"template.exec.splay":         "a command is run at once",
	"template.exec.allow_env":     "a command gets no variables from keys",
	"template.exec.restart":       "a command that fails is run again in any case",
}

// oldPlace reads a top-level option that has moved into a block, or has no effect any more.
func (d *decoder) oldPlace(f field, v reflect.Value) bool {
	var to []string
	switch strings.ToLower(f.name) {
	case "auth", "ssl", "token":
		to = []string{"consul." + strings.ToLower(f.name)}
	case "retry":
		to = []string{"consul.retry.backoff", "consul.retry.max_backoff"}
	case "splay":
		to = []string{"exec.splay"}
	case "timeout":
		to = []string{"exec.kill_timeout"}
	case "path":
		d.warn(f.pos, "%s has no effect", f.name)
		return true
	case "once", "parseonly":
		if f.value.kind != boolean && f.value.kind != null {
			d.failAt(f.name, f.value, f.value.want("true or false"))
		}
		d.warn(f.pos, "%s has no effect in a file: use the flag", f.name)
		return true
	default:
		return false
	}
	d.warn(f.pos, "%s is old: write %s", f.name, strings.Join(to, " and "))
	for _, path := range to {
		if f.value.kind != null {
			d.value(path, f.value, d.at(path, v))
		}
	}
	return true
}

// at is the field of the option at path, below the struct v.
func (d *decoder) at(path string, v reflect.Value) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		o, _ := d.schema.find(v.Type(), name)
		v = v.Field(o.index)
	}
	return v
}

func (d *decoder) unknown(path string, f field, t reflect.Type) {
	var names []string
	for _, o := range d.schema.of(t) {
		if o.name != "-" {
			names = append(names, o.name)
		}
	}
	where := ""
	if path != "" {
		where = " in " + path
	}
	msg := fmt.Sprintf("unknown option %q%s", f.name, where)
	if other := d.otherPlace(path, f.name); other != "" {
		msg += other
	} else if near := spell.Closest(f.name, names); near != "" {
		msg += fmt.Sprintf(": did you mean %q?", near)
	}
	d.fail(&Error{f.pos, errors.New(msg)})
}

// otherPlace says where an option belongs that is not known at path, because it is one of templates or of the top level.
func (d *decoder) otherPlace(path, name string) string {
	_, ofTemplates := d.schema.find(reflect.TypeFor[Template](), name)
	_, ofAll := d.schema.find(reflect.TypeFor[Config](), name)
	_, ofExec := d.schema.find(reflect.TypeFor[Exec](), name)
	switch {
	case path == "template" && strings.EqualFold(name, "reload"):
		return `: write min_interval = "10s" without a block around it`
	case path == "" && strings.EqualFold(name, "min_interval"):
		return `: it belongs into a template block, or into the block "reload" as the default of all`
	case path == "" && ofTemplates:
		return ": it belongs into a template block"
	case path == "template" && strings.EqualFold(name, "guard"):
		return ": it belongs to the top level, since templates share what they read: services or queries in it say what it is for"
	case path == "template" && ofAll:
		return ": it belongs to the top level, beside the template blocks"
	case path == "" && ofExec:
		return fmt.Sprintf(": it belongs into the exec block: write exec { %s ... }, at the top level for the program, in a template for its command", name)
	case path == "template" && ofExec:
		return fmt.Sprintf(": it belongs into the exec block of the template: write exec { %s ... }", name)
	}
	return ""
}
