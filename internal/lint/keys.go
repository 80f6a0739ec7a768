package lint

import (
	"fmt"
	"strings"

	"lictor/watch"
)

// keysWithoutDefault looks for calls of key that nothing in the template asks about in a way that does not wait.
func keysWithoutDefault(t *tree, found func(Position, string, ...any)) {
	uses := t.queries()
	guarded := map[string]bool{}
	for _, u := range uses {
		switch u.Function {
		case "keyExists", "keyExistsGet", "keyOrDefault":
			guarded[u.subject()] = true
		}
	}
	for _, u := range uses {
		if u.Function != "key" || guarded[u.subject()] {
			continue
		}
		what := "key"
		if len(u.Queries) == 1 {
			if k, ok := u.Queries[0].(watch.Key); ok {
				what = fmt.Sprintf("key %q", k.Path)
			}
		}
		found(u.At, "%s waits until the key is there; keyOrDefault has a default", what)
	}
}

// subject is equal for two calls that ask for the same thing: the query where it is known, else the expression for it.
func (u Use) subject() string {
	if len(u.Queries) == 1 {
		return u.Queries[0].String()
	}
	text, piped := strings.CutSuffix(u.Source, " | "+u.Function)
	if !piped {
		text = strings.TrimPrefix(text, u.Function+" ")
		if inner, ok := strings.CutPrefix(text, "("); ok && strings.Count(text, "(") == 1 {
			text = strings.TrimSuffix(inner, ")")
		}
	}
	return text
}
