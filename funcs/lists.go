package funcs

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

func listFunctions() []function {
	return []function{
		{Doc{Name: "loop", Signature: `loop [FROM] TO`,
			Summary: "The integers from FROM (0 where not given) up to but not including TO; at most 1,000,000 of them.",
			Example: `{{ range loop 3 }}{{ . }} {{ end }}{{ range loop 5 7 }}{{ . }} {{ end }}`, Output: `0 1 2 5 6 `}, is(loop)},
		{Doc{Name: "in", Signature: `in LIST-OR-TEXT WANTED`,
			Summary: "Whether a list holds a text or number, or a text holds another.",
			Example: `{{ in (split "," "a,b") "b" }} {{ in "hello" "ell" }}`, Output: `true true`}, is(in)},
		{Doc{Name: "contains", Signature: `contains WANTED LIST-OR-TEXT`,
			Summary: "The same as in, with the arguments swapped for pipelines.",
			Example: `{{ range service "web" }}{{ if .Tags | contains "blue" }}{{ .ID }}{{ end }}{{ end }}`, Output: `web-1`},
			is(func(v, l any) bool { return in(l, v) })},
		{Doc{Name: "containsAll", Signature: `containsAll WANTED-LIST LIST-OR-TEXT`,
			Summary: "Whether all of the wanted are in the list. WANTED-LIST is made by parseJSON or sprig_list.",
			Example: `{{ split "," "a,b,c" | containsAll (sprig_list "a" "b") }}`, Output: `true`}, is(containsSome(true, false))},
		{Doc{Name: "containsAny", Signature: `containsAny WANTED-LIST LIST-OR-TEXT`,
			Summary: "Whether at least one of the wanted is in the list.",
			Example: `{{ split "," "a,b,c" | containsAny (sprig_list "a" "z") }}`, Output: `true`}, is(containsSome(false, false))},
		{Doc{Name: "containsNone", Signature: `containsNone WANTED-LIST LIST-OR-TEXT`,
			Summary: "Whether none of the wanted is in the list.",
			Example: `{{ split "," "a,b,c" | containsNone (sprig_list "x" "z") }}`, Output: `true`}, is(containsSome(true, true))},
		{Doc{Name: "containsNotAll", Signature: `containsNotAll WANTED-LIST LIST-OR-TEXT`,
			Summary: "Whether at least one of the wanted is not in the list.",
			Example: `{{ split "," "a,b,c" | containsNotAll (sprig_list "a" "z") }}`, Output: `true`}, is(containsSome(false, true))},
	}
}

// maxLoop bounds loop, so that a mistyped number can't fill the memory.
const maxLoop = 1_000_000

var errLoop = fmt.Errorf("these are more than %d numbers", maxLoop)

func loop(args ...any) ([]int64, error) {
	if len(args) != 1 && len(args) != 2 {
		return nil, fmt.Errorf("wrong number of arguments: want 1 or 2, got %d", len(args))
	}
	bounds := []int64{0}
	for _, arg := range args {
		n, err := loopBound(arg)
		if err != nil {
			return nil, err
		}
		bounds = append(bounds, n)
	}
	from, to := bounds[len(bounds)-2], bounds[len(bounds)-1]
	if from >= to {
		return []int64{}, nil
	}
	if uint64(to)-uint64(from) > maxLoop {
		return nil, errLoop
	}
	list := make([]int64, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list, nil
}

// loopBound takes an integer, or a text that is one.
func loopBound(v any) (int64, error) {
	if text, ok := v.(string); ok {
		return parseInt(text)
	}
	switch n := numberOf(v); n.kind {
	case isInt:
		return n.i, nil
	case isUint:
		if n.int() < 0 {
			return 0, errors.New("the number is too big")
		}
		return n.int(), nil
	}
	return 0, fmt.Errorf("want an integer, got a %T", v)
}

// in tells whether a list has an element, or a text a part. Only texts and numbers are found, and numbers only among those
// of their own kind: JSON numbers are floats.
func in(list, wanted any) bool {
	if text, ok := list.(string); ok {
		part, ok := wanted.(string)
		return ok && strings.Contains(text, part)
	}
	l := reflect.ValueOf(list)
	if !l.IsValid() || l.Kind() != reflect.Slice && l.Kind() != reflect.Array {
		return false
	}
	for i := range l.Len() {
		if sameValue(l.Index(i).Interface(), wanted) {
			return true
		}
	}
	return false
}

func sameValue(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if !x.IsValid() || !y.IsValid() {
		return false
	}
	if x.Kind() == reflect.String && y.Kind() == reflect.String {
		return x.String() == y.String()
	}
	n, m := numberOf(a), numberOf(b)
	return n.kind != notANumber && n == m
}

// containsSome makes the function that returns every (or whether any) when all (or at least one) of the wanted are in a list,
// or, with not, are absent from it.
func containsSome(every, not bool) func(wanted []any, list any) bool {
	return func(wanted []any, list any) bool {
		for _, w := range wanted {
			if (in(list, w) != not) != every {
				return !every
			}
		}
		return every
	}
}
