package funcs

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"lictor/watch"
)

// This file is about names that a registry holds and the grammar of query.go can't tell from something else, or can't read at
// all: Consul takes any text for the name of a service or a node. Whoever may register a service chooses such a name, so a
// template that follows the names of `services` must neither fail at one nor take it for something else.

// A nameKind is what the names of a registry belong to.
type nameKind struct {
	noun string
	also string // the characters, beside letters, digits and "_", that the grammar has no other use for in such a name
}

var (
	serviceNames = nameKind{"service", "-"}
	nodeNames    = nameKind{"node", "-."}
)

// ordinary tells whether a text can only be read in one way, as a name.
func (k nameKind) ordinary(text string) bool {
	if len(text) > maxReference {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', strings.IndexByte(k.also, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// maxName bounds the length of a name that is not ordinary, in bytes. It can be quoted, with what follows it, within
// maxReference.
const maxName = maxReference / 4

// askable tells whether a registry can be asked for a thing of this name. Consul's HTTP interface refuses what can't be printed.
func askable(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
}

// noteName remembers, until the end of the pass, that the registry has a thing of this name. An ordinary name needs none of that.
func (b binding) noteName(k nameKind, name string) {
	if !k.ordinary(name) {
		b.notedNames(k)[name] = true
	}
}

func (b binding) notedNames(k nameKind) map[string]bool {
	return b.pass.Local(k, func() any { return map[string]bool{} }).(map[string]bool)
}

// A request is what a text that names a service or a node asks for.
type request interface {
	target() (name string, scope watch.Scope)
}

// A lookup reads a text in the ways that are possible, and looks for what it names.
type lookup[R request] struct {
	binding
	kind  nameKind
	marks string // those of the grammar
	// parse reads a text by the grammar, to which a quoted name belongs.
	parse func(text string) (R, error)
	// find asks the registry. What it found last is what the text means.
	find func(R) (found, known bool, err error)
}

// resolve finds what text means: what the grammar makes of it where there is such a thing, else the thing of which it is the
// name to the letter, alone or with OPTIONS, @DATACENTER and so on behind it. Whether there is such a thing does not depend on its
// status: that a service recovers or fails must not change what a text means. The error is the grammar's, or the registry's, where
// there is neither. A text that can only be read in one way is asked for at once.
func (l lookup[R]) resolve(text string) error {
	meant, bad := l.parse(text)
	if bad == nil && (l.kind.ordinary(text) || isQuoted(text, l.marks)) {
		_, known, err := l.find(meant)
		if err == nil && known && l.notedNames(l.kind)[text] { // a name in quotation marks
			err = l.warn(text, otherMeaning, l.kind.noun)
		}
		return err
	}
	failed := bad
	name, rest, listed := l.listed(text)
	possible, known, err := bad == nil, true, error(nil)
	if possible && listed {
		possible, known, err = l.possible(meant, name, rest)
	}
	if err != nil || !known {
		return err
	}
	if possible {
		found, known, err := l.find(meant)
		switch {
		case err != nil:
			failed = err
		case !known || found && !listed:
			return nil
		case found:
			return l.warn(text, otherMeaning, l.kind.noun)
		}
	}
	for _, r := range l.literally(text, failed == nil) {
		found, known, err := l.find(r)
		switch {
		case err != nil:
			failed = cmp.Or(failed, err)
		case !known || found && bad != nil:
			return nil
		case found:
			return l.warn(text, "is taken as the name of a %s, since there is nothing else that it means", l.kind.noun)
		}
	}
	if listed && !askable(name) {
		return l.pass.Warn(fmt.Sprintf("%s %s is left empty: no registry can be asked for a name that is so long, or can't be printed", l.kind.noun, quote(name)))
	}
	return failed
}

const otherMeaning = "is not taken as the name of the %s that there is, since it means something else"

// warn says what is doubtful about a text, and how the name of a thing is written without doubt.
func (l lookup[R]) warn(text, what string, args ...any) error {
	return l.pass.Warn(fmt.Sprintf(`%s %s %s; where a name is meant, quote it: (printf "%%q" NAME)`, l.kind.noun, quote(text), fmt.Sprintf(what, args...)))
}

// listed tells whether text is, but for what may follow a name, one that the registry gave in this pass.
func (l lookup[R]) listed(text string) (name, rest string, listed bool) {
	noted := l.notedNames(l.kind)
	if len(noted) == 0 {
		return "", "", false
	}
	for name, rest := range splits(text, l.marks) {
		if noted[name] {
			return name, rest, true
		}
	}
	return "", "", false
}

// possible tells whether there can be what a text means by the grammar, which may also be the given name and what follows
// it. Where it can't the registry would not answer, and the template wait for ever.
func (l lookup[R]) possible(meant R, name, rest string) (possible, known bool, err error) {
	literal, err := l.parse(strconv.Quote(name) + rest)
	if err != nil {
		return true, true, nil
	}
	_, one := meant.target()
	_, other := literal.target()
	datacenter := one.Datacenter
	one.Source = other.Source // whether there is such a one is known without asking
	switch one.Datacenter = other.Datacenter; {
	case one != other: // a namespace, partition or peer: whether there is such a thing can't be asked in all editions of Consul
		return false, true, nil
	case datacenter == other.Datacenter:
		return true, true, nil
	}
	all, known, err := ask[[]string](l.pass, watch.Datacenters{})
	return slices.Contains(all, datacenter), known, err
}

// literally reads text as a name to the letter, with less and less behind it that is not part of the name. Where the text is good
// the marks in it are no part of a name, lest each of the many texts that have them is asked for twice; but for names that the
// registry gave in this pass.
func (l lookup[R]) literally(text string, good bool) []R {
	var readings []R
	noted := l.notedNames(l.kind)
	for name, rest := range splits(text, l.marks) {
		if l.kind.ordinary(name) || !askable(name) {
			continue // the grammar reads it so as well, or nobody can be asked
		}
		if good && strings.ContainsAny(name, l.marks) && !noted[name] {
			continue
		}
		if r, err := l.parse(strconv.Quote(name) + rest); err == nil {
			readings = append(readings, r)
		}
	}
	return readings
}

// splits cuts text at each mark that may be the first one of what follows a name, and at its end.
func splits(text, marks string) iter.Seq2[string, string] {
	return func(yield func(name, rest string) bool) {
		from := len(text)
		for range marks {
			if i := strings.LastIndexAny(text[:from], marks); i >= 0 {
				from = i
			}
		}
		for {
			i := strings.IndexAny(text[from:], marks)
			if i < 0 {
				yield(text, "")
				return
			}
			if !yield(text[:from+i], text[from+i:]) {
				return
			}
			from += i + 1
		}
	}
}
