package file

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

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

// keyTree is the keys of a datacenter, as a tree.
type keyTree struct{ at *map[string]*watch.KeyPair }

func (t keyTree) read(d *decoder, _ string, n *yaml.Node) { t.readBelow(d, "", n) }

// readBelow reads a tree of keys below the path of under. A name may hold slashes itself, and with a slash at its end is a folder
// key. Names that begin with $ say something of the key that the mapping itself stands for.
func (t keyTree) readBelow(d *decoder, under string, n *yaml.Node) {
	what := "kv"
	if under != "" {
		what = fmt.Sprintf("key %q", under)
	}
	d.each(n, what, func(name string, key, value *yaml.Node) {
		value = resolve(value)
		switch {
		case strings.HasPrefix(name, "$$"):
			name = name[1:]
		case strings.HasPrefix(name, "$"):
			t.readField(d, under, name, key, value)
			return
		case name == "":
			d.fail(key, "a key in %s has no name", what)
			return
		case name[0] == '/':
			d.fail(key, "key %q begins with a slash, which no key of Consul does; leave it out", name)
			return
		}
		path := name
		if under != "" {
			path = strings.TrimSuffix(under, "/") + "/" + name
		}
		t.readKey(d, path, value)
	})
}

func (t keyTree) readKey(d *decoder, path string, n *yaml.Node) {
	what := fmt.Sprintf("key %q", path)
	switch {
	case n.Kind == yaml.MappingNode:
		t.readBelow(d, path, n)
	case n.Kind == yaml.SequenceNode:
		d.fail(n, "the value of %s must be text, not a list; write the list as the text that templates are to read", what)
	case isNull(n) && n.Value == "":
		d.fail(n, `%s has no value; write "" for an empty one, or null to take away what an earlier file says`, what)
	case isNull(n):
		maps.DeleteFunc(*t.at, func(k string, _ *watch.KeyPair) bool {
			return k == path || strings.HasPrefix(k, strings.TrimSuffix(path, "/")+"/")
		})
	default:
		pair, value := &watch.KeyPair{}, anyText
		if n.Tag == "!!binary" {
			value = base64Text
		}
		value.read(d, &pair.Value, what, n)
		put(t.at, path, pair)
	}
}

// readField reads what a name that begins with $ says of the key that it stands in.
func (t keyTree) readField(d *decoder, path, name string, key, value *yaml.Node) {
	if path == "" {
		d.fail(key, "%q stands at the top of kv, where there is no key that it could be about; a name that begins with $ is written $%s", name, name)
		return
	}
	pair := (*t.at)[path]
	if pair == nil {
		pair = &watch.KeyPair{}
	}
	known := keyFields(pair)
	found := known.find(name)
	if found == nil {
		d.fail(key, "unknown field %q of key %q; known are %s; a name that begins with $ is written $%s", name, path, strings.Join(known.names(), ", "), name)
		return
	}
	found.read(d, fmt.Sprintf("%s of key %q", name, path), value)
	put(t.at, path, pair)
}

func (t keyTree) absent() bool { return len(*t.at) == 0 }

func (t keyTree) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, path := range slices.Sorted(maps.Keys(*t.at)) {
		name := path
		if strings.HasPrefix(name, "$") {
			name = "$" + name
		}
		value := keyFields((*t.at)[path]).node()
		if first := value.Content[0]; len(value.Content) == 2 && first.Value == "$value" {
			value = value.Content[1] // there is nothing else to say of the key
		}
		n.Content = append(n.Content, textNode(name), value)
	}
	return n
}

// plainValue is the value of a key as text, where it can be written so.
type plainValue struct{ single[string] }

func (v plainValue) absent() bool { return !utf8.ValidString(*v.at) }

// encodedValue is the value of a key that is not text.
type encodedValue struct{ single[string] }

func (v encodedValue) absent() bool { return utf8.ValidString(*v.at) }
func (v encodedValue) node() *yaml.Node {
	return textNode(base64.StdEncoding.EncodeToString([]byte(*v.at)))
}
