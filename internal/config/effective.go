package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"lictor/internal/secret"
)

// Effective writes the configuration as YAML, with every option and its value after all files, flags and variables were
// read, and a comment that says where each came from. Secrets are redacted; apart from those the text can be read again.
func (c Config) Effective(w io.Writer) error {
	p := printer{schema: schema{}, origin: c.origin}
	for path, block := range map[string]reflect.Value{"vault": reflect.ValueOf(&c.Vault), "nomad": reflect.ValueOf(&c.Nomad), "deduplicate": reflect.ValueOf(&c.Deduplicate)} {
		if !c.IsSet(path) { // nobody wants to read the defaults of what is not supported
			block.Elem().SetZero()
		}
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(p.block("", reflect.ValueOf(c))); err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	return enc.Close()
}

type printer struct {
	schema schema
	origin map[string]Pos
}

func (p printer) block(path string, v reflect.Value) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	if pos := v.FieldByName("Pos"); pos.IsValid() {
		out.HeadComment = pos.Interface().(Pos).String()
	}
	for _, o := range p.schema.of(v.Type()) {
		f := v.Field(o.index)
		if o.name == "-" || omit(o, f) {
			continue
		}
		at := join(path, o.name, ".")
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: o.name}
		value := p.value(at, o, f)
		if pos, set := p.origin[at]; set && value.Kind == yaml.ScalarNode {
			value.LineComment = pos.String()
		}
		out.Content = append(out.Content, key, value)
	}
	return out
}

// omit tells whether an option is left out: unset switches, empty lists, and empty options that mean "none" either way.
func omit(o option, v reflect.Value) bool {
	if o.isBlock() {
		return v.IsZero()
	}
	switch v.Kind() {
	case reflect.Slice, reflect.String, reflect.Int8, reflect.Struct, reflect.Uint32:
		return v.IsZero()
	}
	return false
}

func (p printer) value(path string, o option, v reflect.Value) *yaml.Node {
	switch x := v.Interface().(type) {
	case Switch:
		return scalar("!!bool", strconv.FormatBool(x == On))
	case time.Duration:
		return scalar("!!str", shortDuration(x))
	case Command:
		if x.Shell {
			return scalar("!!str", x.Args[0])
		}
		return p.texts(o, x.Args)
	case []string:
		return p.texts(o, x)
	case fmt.Stringer: // secret.Text, Signal, Perms
		return scalar("!!str", x.String())
	}
	switch v.Kind() {
	case reflect.Struct:
		return p.block(path, v)
	case reflect.Slice:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			out.Content = append(out.Content, printer{schema: p.schema}.block(path, v.Index(i)))
		}
		return out
	case reflect.String:
		if o.redact == "url" {
			return scalar("!!str", redactURL(v.String()))
		}
		return scalar("!!str", v.String())
	case reflect.Bool:
		return scalar("!!bool", strconv.FormatBool(v.Bool()))
	case reflect.Float64:
		return scalar("!!float", strconv.FormatFloat(v.Float(), 'g', -1, 64))
	}
	return scalar("!!int", strconv.FormatInt(v.Int(), 10))
}

func (p printer) texts(o option, items []string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range items {
		if name, _, ok := strings.Cut(s, "="); ok && o.redact == "value" {
			s = name + "=" + secret.Redacted
		}
		out.Content = append(out.Content, scalar("!!str", s))
	}
	return out
}

func scalar(tag, value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	if tag == "!!str" {
		n.SetString(value) // which picks a block for several lines
	}
	return n
}

// shortDuration is 24h where Go says 24h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// defaultText is a setting's value as it is written in a file, "" for an empty one.
func defaultText(st setting) string {
	if st.value.Interface() == unset {
		return ""
	}
	if st.value.IsZero() && (st.typ.Kind() != reflect.Int || strings.Contains(st.doc, "Unset")) || isBlock(st.typ) {
		return ""
	}
	return printer{}.value("", st.option, st.value).Value
}

// redactURL hides the password in an address.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		return u.Redacted()
	}
	if at := strings.LastIndex(s, "@"); at >= 0 {
		return secret.Redacted + s[at:]
	}
	return s
}
