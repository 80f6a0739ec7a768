package command

import (
	"strings"

	"lictor/internal/glob"
)

// Environ is the environment of a program by the rules of an exec.env block: base unless pristine, of it only the names
// that a pattern of allow matches (any, when there is none), without those that a pattern of deny matches, and then
// custom, which nothing filters. Of several entries with one name the last one stays. Patterns are those of [glob.Name].
func Environ(base []string, pristine bool, custom, allow, deny []string) []string {
	var out []string
	if !pristine {
		for _, entry := range base {
			name := VariableName(entry)
			if (len(allow) == 0 || glob.Name(allow, name)) && !glob.Name(deny, name) {
				out = append(out, entry)
			}
		}
	}
	return lastOfEach(append(out, custom...))
}

// VariableName is the name in an entry "NAME=value".
func VariableName(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	return name
}

// lastOfEach keeps the last entry of each name, where the first one stood. The result is never nil, which would mean
// our own environment to the one who starts a program with it.
func lastOfEach(entries []string) []string {
	at := make(map[string]int, len(entries))
	out := make([]string, 0, len(entries))
	for _, entry := range entries {
		name := VariableName(entry)
		if i, ok := at[name]; ok {
			out[i] = entry
			continue
		}
		at[name] = len(out)
		out = append(out, entry)
	}
	return out
}
