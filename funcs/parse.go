package funcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	// Version 2, though there is a third: templates rely on its YAML 1.1 ("yes" is true, 012 is ten) and on its layout,
	// which version 3 can't be told to keep.
	"gopkg.in/yaml.v2"
)

func parseFunctions() []function {
	return []function{
		{Doc{Name: "parseBool", Signature: `parseBool TEXT`,
			Summary: `True for "1", "t", "true", false for "0", "f", "false" (also in capitals) and for an empty text.`,
			Example: `{{ if parseBool "true" }}on{{ end }}`, Output: `on`}, is(parseBool)},
		{Doc{Name: "parseInt", Signature: `parseInt TEXT`, Summary: "The integer (64 bits) that a text is; 0 for an empty text.",
			Example: `{{ "8" | parseInt | add 1 }}`, Output: `9`}, is(parseInt)},
		{Doc{Name: "parseUint", Signature: `parseUint TEXT`, Summary: "The unsigned integer (64 bits) that a text is; 0 for an empty text.",
			Example: `{{ parseUint "18446744073709551615" }}`, Output: `18446744073709551615`}, is(parseUint)},
		{Doc{Name: "parseFloat", Signature: `parseFloat TEXT`, Summary: "The number (64-bit float) that a text is; 0 for an empty text.",
			Example: `{{ "0.5" | parseFloat | multiply 3 }}`, Output: `1.5`}, is(parseFloat)},
		{Doc{Name: "parseJSON", Signature: `parseJSON TEXT`,
			Summary: "The maps, lists, texts, floats and booleans of a JSON text; an empty map for an empty text. Every number is a float, " +
				"which prints with an exponent from a million on (2500000 as 2.5e+06): parseYAML reads JSON too, and keeps integers.",
			Example: "{{ with parseJSON `{\"db\":{\"port\":5432}}` }}{{ .db.port }}{{ end }}", Output: `5432`}, is(parseJSON)},
		{Doc{Name: "parseYAML", Signature: `parseYAML TEXT`,
			Summary: "The same of a YAML 1.1 text, whose numbers may be integers. Of several documents it is the first.",
			Example: `{{ with parseYAML "ports: [80, 443]" }}{{ index .ports 1 }}{{ end }}`, Output: `443`}, is(parseYAML)},
	}
}

// notA says why a text is no number, without the text, which may be a secret.
func notA(what string, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("the text is out of range for %s: value out of range", what)
	}
	return fmt.Errorf("the text is not %s", what)
}

func parseBool(text string) (bool, error) {
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("the text is neither true nor false")
	}
	return b, nil
}

func parseInt(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, notA("an integer of 64 bits", err)
	}
	return n, nil
}

func parseUint(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, notA("an unsigned integer of 64 bits", err)
	}
	return n, nil
}

func parseFloat(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, notA("a number", err)
	}
	return f, nil
}

func parseJSON(text string) (any, error) {
	if text == "" {
		return map[string]any{}, nil
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			before := text[:min(len(text), max(0, int(syntax.Offset)-1))]
			line, column := 1+strings.Count(before, "\n"), len(before)-strings.LastIndexByte(before, '\n')
			return nil, fmt.Errorf("not JSON, at line %d, column %d: %w", line, column, err)
		}
		return nil, errors.New("not JSON: a number is out of range") // the error has the number
	}
	return v, nil
}

// quoted is a part of the text in an error of the YAML library.
var quoted = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`")

func parseYAML(text string) (any, error) {
	if text == "" {
		return map[string]any{}, nil
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		what := quoted.ReplaceAllString(err.Error(), "...")
		if before, _, found := strings.Cut(what, "invalid map key"); found { // which follows, whole
			what = before + "invalid map key"
		}
		return nil, fmt.Errorf("not YAML: %s", what)
	}
	return v, nil
}
