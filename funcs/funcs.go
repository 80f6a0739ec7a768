// Package funcs holds every name that a template can use.
//
// There is one file per topic. Each lists its functions with what they are for, an example and the Go function behind
// them; [Docs] and [Map] are made from those lists, so that a function can't exist without its documentation. To add a
// function, add an entry to the list of its topic, and run the package's tests with -update.
//
// Functions are pure and may be called any number of times: while data is missing they return zero values and the pass
// goes on, and what acts on the world waits for a complete pass. They never change an answer, which others share.
// Errors don't quote what came from the registry, since it may be a secret.
package funcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"lictor/internal/glob"
	"lictor/watch"
)

// A Pass is one run over a template, as the functions see it. The engine's Pass implements it.
type Pass interface {
	// Lookup answers q from what is known. Where ok is false the pass has noted that q is missing; the function then
	// returns its zero value and no error.
	Lookup(q watch.Query) (answer any, ok bool)
	// Await notes that q has an answer, but not the one that the template waits for, and why in words for the operator.
	// The function then returns its zero value.
	Await(q watch.Query, why string)
	// Confirm tells whether a function that is slow or acts on the world may run now. Where it may not, the function
	// returns its zero value; the engine runs the pass again, confirmed, once nothing is missing.
	Confirm() bool
	// Effect asks that do be called once the output of this pass is committed; never after a partial pass or a dry run.
	Effect(do func() error)
	// Warn notes something that a person should know though the template renders. Where it returns an error the function
	// returns that: it is how a linter learns where in the template it is.
	Warn(what string) error
	// Local returns the value that belongs to key in this pass, made by fresh when it is first asked for.
	Local(key any, fresh func() any) any
	// ExecuteTemplate runs a template that the text defines, and returns its output.
	ExecuteTemplate(name string, data any) (string, error)
}

// Options say how the functions of one template behave. The zero Options is the usual template.
type Options struct {
	// Denylist names functions that may not be used; "*" in a name stands for any letters. They exist, and are an error
	// when called.
	Denylist []string
	// Sandbox is the folder outside which `file` and `writeToFile` refuse to go, symlinks resolved; "" allows any path.
	Sandbox string
	// Env looks up an environment variable; nil means the process's own.
	Env func(name string) (value string, ok bool)
	// PluginTimeout is how long a plugin may run; 0 means [DefaultPluginTimeout].
	PluginTimeout time.Duration
	// Now tells the time; nil means the system's clock.
	Now func() time.Time
	// WriteFile writes what writeToFile was given, as an effect; nil means that there are no effects.
	WriteFile func(FileWrite) error
	// Sources are the names that queries may give as their source.
	Sources watch.SourceNames
	// Debug is where spew_dump and spew_printf write; nil means nowhere.
	Debug io.Writer
}

// DefaultPluginTimeout is how long a plugin may run where Options don't say.
const DefaultPluginTimeout = 30 * time.Second

// Map makes the functions for one template, to be bound when it is parsed. The functions are called by the goroutine that
// executes the template. When ctx ends, so does a plugin that runs.
func Map(ctx context.Context, pass Pass, o Options) template.FuncMap {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PluginTimeout == 0 {
		o.PluginTimeout = DefaultPluginTimeout
	}
	b := binding{ctx: ctx, pass: sourcedPass{pass, o.Sources}, Options: o}
	m := template.FuncMap{}
	for _, f := range catalogue() {
		if glob.Text(o.Denylist, f.Name) {
			m[f.Name] = func(...any) (string, error) { return "", errDisabled }
			continue
		}
		m[f.Name] = f.bind(b)
	}
	return m
}

// A sourcedPass asks each query of the source that it names.
type sourcedPass struct {
	Pass
	sources watch.SourceNames
}

func (p sourcedPass) Lookup(q watch.Query) (answer any, ok bool) {
	q, err := p.sources.Resolve(q)
	if err != nil {
		return watch.Failure{Err: err}, true
	}
	return p.Pass.Lookup(q)
}

func (p sourcedPass) Await(q watch.Query, why string) {
	if q, err := p.sources.Resolve(q); err == nil { // else Lookup has failed
		p.Pass.Await(q, why)
	}
}

var errDisabled = errors.New("function is disabled (it matches function_denylist)")

// A binding is what functions are made from. It lives as long as the template.
type binding struct {
	ctx  context.Context // of the whole program: what runs outside it ends with it
	pass Pass
	Options
}

// Refused says why every call of the function fails in a template with this denylist, whatever its arguments; nil where it
// does not.
func Refused(name string, denylist []string) error {
	if glob.Text(denylist, name) && slices.Contains(Names(), name) {
		return fmt.Errorf("%s: %w", name, errDisabled)
	}
	for _, f := range absent {
		if f.name == name {
			return fmt.Errorf("%s: %w", name, errUnsupported(f.system))
		}
	}
	return nil
}

// Deniable tells whether a pattern of a denylist matches any function.
func Deniable(pattern string) bool {
	return slices.ContainsFunc(catalogue(), func(f function) bool { return glob.Text([]string{pattern}, f.Name) })
}

// ask looks q up. While there is no answer, known is false and value the zero value: the caller goes on with that.
func ask[T any](p Pass, q watch.Query) (value T, known bool, err error) {
	answer, known := p.Lookup(q)
	if !known || answer == nil {
		return value, known, nil
	}
	switch a := answer.(type) {
	case T:
		return a, true, nil
	case watch.Failure:
		return value, false, fmt.Errorf("%s: %w", q, a.Err)
	}
	return value, false, fmt.Errorf("%s: the source answered with a %T, not a %T (please report this)", q, answer, value)
}

// copied is a list for one template alone, which is empty rather than nil: the difference shows in toJSON.
func copied[E any](list []E) []E { return append([]E{}, list...) }

// quote quotes a text for an error, cut where it is too long to read.
func quote(text string) string {
	const most = 120
	if len(text) > most {
		return fmt.Sprintf("%q... (%d bytes)", strings.ToValidUTF8(text[:most], "\uFFFD"), len(text))
	}
	return strconv.Quote(text)
}
