package watch_test

import (
	"slices"
	"strings"
	"testing"

	"lictor/watch"
)

func TestKeysBelow(t *testing.T) {
	var pairs []*watch.KeyPair
	for _, path := range []string{"a", "app", "app-2/x", "app/", "app/a", "app/a/b", "app/z", "appz", "b\xff", "b\xff/c"} { // as bytes sort
		pairs = append(pairs, &watch.KeyPair{Path: path, Key: path})
	}
	for _, c := range []struct{ prefix, below, relative string }{
		{"", "a app app-2/x app/ app/a app/a/b app/z appz b\xff b\xff/c", "a app app-2/x app/ app/a app/a/b app/z appz b\xff b\xff/c"},
		{"app", "app app-2/x app/ app/a app/a/b app/z appz", " -2/x  a a/b z z"},
		{"app/", "app/ app/a app/a/b app/z", " a a/b z"},
		{"app/a", "app/a app/a/b", " b"},
		{"app/z", "app/z", ""},
		{"b\xff", "b\xff b\xff/c", " c"},
		{"app/b", "", ""},
		{"0", "", ""},
		{"c", "", ""},
	} {
		below := watch.KeysBelow(pairs, c.prefix)
		var paths, keys []string
		for i, p := range watch.RelativeTo(c.prefix, below) {
			paths, keys = append(paths, below[i].Path), append(keys, p.Key)
		}
		if got, relative := strings.Join(paths, " "), strings.Join(keys, " "); got != c.below || relative != c.relative {
			t.Errorf("below %q are %q, called %q, want %q, called %q", c.prefix, got, relative, c.below, c.relative)
		}
		_ = append(below, nil)
	}
	if slices.Contains(pairs, nil) || pairs[4].Key != "app/a" {
		t.Error("the list itself was changed")
	}
}
