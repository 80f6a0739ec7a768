package funcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	v, err := withTextKeys(v, 0)
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

// withTextKeys makes the keys of parseYAML's maps texts, as JSON needs them. What needs no change is returned as it is.
func withTextKeys(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep: does a map hold itself?", maxDepth)
	}
	switch v := v.(type) {
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			item, err := withTextKeys(item, depth+1)
			if err != nil {
				return nil, err
			}
			m[fmt.Sprint(k)] = item
		}
		return m, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			item, err := withTextKeys(item, depth+1)
			if err != nil {
				return nil, err
			}
			m[k] = item
		}
		if v == nil {
			return v, nil
		}
		return m, nil
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			item, err := withTextKeys(item, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = item
		}
		if v == nil {
			return v, nil
		}
		return list, nil
	}
	return v, nil
}

func toYAML(v any) (string, error) {
	if _, err := withTextKeys(v, 0); err != nil {
		return "", err
	}
	out, err := yaml.Marshal(v)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

func toTOML(v any) (string, error) {
	if v == nil {
		return "", errors.New("TOML has nothing for a missing value")
	}
	v, err := withTextKeys(v, 0)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := toml.NewEncoder(&out).Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}
