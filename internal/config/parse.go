package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strings"
)

// parse reads one file's text. YAML is known by the file's name, JSON by its first character, anything else is HCL.
func parse(name string, src []byte) (node, error) {
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == ".yaml" || ext == ".yml":
		return parseYAML(name, src)
	case bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")):
		return parseJSON(name, src)
	default:
		return parseHCL(name, src)
	}
}

// jsonReader turns JSON into nodes, token by token, since only the tokens' offsets tell lines.
type jsonReader struct {
	dec   *json.Decoder
	name  string
	lines []int // offset of each line's first byte
}

func parseJSON(name string, src []byte) (node, error) {
	r := &jsonReader{dec: json.NewDecoder(bytes.NewReader(src)), name: name, lines: []int{0}}
	r.dec.UseNumber()
	for i, b := range src {
		if b == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	n, err := r.value(0)
	if err == nil {
		if _, more := r.dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more text after the end of the JSON object")
		}
	}
	if err != nil {
		offset := r.dec.InputOffset()
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = syntax.Offset
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err, offset = errors.New("the file ends in the middle"), int64(len(src))
		}
		return node{}, &Error{r.at(offset), fmt.Errorf("invalid JSON: %w", err)}
	}
	return n, nil
}

// at is the place of a byte; an offset just behind a token is still on the token's line.
func (r *jsonReader) at(offset int64) Pos {
	return Pos{r.name, max(1, sort.SearchInts(r.lines, int(max(offset, 1))))}
}

func (r *jsonReader) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errTooDeep
	}
	tok, err := r.dec.Token()
	if err != nil {
		return node{}, err
	}
	n := node{pos: r.at(r.dec.InputOffset())}
	switch tok := tok.(type) {
	case string:
		n.kind, n.text = text, tok
	case json.Number:
		n.kind, n.text = number, tok.String()
	case bool:
		n.kind, n.text = boolean, fmt.Sprint(tok)
	case json.Delim:
		if tok == '[' {
			n.kind = list
			for r.dec.More() {
				item, err := r.value(depth + 1)
				if err != nil {
					return node{}, err
				}
				n.items = append(n.items, item)
			}
		} else {
			n.kind = object
			for r.dec.More() {
				key, err := r.dec.Token()
				if err != nil {
					return node{}, err
				}
				name, _ := key.(string) // the decoder lets no other key through
				f := field{name: name, pos: r.at(r.dec.InputOffset())}
				if f.value, err = r.value(depth + 1); err != nil {
					return node{}, err
				}
				n.fields = append(n.fields, f)
			}
		}
		_, err = r.dec.Token() // the closing bracket
	}
	return n, err
}

var errTooDeep = fmt.Errorf("blocks or lists nest deeper than %d", maxDepth)
