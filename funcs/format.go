package funcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"gopkg.in/yaml.v2"
)

func formatFunctions() []function {
	return []function{
		{Doc{Name: "toJSON", Signature: `toJSON VALUE`, Summary: "JSON on one line, keys sorted, with <, > and & escaped.",
			Example: `{{ split "," "a,<b>" | toJSON }}`, Output: `["a","\u003cb\u003e"]`}, is(func(v any) (string, error) { return toJSON(v, "", true) })},
		{Doc{Name: "toJSONPretty", Signature: `toJSONPretty VALUE`, Summary: "The same, indented by two blanks.",
			Example: `{{ split "," "a,b" | toJSONPretty }}`, Output: "[\n  \"a\",\n  \"b\"\n]"}, is(func(v any) (string, error) { return toJSON(v, "  ", true) })},
		{Doc{Name: "toUnescapedJSON", Signature: `toUnescapedJSON VALUE`, Summary: "JSON on one line with <, > and & as they are.",
			Example: `{{ split "," "a,<b>" | toUnescapedJSON }}`, Output: `["a","<b>"]`}, is(func(v any) (string, error) { return toJSON(v, "", false) })},
		{Doc{Name: "toUnescapedJSONPretty", Signature: `toUnescapedJSONPretty VALUE`, Summary: "The same, indented by two blanks.",
			Example: `{{ split "," "a,<b>" | toUnescapedJSONPretty }}`, Output: "[\n  \"a\",\n  \"<b>\"\n]"}, is(func(v any) (string, error) { return toJSON(v, "  ", false) })},
		{Doc{Name: "toYAML", Signature: `toYAML VALUE`, Summary: "YAML, keys sorted, without the last line end.",
			Example: `{{ tree "app/limits" | explode | toYAML }}`, Output: "conns: \"100\"\nrate: \"5\""}, is(toYAML)},
		{Doc{Name: "toTOML", Signature: `toTOML VALUE`, Summary: "TOML, keys sorted, without the last line end.",
			Example: `{{ tree "app/limits" | explode | toTOML }}`, Output: "conns = \"100\"\nrate = \"5\""}, is(toTOML)},
	}
}

func toJSON(v any, indent string, escape bool) (string, error) {
	v, err := converted(v, 0, textKeys, func(leaf any) any { return leaf })
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(escape)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// maxDepth bounds how deep lists and maps are nested in what is converted: a template can put a map into itself.
const maxDepth = 1000

var errTooDeep = fmt.Errorf("nested more than %d deep: does a map hold itself?", maxDepth)

// textKeys makes the keys of parseYAML's maps texts, as JSON and TOML need them.
func textKeys(m map[any]any) any {
	texts := make(map[string]any, len(m))
	for k, item := range m {
		texts[fmt.Sprint(k)] = item
	}
	return texts
}

// converted copies a value with each leaf converted, and with the maps that parseYAML makes passed through keys.
func converted(v any, depth int, keys func(map[any]any) any, leaf func(any) any) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch v := v.(type) {
	case map[any]any:
		m := make(map[any]any, len(v))
		for k, item := range v {
			c, err := converted(item, depth+1, keys, leaf)
			if err != nil {
				return nil, err
			}
			m[k] = c
		}
		return keys(m), nil
	case map[string]any:
		if v == nil {
			return v, nil
		}
		m := make(map[string]any, len(v))
		for k, item := range v {
			c, err := converted(item, depth+1, keys, leaf)
			if err != nil {
				return nil, err
			}
			m[k] = c
		}
		return m, nil
	case []any:
		if v == nil {
			return v, nil
		}
		list := make([]any, len(v))
		for i, item := range v {
			c, err := converted(item, depth+1, keys, leaf)
			if err != nil {
				return nil, err
			}
			list[i] = c
		}
		return list, nil
	}
	return leaf(v), nil
}

func toYAML(v any) (string, error) {
	v, err := converted(v, 0, func(m map[any]any) any { return m }, wholeNumber)
	if err != nil {
		return "", err
	}
	out, err := yaml.Marshal(v)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

// wholeNumber makes a float an integer where it is one, as JSON's integers are: the YAML library would write an exponent.
func wholeNumber(v any) any {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<63 && f != 0 { // there is a zero below zero
		return int64(f)
	}
	return v
}

func toTOML(v any) (string, error) {
	if v == nil {
		return "", errors.New("TOML has nothing for a missing value")
	}
	v, err := converted(v, 0, textKeys, func(leaf any) any {
		if f, ok := leaf.(float64); ok {
			return plainFloat(f)
		}
		return leaf
	})
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := toml.NewEncoder(&out).Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

// A plainFloat is written to TOML without an exponent, which the library would give to a million: JSON's integers are
// floats here.
type plainFloat float64

var _ toml.Marshaler = plainFloat(0)

// MarshalTOML writes the number.
func (f plainFloat) MarshalTOML() ([]byte, error) {
	switch {
	case math.IsNaN(float64(f)):
		return []byte("nan"), nil
	case math.IsInf(float64(f), 0):
		return []byte(strings.ToLower(strconv.FormatFloat(float64(f), 'f', -1, 64))), nil
	}
	text := strconv.FormatFloat(float64(f), 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return []byte(text), nil
}
