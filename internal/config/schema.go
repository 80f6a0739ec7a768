package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An option is what the tags of one struct field say.
type option struct {
	name   string // in files; "-" when the option is a flag only
	old    []string
	flag   string
	takes  string // what the flag takes, where the type does not say it
	in     string
	env    []string
	doc    string
	group  string
	redact string
	own    bool // the peers don't have it
	index  int  // of the field
	typ    reflect.Type
}

// isBlock tells whether the option has options of its own, isRepeated whether it is a block that may be there many times.
func (o option) isBlock() bool { return isBlock(o.typ) }

func (o option) isRepeated() bool { return o.typ.Kind() == reflect.Slice && isBlock(o.typ.Elem()) }

// refuse says what is wrong with a value which the peers would take, but need not, since they lack the option.
func (o option) refuse(n node) error {
	if !o.own {
		return nil
	}
	if n.kind == null { // as if left out it would take a protection away, such as a check
		return errors.New("has no value: write one, or leave the option out")
	}
	i, err := strconv.ParseInt(n.text, 0, 64)
	if o.typ == reflect.TypeFor[time.Duration]() && n.kind == number && err == nil && i > 0 && i < int64(time.Millisecond) {
		return fmt.Errorf("%s has no unit, and would be nanoseconds: for seconds write %q", n.text, n.text+"s")
	}
	return nil
}

func isBlock(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[nodeDecoder]())
}

// A schema knows the options of every block; it is filled as types are met.
type schema map[reflect.Type][]option

func (s schema) of(t reflect.Type) []option {
	if opts, ok := s[t]; ok {
		return opts
	}
	var opts []option
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("opt")
		if name == "" || name == "-" && f.Tag.Get("flag") == "" {
			continue
		}
		opts = append(opts, option{
			name: name, old: splitTag(f.Tag.Get("old")), flag: f.Tag.Get("flag"), takes: f.Tag.Get("value"), in: f.Tag.Get("in"),
			env: splitTag(f.Tag.Get("env")), doc: f.Tag.Get("doc"), group: f.Tag.Get("group"), redact: f.Tag.Get("redact"), own: f.Tag.Get("own") != "",
			index: i, typ: f.Type,
		})
	}
	s[t] = opts
	return opts
}

func splitTag(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// find is the option of that name in a block; case does not matter.
func (s schema) find(t reflect.Type, name string) (option, bool) {
	is := func(known string) bool { return known != "-" && strings.EqualFold(known, name) }
	opts := s.of(t)
	if i := slices.IndexFunc(opts, func(o option) bool { return is(o.name) || slices.ContainsFunc(o.old, is) }); i >= 0 {
		return opts[i], true
	}
	return option{}, false
}

// A setting is an option at its place in the whole configuration.
type setting struct {
	option
	path  string        // "consul.retry.attempts"; a flag-only option has its flag's name
	group string        // of the top-level option
	flag  string        // whole name of the flag, "" when there is none; of a block, what its flags begin with
	index []int         // of the field, from Config
	value reflect.Value // in the configuration that was walked
}

// in tells whether the program has the setting's flag.
func (s setting) hasFlag(p Persona) bool {
	return s.flag != "" && (s.in == "" || strings.Contains(s.in, string(p)))
}

// walk visits every setting of c that is not in a repeated block, blocks before their content, in the order of the
// struct.
func (s schema) walk(c *Config, visit func(setting)) {
	s.walkBlock(reflect.ValueOf(c).Elem(), setting{}, visit)
}

func (s schema) walkBlock(v reflect.Value, parent setting, visit func(setting)) {
	for _, o := range s.of(v.Type()) {
		st := setting{option: o, path: join(parent.path, o.name, "."), group: parent.group + o.group, value: v.Field(o.index)}
		st.index = append(slices.Clone(parent.index), o.index)
		if st.in == "" {
			st.in = parent.in
		}
		switch {
		case o.name == "-":
			st.path, st.flag = o.flag, o.flag
		case o.flag == ".":
			st.flag = parent.flag
		case o.flag != "" && (parent.flag != "" || parent.path == ""): // a block without a flag has none inside
			st.flag = join(parent.flag, o.flag, "-")
		}
		if !o.isBlock() {
			visit(st)
			continue
		}
		whole := st // a block is a flag itself when nothing in it is
		if slices.ContainsFunc(s.of(o.typ), func(o option) bool { return o.flag != "" }) {
			whole.flag = ""
		}
		visit(whole)
		s.walkBlock(st.value, st, visit)
	}
}

func join(a, b, sep string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + sep + b
}
