package environ

import (
	"strings"
	"text/template"

	"lictor/watch"
)

// A format is a template that makes a variable's name out of the key's. Nil leaves the name as it is.
type format struct {
	template     *template.Template
	key, service string // what the functions of that name return during apply
}

// parseFormat parses a format; the empty text is none.
func parseFormat(text string) (*format, error) {
	if text == "" {
		return nil, nil
	}
	f := &format{}
	t, err := template.New("format").Funcs(template.FuncMap{
		"key":     func() string { return f.key },
		"service": func() string { return f.service },
		"replaceKey": func(from, to, name string) string {
			if name == from {
				return to
			}
			return name
		},
	}).Parse(text)
	if err != nil {
		return nil, plainError(err)
	}
	f.template = t
	return f, nil
}

// apply makes the name; plain is the one without a format.
func (f *format) apply(service, key, plain string) (string, error) {
	if f == nil {
		return plain, nil
	}
	f.service, f.key = service, key
	var out strings.Builder
	if err := f.template.Execute(&out, nil); err != nil {
		return "", plainError(err)
	}
	return out.String(), nil
}

// keyName is the name that a key has below a prefix, before any format; "" when the key has none.
func (p prefix) keyName(path string) string {
	name := watch.RelativeKey(p.query.Path, path)
	if strings.TrimSpace(name) == "" {
		return ""
	}
	return p.front + name
}

// finishName applies what all names have in common.
func (s Spec) finishName(name string) string {
	if s.Sanitize {
		name = sanitize(name)
	}
	if s.Upcase {
		name = strings.ToUpper(name)
	}
	return name
}

// sanitize replaces every character that may not be in a shell variable's name.
func sanitize(name string) string {
	return strings.Map(func(r rune) rune {
		if isNameRune(r) {
			return r
		}
		return '_'
	}, name)
}

// isIdentifier tells whether a shell can read a variable of this name.
func isIdentifier(name string) bool {
	return name != "" && !(name[0] >= '0' && name[0] <= '9') &&
		strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) }) < 0
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}
