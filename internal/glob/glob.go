// Package glob has the two kinds of patterns of the project: those of texts, and those of names.
package glob

import (
	"path"
	"slices"
	"strings"
)

// Text tells whether text is what one of the patterns says. Only * is special in them: it stands for any text, also for
// slashes and for none. So a text without it, whatever else it holds, is a pattern of itself.
func Text(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		parts := strings.Split(pattern, "*")
		last := len(parts) - 1
		if last == 0 {
			return text == pattern
		}
		rest, ok := strings.CutPrefix(text, parts[0])
		for _, part := range parts[1:last] {
			var found bool
			_, rest, found = strings.Cut(rest, part)
			ok = ok && found
		}
		return ok && strings.HasSuffix(rest, parts[last])
	})
}

// Name tells whether name is what one of the patterns says. They are those of [path.Match]: * and ? don't stand for slashes.
// A malformed one matches nothing.
func Name(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// Malformed tells whether pattern is none that [Name] understands.
func Malformed(pattern string) bool {
	_, err := path.Match(pattern, "")
	return err != nil
}
