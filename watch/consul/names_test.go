package consul

import (
	"reflect"
	"strings"
	"testing"
)

// TestNameList reads lists one after the other: an answer is the same value where, and only where, the list says the same.
func TestNameList(t *testing.T) {
	list := nameList{}
	read := func(text string) any {
		t.Helper()
		names, err := list.decode(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return names
	}
	same := func(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }

	const first = `{"a":["x","y:z"],"b\"]":[],"c":["x"]}`
	before := read(first)
	for _, text := range []string{first, `{"a":["y:z","x"],"b\"]":[],"c":["x"]}`, "{\n \"a\" : [ \"y:z\", \"x\" ],\n \"b\\\"]\" : [], \"c\" : [\"x\"]\n}"} {
		if !same(before, read(text)) {
			t.Errorf("%s is decoded again", text)
		}
	}
	fresh := nameList{}
	for _, text := range []string{
		`{"a":["x","y:z"],"b\"]":["x"],"c":[]}`, `{"a":["x"],"b\"]":["y:z"],"c":["x"]}`, `{"a":["x","y:z"],"c":["x"]}`,
		`{"a":["x","y:z"],"b\"]":[],"c":["x","x"]}`, `{"x":["a","y:z"],"b\"]":[],"c":["x"]}`, `{}`, first,
	} {
		got := read(text)
		if same(before, got) {
			t.Errorf("%s passes for the list before", text)
		}
		want, err := fresh.decode(strings.NewReader(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v (%v)", text, got, want, err)
		}
		before = got
		fresh = nameList{}
	}
	for _, text := range []string{``, `{"a":["x"`, `["a"]`, `{"a":"x"}`, `"\`} {
		if names, err := list.decode(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as %v", text, names)
		}
	}
}
