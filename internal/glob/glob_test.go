package glob

import "testing"

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text  string
		asText, asName bool
	}{
		{"", "", true, true}, {"", "a", false, false}, {"a", "a", true, true}, {"a", "ab", false, false},
		{"*", "", true, true}, {"*", "a", true, true}, {"*", "a/b", true, false}, {"a*", "ab", true, true}, {"a*", "ba", false, false},
		{"*a", "ba", true, true}, {"*a", "ab", false, false}, {"a*a", "a", false, false}, {"a*a", "aa", true, true}, {"a**b", "ab", true, true},
		{"a*b*c", "axbxbxc", true, true}, {"a*b*c", "acb", false, false}, {"a*b*c", "xbc", false, false}, {"a*bb*bc", "abbc", false, false},
		{"a*\n", "a\n\n", true, true}, {"a*z", "a\xff\nz", true, true}, {"\xff*", "\xffa", true, true}, {"a.c", "abc", false, false},
		{"a?c", "abc", false, true}, {"a?c", "a/c", false, false}, {"a?c", "a?c", true, true},
		{"[a]", "a", false, true}, {"[a]", "[a]", true, false}, {`\*`, "*", false, true}, {`\*`, `\x`, true, false},
		{"[a", "[a", true, false}, {"[a", "a", false, false}, // malformed as a name
	} {
		patterns := []string{"never", c.pattern}
		if text, name := Text(patterns, c.text), Name(patterns, c.text); text != c.asText || name != c.asName {
			t.Errorf("%q matches %q as a text %v, as a name %v", c.pattern, c.text, text, name)
		}
		if got := Malformed(c.pattern); got != (c.pattern == "[a") {
			t.Errorf("%q is malformed: %v", c.pattern, got)
		}
	}
	if Text(nil, "") || Name(nil, "") {
		t.Error("no pattern matches something")
	}
}
