package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

func parseYAML(name string, src []byte) (node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc, second yaml.Node
	r := &yamlReader{name: name, budget: 10*len(src) + 1000}
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return node{kind: object, pos: Pos{name, 1}}, nil
	case err != nil:
		return node{}, r.syntaxError(err)
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return node{}, &Error{r.at(&second), errors.New("more than one YAML document: put everything into the first")}
	case !errors.Is(err, io.EOF):
		return node{}, r.syntaxError(err)
	}
	if len(doc.Content) == 0 {
		return node{kind: object, pos: Pos{name, 1}}, nil
	}
	return r.value(doc.Content[0], 0)
}

// yamlReader turns YAML nodes into ours. The budget bounds what aliases of aliases can grow to.
type yamlReader struct {
	name   string
	budget int
}

func (r *yamlReader) at(y *yaml.Node) Pos { return Pos{r.name, max(1, y.Line)} }

func (r *yamlReader) syntaxError(err error) error {
	at, msg := Pos{r.name, 1}, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(msg); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
	}
	return &Error{at, fmt.Errorf("invalid YAML: %s", msg)}
}

func (r *yamlReader) value(y *yaml.Node, depth int) (node, error) {
	n := node{pos: r.at(y)}
	if r.budget--; depth > maxDepth || r.budget < 0 {
		return node{}, n.errorf("invalid YAML: %w, or aliases that grow too large", errTooDeep)
	}
	switch y.Kind {
	case yaml.AliasNode:
		return r.value(y.Alias, depth+1)
	case yaml.ScalarNode:
		n.text = y.Value
		switch y.Tag {
		case "!!null":
			n.kind = null
		case "!!int", "!!float":
			n.kind, n.text = number, strings.ReplaceAll(y.Value, "_", "")
		case "!!bool":
			n.kind, n.text = boolean, strings.ToLower(y.Value)
		default:
			n.kind = text
		}
	case yaml.SequenceNode:
		n.kind = list
		for _, item := range y.Content {
			value, err := r.value(item, depth+1)
			if err != nil {
				return node{}, err
			}
			n.items = append(n.items, value)
		}
	case yaml.MappingNode:
		return r.mapping(y, n, depth)
	default:
		return node{}, n.errorf("invalid YAML: unknown kind of value")
	}
	return n, nil
}

func (r *yamlReader) mapping(y *yaml.Node, n node, depth int) (node, error) {
	n.kind = object
	var merged []field // of "<<": what the mapping itself says comes later and so wins
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		value, err := r.value(y.Content[i+1], depth+1)
		if err != nil {
			return node{}, err
		}
		if key.Kind != yaml.ScalarNode {
			return node{}, &Error{r.at(key), errors.New("invalid YAML: the name of an option must be a plain text")}
		}
		if key.Tag == "!!merge" {
			for _, from := range append(value.items, value) {
				merged = append(merged, from.fields...)
			}
			continue
		}
		n.fields = append(n.fields, field{name: key.Value, pos: r.at(key), value: value})
	}
	n.fields = append(merged, n.fields...)
	return n, nil
}
