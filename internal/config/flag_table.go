package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Table is every flag of the persona but -h and -v, in the order of the help.
func Table(p Persona) []Flag {
	c := Default(p.String())
	s := schema{}
	flags := []Flag{{Name: "config", Value: "PATH", Group: "General",
		Help: "Configuration file (HCL, JSON, YAML) or folder of them. Repeatable, later over earlier, flags over all."}}
	if p != Envconsul {
		flags = append(flags, Flag{Name: "template", Value: "SOURCE[:DESTINATION[:COMMAND]]", Group: "Templates", set: setTemplate,
			Help: "Template file, the file it makes, and the command to run after that changed. Repeatable; - is standard input or output."})
	}
	if p == Lictor || p == LictorExec {
		flags = append(flags, templateFlags(s)...)
	}
	if p == Envconsul || p == LictorExec {
		flags = append(flags, environmentFlags()...)
	}
	paths := map[string]setting{}
	s.walk(&c, func(st setting) {
		paths[st.path] = st
		if st.hasFlag(p) {
			flags = append(flags, settingFlag(st))
		}
	})
	flags = append(flags, aliasFlags(p, paths)...)
	order := append(Groups(), unsupportedGroup)
	slices.SortStableFunc(flags, func(a, b Flag) int { return slices.Index(order, a.Group) - slices.Index(order, b.Group) })
	return flags
}

// Groups are the headings of the help, in its order. Flags of no such group are accepted, and not supported.
func Groups() []string {
	return []string{"General", "Templates", "Environment", "Process", "Sources", "Consul", "Logging"}
}

// aliasFlags are further names of options. Old ones work with a warning and are not shown.
func aliasFlags(p Persona, paths map[string]setting) []Flag {
	var flags []Flag
	add := func(in, name, path string, old bool) {
		if !strings.Contains(in, string(p)) {
			return
		}
		st := paths[path]
		target := st.flag
		st.flag = name
		f := settingFlag(st)
		if f.Old = old; old {
			f.Help = "this flag is old: use -" + target
		} else if target != "" {
			f.Help, f.Default = "Short for -"+target+".", ""
		}
		flags = append(flags, f)
	}
	add("lx", "consul", "consul.address", false)
	add("lx", "restart", "exec.restart", false)
	add("x", "allow-env", "exec.allow_env", false)
	add("ce", "consul", "consul.address", true)
	add("ce", "auth", "consul.auth", true)
	add("ce", "token", "consul.token", true)
	add("ce", "ssl", "consul.ssl.enabled", true)
	add("ce", "ssl-verify", "consul.ssl.verify", true)
	add("ce", "ssl-ca-cert", "consul.ssl.ca_cert", true)
	add("ce", "ssl-cert", "consul.ssl.cert", true)
	add("e", "splay", "exec.splay", true)

	retry := settingFlag(paths["consul.retry.backoff"])
	backoff, longest := retry.set, settingFlag(paths["consul.retry.max_backoff"]).set
	retry.Name, retry.Help, retry.Default = "retry", "Short for -consul-retry-backoff.", ""
	if p == ConsulTemplate {
		retry.Old, retry.Help = true, "this flag is old: use -consul-retry-backoff"
	}
	if p == Envconsul {
		retry.Old, retry.Help = true, "this flag is old: use -consul-retry-backoff and -consul-retry-max-backoff"
		retry.set = func(d *decoder, c *Config, n node) error { return errors.Join(backoff(d, c, n), longest(d, c, n)) }
		flags = append(flags, Flag{Name: "timeout", Value: "DURATION", Group: "Process", Old: true, Help: "this flag has no effect",
			set: func(_ *decoder, _ *Config, n node) error { _, err := parseDuration(n.text); return err }})
	}
	return append(flags, retry)
}

// environmentFlags are the flags that make variables.
func environmentFlags() []Flag {
	const group = "Environment"
	flags := []Flag{
		{Name: "prefix", Value: "PATH[@DATACENTER]", Group: group, Help: "Keys that become variables. Repeatable; the last one wins.",
			set: func(_ *decoder, c *Config, n node) error {
				c.Prefixes = append(c.Prefixes, Prefix{Path: strings.TrimPrefix(n.text, "/"), Pos: n.pos})
				return nil
			}},
		{Name: "no-prefix", Group: group, Help: "Whether the path is left out of the variables' names, for every -prefix (default true).",
			set: func(_ *decoder, _ *Config, n node) error { // Flags.apply acts on it, when all prefixes are there
				_, err := flagNode(n, reflect.TypeFor[bool]())
				return err
			}},
		{Name: "secret", Value: "PATH", Group: "Vault", Help: "Vault secret. Accepted, then refused: Vault is not supported.",
			set: func(_ *decoder, c *Config, n node) error {
				c.Secrets = append(c.Secrets, VaultPath{Path: n.text, Pos: n.pos})
				return nil
			}},
		{Name: "service-query", Value: "[TAG.]NAME[@DATACENTER][~NEAR]", Group: group, Help: "Service whose instances become variables. Repeatable.",
			set: func(_ *decoder, c *Config, n node) error {
				c.Services = append(c.Services, Service{Query: n.text, Pos: n.pos})
				return nil
			}},
	}
	for _, part := range []struct {
		name  string
		field func(*Service) *string
	}{
		{"id", func(s *Service) *string { return &s.FormatID }},
		{"name", func(s *Service) *string { return &s.FormatName }},
		{"address", func(s *Service) *string { return &s.FormatAddress }},
		{"tag", func(s *Service) *string { return &s.FormatTag }},
		{"port", func(s *Service) *string { return &s.FormatPort }},
	} {
		flags = append(flags, Flag{Name: "service-format-" + part.name, Value: "FORMAT", Group: group,
			Help: "Template of the name of the " + part.name + " variable of the latest -service-query.",
			set: func(_ *decoder, c *Config, n node) error {
				if len(c.Services) == 0 {
					return errors.New("it belongs to a -service-query, which must come before it")
				}
				*part.field(&c.Services[len(c.Services)-1]) = n.text
				return nil
			}})
	}
	return flags
}

// templateFlags are options of the latest -template, for which it has no place in its text.
func templateFlags(s schema) []Flag {
	var flags []Flag
	for _, name := range []string{"check", "commit_group", "perms", "rollback"} {
		o, _ := s.find(reflect.TypeFor[Template](), name)
		flag := settingFlag(setting{option: o, path: "template." + name, flag: "template-" + strings.ReplaceAll(name, "_", "-"), group: "Templates", value: reflect.Zero(o.typ)})
		flag.Help = "Of the latest -template: " + o.doc
		flag.set = func(d *decoder, c *Config, n node) error {
			last := len(c.Templates) - 1
			if last < 0 || !c.Templates[last].Pos.isFlag() {
				return errors.New("it belongs to a -template, which must come before it")
			}
			n, err := flagNode(n, o.typ)
			if err != nil {
				return err
			}
			return d.flag("template."+name, n, reflect.ValueOf(&c.Templates[last]).Elem().Field(o.index))
		}
		flags = append(flags, flag)
	}
	return flags
}

// setTemplate reads SOURCE[:DESTINATION[:COMMAND]]; colons in the command are its own.
func setTemplate(_ *decoder, c *Config, n node) error {
	t := defaultTemplate()
	parts := strings.SplitN(n.text, ":", 3)
	t.Source, t.Pos = parts[0], flagPos("template "+strconv.Quote(n.text))
	if len(parts) > 1 {
		t.Destination = parts[1]
	}
	if len(parts) > 2 {
		t.Command = CommandOf(parts[2])
	}
	if t.Source == "" {
		return fmt.Errorf("no source: want SOURCE[:DESTINATION[:COMMAND]]")
	}
	c.Templates = append(c.Templates, t)
	return nil
}
