package environ

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"lictor/internal/command"
	"lictor/internal/engine"
	"lictor/watch"
)

// A Builder makes the environment that a [Spec] describes. One goroutine at a time may use it.
type Builder struct {
	spec     Spec
	prefixes []prefix
	services []service
	log      *slog.Logger
	warned   map[string]bool // what has been logged already
}

// New checks spec and makes its Builder. lookup answers {{ env "NAME" }} in paths, as [os.LookupEnv] does. The error joins
// one line for each prefix and service that is wrong.
func New(spec Spec, lookup func(name string) (value string, ok bool), log *slog.Logger) (*Builder, error) {
	b := &Builder{spec: spec, log: log, warned: map[string]bool{}}
	var errs []error
	for _, p := range spec.Prefixes {
		compiled, err := p.compile(lookup, spec.Sources)
		errs = append(errs, err)
		b.prefixes = append(b.prefixes, compiled)
	}
	for _, s := range spec.Services {
		compiled, err := s.compile(spec.Sources)
		errs = append(errs, err)
		b.services = append(b.services, compiled)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.doubtAllowed()
	return b, nil
}

// A variable is one that a key or a service gives.
type variable struct {
	entry string // "NAME=value"
	from  string // for messages, without the value
}

func (v variable) name() string { return command.VariableName(v.entry) }

// Execute makes the environment out of what known answers. The output is the whole of it as [Encode] writes it. It is an
// error when a value can't be in an environment; the message names the key and never the value.
func (b *Builder) Execute(known watch.Lookup) (engine.Result, error) {
	r := engine.Result{Used: watch.Set{}, Missing: watch.Set{}, Passes: 1}
	var failed error
	ask := func(q watch.Query) (answer any, ok bool) {
		r.Used.Add(q)
		answer, ok = known(q)
		if !ok {
			r.Missing.Add(q)
		}
		if f, ok := answer.(watch.Failure); ok && failed == nil {
			failed = f.Err
		}
		return answer, ok
	}
	var found []variable
	for _, p := range b.prefixes {
		answer, _ := ask(p.query)
		pairs, _ := answer.([]*watch.KeyPair)
		more, err := b.fromKeys(p, pairs)
		found = append(found, more...)
		failed = firstError(failed, err)
	}
	for _, s := range b.services {
		more, err := b.fromService(s, b.instances(s, ask))
		found = append(found, more...)
		failed = firstError(failed, err)
	}
	if !r.Complete() {
		r.Failed = failed
		return r, nil
	}
	if failed != nil {
		return r, failed
	}
	entries := b.assemble(found)
	if err := checkSize(entries); err != nil {
		return r, err
	}
	r.Output = Encode(entries)
	return r, nil
}

// firstError is the first of two that is one.
func firstError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// fromKeys makes variables of the keys below a prefix.
func (b *Builder) fromKeys(p prefix, pairs []*watch.KeyPair) (found []variable, err error) {
	for _, pair := range pairs {
		plain := p.keyName(pair.Path)
		if plain == "" {
			continue
		}
		from := "key " + pair.Path
		if p.query.Datacenter != "" {
			from += "@" + p.query.Datacenter
		}
		if p.query.Source != "" {
			from += " of " + p.query.Source
		}
		name, err := p.format.apply("", plain, plain)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: format: %w", p.label, from, err)
		}
		if found, err = b.add(found, name, pair.Value, from); err != nil {
			return nil, fmt.Errorf("%s: %w", p.label, err)
		}
	}
	return found, nil
}

// instances are those that a service's text means: of NAME with TAG, or else of the service that is called TAG.NAME.
func (b *Builder) instances(s service, ask watch.Lookup) []*watch.CatalogInstance {
	answer, ok := ask(s.query)
	all, _ := answer.([]*watch.CatalogInstance)
	if s.tag == "" {
		return all
	}
	var tagged []*watch.CatalogInstance
	for _, i := range all {
		if slices.Contains(i.ServiceTags, s.tag) {
			tagged = append(tagged, i)
		}
	}
	if !ok || len(tagged) > 0 || s.dotted == "" {
		return tagged
	}
	q := s.query
	q.Name = s.dotted
	answer, _ = ask(q)
	all, _ = answer.([]*watch.CatalogInstance)
	if len(all) > 0 && b.first("dotted "+s.dotted) {
		b.log.Warn("taken as the name of a service, since no instance has what is before the dot as its tag; quote the name where it is meant", "query", s.label)
	}
	return all
}

// fromService makes variables of the instances of a service.
func (b *Builder) fromService(s service, instances []*watch.CatalogInstance) (found []variable, err error) {
	for _, i := range instances {
		tags := slices.Sorted(slices.Values(i.ServiceTags))
		values := [...]string{i.ServiceID, i.ServiceName, i.ServiceAddress, strings.Join(tags, ","), strconv.Itoa(i.ServicePort)}
		for n, field := range fields {
			name, err := s.formats[n].apply(i.ServiceName, field, i.ServiceName+"/"+field)
			if err != nil {
				return nil, fmt.Errorf("%s: format_%s: %w", s.label, field, err)
			}
			if found, err = b.add(found, name, values[n], s.label); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// checkSize tells whether a program can be started with an environment. The kernel takes a quarter of the stack's limit, at
// most 6 MiB, for all variables and arguments together, each with its NUL and a pointer.
func checkSize(entries []string) error {
	const forArguments = 32 << 10
	limit := uint64(6 << 20)
	var stack syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &stack); err == nil {
		limit = max(min(limit, stack.Cur/4), 128<<10)
	}
	total := uint64(forArguments)
	for _, entry := range entries {
		total += uint64(len(entry)) + 1 + 8
	}
	if total > limit {
		return fmt.Errorf("the environment is too long: %d variables need %d bytes, the system takes %d (a larger stack limit, ulimit -s, raises that)",
			len(entries), total-forArguments, limit-forArguments)
	}
	return nil
}

// maxEntry is what the kernel takes as one entry of an environment, its closing NUL left out.
const maxEntry = 128<<10 - 1

// add adds a variable. One without a name is left out: so a format can choose keys.
func (b *Builder) add(found []variable, name, value, from string) ([]variable, error) {
	name = b.spec.finishName(name)
	entry := name + "=" + value
	switch {
	case name == "":
		return found, nil
	case name[0] == '=':
		if b.first("nameless " + from) {
			b.log.Warn("left out: its variable would have no name", "from", from)
		}
		return found, nil
	case strings.ContainsRune(name, 0):
		return nil, fmt.Errorf("%s: its name has a NUL byte, which an environment can not hold", from)
	case strings.ContainsRune(value, 0):
		return nil, fmt.Errorf("%s: its value has a NUL byte, which an environment can not hold", from)
	case len(entry) > maxEntry:
		return nil, fmt.Errorf("%s: its value of %d bytes is too long: the system takes %d for name and value", from, len(value), maxEntry-1)
	}
	return append(found, variable{entry, from}), nil
}

// assemble puts together what is inherited, what was found, and what the exec.env block says.
func (b *Builder) assemble(found []variable) []string {
	found = b.refuse(found)
	b.warn(found)
	var all []string
	if !b.spec.Pristine {
		all = append(all, b.spec.Base...)
	}
	for _, v := range found {
		all = append(all, v.entry)
	}
	e := b.spec.Exec
	return command.Environ(all, e.Pristine, e.Custom, e.Allow, e.Deny)
}

// mostWarnings bounds the warnings of one kind.
const mostWarnings = 10

// warn logs, once each, which keys give the same variable, and which variables a shell can't read.
func (b *Builder) warn(found []variable) {
	owner := map[string]string{}
	collisions := 0
	var odd []string
	for _, v := range found {
		name := v.name()
		if before, ok := owner[name]; ok && before != v.from && b.first("two for "+name+": "+before+", "+v.from) {
			if collisions++; collisions <= mostWarnings {
				b.log.Warn("two give the same variable, the last one wins", "variable", name, "first", before, "last", v.from)
			}
		}
		owner[name] = v.from
		if !isIdentifier(name) && b.first("odd "+name) {
			odd = append(odd, name)
		}
	}
	if more := collisions - mostWarnings; more > 0 {
		b.log.Warn("more give the same variables", "count", more)
	}
	if len(odd) > 0 {
		b.log.Warn("a shell can not read variables of these names, and drops them: sanitize would fix that",
			"names", odd[:min(len(odd), mostWarnings)], "count", len(odd))
	}
}

// first tells whether something is to be logged for the first time.
func (b *Builder) first(what string) bool {
	if b.warned[what] {
		return false
	}
	b.warned[what] = true
	return true
}
