// Package environ makes the environment of a program out of the key-value store and the catalog: which keys and services
// become variables, how those are named, and which of them win. It follows envconsul's rules; where it does not, and why,
// is listed in differences.md.
//
// A [Builder] is executed like a template, so that env mode runs through the same event loop: it says which queries it
// used and which are missing, and its output is the whole environment.
package environ

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"lictor/watch"
)

// A Spec says what an environment is made of. Later entries win over earlier ones: what is inherited, the prefixes in
// order, the services in order; then the rules of the exec.env block are applied to all of it.
type Spec struct {
	Base     []string // what is inherited, as "NAME=value", unless Pristine
	Pristine bool     // leave out Base
	Prefixes []Prefix
	Services []Service
	Sources  watch.SourceNames // the names that queries may give as their source
	Sanitize bool              // every character of a name outside A-Z, a-z, 0-9 and _ becomes _
	Upcase   bool              // names in upper case
	// AllowNames are variables that keys and services may give though others of their kind are refused: see dangerous. With
	// AllowAll none is, and a warning is all there is.
	AllowNames []string
	AllowAll   bool

	Exec ExecEnv
}

// ExecEnv is an exec.env block. With Pristine, Custom is all that is left, as in envconsul. Otherwise Allow keeps the
// names that match one of its patterns (all, where there is none), Deny then drops those that match one of its own, and
// Custom is added, unfiltered.
type ExecEnv struct {
	Pristine            bool
	Custom, Allow, Deny []string
}

// A Prefix is a part of the key-value store whose keys become variables.
type Prefix struct {
	// Path is [/]PREFIX[?ns=NAMESPACE&partition=PARTITION][@DATACENTER], and {{ env "NAME" }} in it is filled in. The
	// prefix is one of text: "app" also covers "apple/k". "" is every key.
	Path       string
	Datacenter string // wins over the one in Path
	Format     string // template of the name, with the functions key and replaceKey; "" leaves the name as it is
	KeepPath   bool   // put the path in front of the name (no_prefix = false)
	At         string // where it was configured, for messages; may be empty
}

// A Service is a catalog query whose instances become five variables, NAME/id, NAME/name, NAME/address, NAME/tag and
// NAME/port. Of several instances the last one, by node and id, is what remains.
type Service struct {
	// Query is [TAG.]NAME[?OPTIONS][@DATACENTER][~NEAR], with a NAME that may be a Go string in double quotes. Where no instance of
	// NAME has TAG, a service whose name is TAG.NAME is meant.
	Query string
	// Templates of the names, with the functions service and key; "" leaves the name as it is.
	FormatID, FormatName, FormatAddress, FormatTag, FormatPort string
	At                                                         string // where it was configured, for messages; may be empty
}

// A prefix is a Prefix ready for use.
type prefix struct {
	query  watch.Prefix
	front  string // what KeepPath puts in front
	format *format
	label  string // for messages
}

// A service is a Service ready for use.
type service struct {
	query   watch.CatalogService
	tag     string // only instances with this tag; "" for all
	dotted  string // TAG.NAME, which may be the name of a service; "" where it can't be one
	formats [len(fields)]*format
	label   string
}

// fields are the variables of a service instance.
var fields = [...]string{"id", "name", "address", "tag", "port"}

var (
	prefixText  = regexp.MustCompile(`^/?([^@?]*)(?:\?([\w=&-]+))?(?:@([\w.-]+))?$`)
	serviceText = regexp.MustCompile(`^(?:([\w=:.-]+)\.)?([\w-]+|"(?:[^"\\]|\\.)+")(?:\?([\w=&-]+))?(?:@([\w.-]+))?(?:~([\w.-]+))?$`)
)

// compile checks a prefix. lookup answers {{ env "NAME" }} in its path.
func (p Prefix) compile(lookup func(name string) (string, bool), sources watch.SourceNames) (out prefix, err error) {
	label := fmt.Sprintf("prefix %q", p.Path)
	path, err := expandPath(p.Path, lookup)
	if err != nil {
		return out, located(p.At, label, err)
	}
	m := prefixText.FindStringSubmatch(path)
	if m == nil {
		return out, located(p.At, label, errors.New("want PREFIX[?OPTIONS][@DATACENTER]"))
	}
	scope, err := parseScope(m[2], m[3], sources)
	if err != nil {
		return out, located(p.At, label, err)
	}
	if p.Datacenter != "" {
		scope.Datacenter = p.Datacenter
	}
	out = prefix{query: watch.Prefix{Path: m[1], Scope: scope}, label: fmt.Sprintf("prefix %q", path)}
	if p.KeepPath {
		out.front = sanitize(withoutSource(path, m[2])) + "_"
	}
	if out.format, err = parseFormat(p.Format); err != nil {
		return out, located(p.At, label+": format", err)
	}
	return out, nil
}

// compile checks a service.
func (s Service) compile(sources watch.SourceNames) (out service, err error) {
	label := fmt.Sprintf("service %q", s.Query)
	m := serviceText.FindStringSubmatch(s.Query)
	if m == nil {
		return out, located(s.At, label, errors.New("want [TAG.]NAME[?OPTIONS][@DATACENTER][~NEAR]"))
	}
	scope, err := parseScope(m[3], m[4], sources)
	if err != nil {
		return out, located(s.At, label, err)
	}
	name, dotted := m[2], ""
	if name[0] == '"' {
		if name, err = strconv.Unquote(name); err != nil {
			return out, located(s.At, label, fmt.Errorf("the quoted name: %w", err))
		}
	} else if m[1] != "" {
		dotted = m[1] + "." + name
	}
	out = service{query: watch.CatalogService{Name: name, Near: m[5], Scope: scope}, tag: m[1], dotted: dotted, label: label}
	for i, text := range [...]string{s.FormatID, s.FormatName, s.FormatAddress, s.FormatTag, s.FormatPort} {
		if out.formats[i], err = parseFormat(text); err != nil {
			return out, located(s.At, label+": format_"+fields[i], err)
		}
	}
	return out, nil
}

// parseScope reads the options and the datacenter of a query.
func parseScope(options, datacenter string, sources watch.SourceNames) (watch.Scope, error) {
	scope := watch.Scope{Datacenter: datacenter}
	err := scope.SetOptions(options)
	if err == nil {
		scope.Source, err = sources.Name(scope.Source)
	}
	return scope, err
}

// withoutSource is the text of a prefix with its options, but for its source: which registry has a key is no part of its variable's name.
func withoutSource(text, options string) string {
	left := slices.DeleteFunc(strings.Split(options, "&"), func(option string) bool { return strings.HasPrefix(option, "source=") })
	if len(left) == 0 {
		return strings.Replace(text, "?"+options, "", 1)
	}
	return strings.Replace(text, "?"+options, "?"+strings.Join(left, "&"), 1)
}

// expandPath fills in {{ env "NAME" }}. A variable that is not set is an error, since a shorter path would read other keys.
func expandPath(text string, lookup func(string) (string, bool)) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	t, err := template.New("path").Funcs(template.FuncMap{"env": func(name string) (string, error) {
		if value, ok := lookup(name); ok {
			return value, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set", name)
	}}).Parse(text)
	if err != nil {
		return "", plainError(err)
	}
	var out strings.Builder
	if err := t.Execute(&out, nil); err != nil {
		return "", plainError(err)
	}
	return out.String(), nil
}

// located puts in front of err where and what it is about.
func located(at, what string, err error) error {
	if at != "" {
		return fmt.Errorf("%s: %s: %w", at, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// plainError takes off the template package's wording, which speaks of positions in a text that is shown anyway.
func plainError(err error) error {
	if exec, ok := errors.AsType[template.ExecError](err); ok {
		if inner := errors.Unwrap(exec.Err); inner != nil {
			return inner
		}
	}
	return errors.New(strings.TrimPrefix(err.Error(), "template: "))
}
