package file

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// Set does one assignment "kv/PATH=VALUE" over what the files say.
func (d *Data) Set(assignment string) error {
	name, value, ok := strings.Cut(assignment, "=")
	path, isKV := strings.CutPrefix(name, "kv/")
	if !ok || !isKV || path == "" || path[0] == '/' {
		return fmt.Errorf("can't set %q: write kv/PATH=VALUE, such as kv/app/name=shop", name)
	}
	put(&d.KV, path, &watch.KeyPair{Value: value})
	return nil
}

// kv reads a tree of keys below the path of under. A name may hold slashes itself, and with a slash at its end is a folder key.
// Names that begin with $ say something of the key that the mapping itself stands for.
func (p *parser) kv(to *map[string]*watch.KeyPair, under string, n *yaml.Node) {
	what := "kv"
	if under != "" {
		what = fmt.Sprintf("key %q", under)
	}
	p.each(n, what, func(name string, key, value *yaml.Node) {
		value = resolve(value)
		switch {
		case strings.HasPrefix(name, "$$"):
			name = name[1:]
		case strings.HasPrefix(name, "$"):
			p.keyField(to, under, name, key, value)
			return
		case name == "":
			p.fail(key, "a key in %s has no name", what)
			return
		case name[0] == '/':
			p.fail(key, "key %q begins with a slash, which no key of Consul does; leave it out", name)
			return
		}
		path := name
		if under != "" {
			path = strings.TrimSuffix(under, "/") + "/" + name
		}
		p.key(to, path, value)
	})
}

func (p *parser) key(to *map[string]*watch.KeyPair, path string, n *yaml.Node) {
	what := fmt.Sprintf("key %q", path)
	switch {
	case n.Kind == yaml.MappingNode:
		p.kv(to, path, n)
	case n.Kind == yaml.SequenceNode:
		p.fail(n, "the value of %s must be text, not a list; write the list as the text that templates are to read", what)
	case isNull(n) && n.Value == "":
		p.fail(n, `%s has no value; write "" for an empty one, or null to take away what an earlier file says`, what)
	case isNull(n):
		maps.DeleteFunc(*to, func(k string, _ *watch.KeyPair) bool {
			return k == path || strings.HasPrefix(k, strings.TrimSuffix(path, "/")+"/")
		})
	case n.Tag == "!!binary":
		pair := p.pair(to, path)
		*pair = watch.KeyPair{}
		p.base64(&pair.Value, what)(n)
	default:
		*p.pair(to, path) = watch.KeyPair{Value: n.Value}
	}
}

// pair finds or makes the key of a path.
func (p *parser) pair(to *map[string]*watch.KeyPair, path string) *watch.KeyPair {
	if (*to)[path] == nil {
		put(to, path, &watch.KeyPair{})
	}
	return (*to)[path]
}

func (p *parser) keyField(to *map[string]*watch.KeyPair, path, name string, key, value *yaml.Node) {
	if path == "" {
		p.fail(key, "%q stands at the top of kv, where there is no key that it could be about; a name that begins with $ is written $%s", name, name)
		return
	}
	pair := &watch.KeyPair{}
	if old := (*to)[path]; old != nil {
		pair = old
	}
	what := fmt.Sprintf("%s of key %q", name, path)
	problems := len(p.problems)
	known := fields{
		"$value":        p.text(&pair.Value, what),
		"$base64":       p.base64(&pair.Value, what),
		"$flags":        p.unsigned(&pair.Flags, what),
		"$session":      p.text(&pair.Session, what),
		"$lock_index":   p.unsigned(&pair.LockIndex, what),
		"$create_index": p.unsigned(&pair.CreateIndex, what),
		"$modify_index": p.unsigned(&pair.ModifyIndex, what),
	}
	decode, ok := known[name]
	if !ok {
		p.fail(key, "unknown field %q of key %q; known are $value, $base64, $flags, $session, $lock_index, $create_index, $modify_index; a name that begins with $ is written $%s", name, path, name)
		return
	}
	if decode(value); len(p.problems) == problems {
		put(to, path, pair)
	}
}

func (p *parser) base64(to *string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := p.scalar(n, what)
		if !ok {
			return
		}
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
		if err != nil {
			p.fail(n, "%s is not valid base64", what)
			return
		}
		*to = string(b)
	}
}
