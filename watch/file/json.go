package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"
)

// jsonTree reads JSON into the tree that the YAML parser would give. The YAML parser itself is not quite able to: it
// refuses tabs and the surrogate pairs that many JSON writers use. Numbers keep the text that they are written in.
func jsonTree(text []byte) (*yaml.Node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	p := &jsonParser{dec: dec, text: text, line: 1}
	n, err := p.value()
	if err == nil && dec.More() {
		err = errors.New("there is more after the end of the value")
	}
	if err != nil {
		return nil, fmt.Errorf("%d: not valid JSON: %w", p.at(), err)
	}
	return n, nil
}

type jsonParser struct {
	dec    *json.Decoder
	text   []byte
	line   int
	offset int // up to where the lines are counted
	depth  int
}

// maxDepth is how deep values may lie in each other. It is what the YAML parser allows too.
const maxDepth = 10_000

// at is the line that the decoder is in.
func (p *jsonParser) at() int {
	to := min(int(p.dec.InputOffset()), len(p.text))
	p.line += bytes.Count(p.text[p.offset:to], []byte("\n"))
	p.offset = to
	return p.line
}

func (p *jsonParser) value() (*yaml.Node, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: p.at()}
	switch t := t.(type) {
	case json.Delim:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		if t == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		if p.depth++; p.depth > maxDepth {
			return nil, fmt.Errorf("values lie more than %d deep in each other", maxDepth)
		}
		for p.dec.More() {
			e, err := p.value() // a name is a string token like any other
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, e)
		}
		if _, err := p.dec.Token(); err != nil { // the closing bracket
			return nil, err
		}
		p.depth--
	case string:
		n.Tag, n.Value = "!!str", t
	case json.Number:
		n.Tag, n.Value = "!!float", t.String()
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(t)
	case nil:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, nil
}
