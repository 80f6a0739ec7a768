package lint

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"lictor/funcs"
	"lictor/internal/engine"
)

// integersAsFloats renders the template, and finds calls of parseJSON that read an integer which the output has as a float. No
// text of a template tells which numbers it will print, so without the data there is nothing to find.
func integersAsFloats(t *tree, found func(Position, string, ...any)) {
	var calls []parse.Pos
	toTOML := false
	t.each(func(n parse.Node) {
		if id, ok := n.(*parse.IdentifierNode); ok {
			toTOML = toTOML || id.Ident == "toTOML"
			if id.Ident == "parseJSON" {
				calls = append(calls, id.Pos)
			}
		}
	})
	if len(calls) == 0 || t.Render == nil {
		return
	}
	slices.Sort(calls)
	output, read := renderNoting(t, calls)
	printed := numbers(output)
	for i, at := range calls {
		if slices.ContainsFunc(read[i], func(text string) bool {
			return slices.ContainsFunc(integers(text), func(n float64) bool {
				plain := fmt.Sprint(math.Abs(n))
				return strings.Contains(plain, "e") && printed[plain] || toTOML && printed[strconv.FormatFloat(math.Abs(n), 'f', 1, 64)]
			})
		}) {
			found(t.position(at), "parseJSON makes an integer a float, which is printed as one (2.5e+06 for 2500000, by toTOML 80.0 for 80); "+
				"parseYAML reads JSON too, and keeps integers")
		}
	}
}

// renderNoting renders the template on its data, and notes the texts that each of the calls of parseJSON reads. What does not
// render has no output.
func renderNoting(t *tree, calls []parse.Pos) (output []byte, read [][]string) {
	const callee = "parseJSON"
	read = make([][]string, len(calls))
	text := t.Text
	for i, at := range slices.Backward(calls) { // each call gets a name of its own
		end := int(at) + len(callee)
		text = text[:end] + fmt.Sprint("_", i) + text[end:]
	}
	output, err := t.render(text, func(p *engine.Pass, o funcs.Options) template.FuncMap {
		m := funcs.Map(context.Background(), p, o)
		parseJSON, ok := m[callee].(func(string) (any, error))
		if !ok {
			return m // a denylist has it, so that nothing renders
		}
		for i := range calls {
			m[fmt.Sprint(callee, "_", i)] = func(text string) (any, error) {
				read[i] = append(read[i], text)
				return parseJSON(text)
			}
		}
		return m
	})
	if err != nil {
		return nil, read
	}
	return output, read
}

// integers are the numbers in a JSON text that are written as integers, as parseJSON gives them.
func integers(text string) []float64 {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var found []float64
	for {
		token, err := d.Token()
		if err != nil {
			return found
		}
		if n, ok := token.(json.Number); ok && !strings.ContainsAny(n.String(), ".eE") {
			if f, err := n.Float64(); err == nil {
				found = append(found, f)
			}
		}
	}
}

var number = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)*(?:e\+[0-9]+)?`)

// numbers are the numbers in an output, without their signs, and whatever else has digits and dots, as addresses do.
func numbers(output []byte) map[string]bool {
	found := map[string]bool{}
	for _, n := range number.FindAll(output, -1) {
		found[string(n)] = true
	}
	return found
}
