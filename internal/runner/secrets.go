package runner

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"lictor/watch"
)

// What a check or a reload command prints is logged, and often quotes the file that it stumbles over, and so values of keys.
// Those that the templates have read are known, and taken out of it. What is read is only noted; it is looked into when there
// is output.

// noting answers by known, and notes what may hold a secret.
func (j *Job) noting(known watch.Lookup) watch.Lookup {
	j.asked = nil
	return func(q watch.Query) (answer any, ok bool) {
		answer, ok = known(q)
		if ok && watch.Sensitive(q) {
			j.asked = append(j.asked, answer)
		}
		return answer, ok
	}
}

// ReadOutside notes that the template has read something beside the answers to its queries that may be a secret, such as a
// variable of the environment; "" is one that is not known. Execute may call it.
func (j *Job) ReadOutside(value string) {
	j.Sensitive = true
	j.asked = append(j.asked, value)
}

// publish makes known to who logs what the group's commands print which values its files may hold from now on: those of the last
// good passes, and those that the destinations were made of.
func (g *Group) publish() {
	var holds [][]any
	for _, j := range g.Jobs {
		holds = append(holds, j.read, j.stands[0], j.stands[1])
	}
	g.holds.Store(&holds)
}

// hide is the Hide of a command that is run for these groups: it hides the values that their files held when the run began, or have
// held since. A command may run again when they hold others, and they may change while it runs.
func (r *Runner) hide(groups ...*Group) func() func(line string) string {
	own := r.Secrets
	return func() func(line string) string {
		var held []*[][]any
		look := func() (news bool) {
			for _, g := range groups {
				if now := g.holds.Load(); now != nil && !slices.Contains(held, now) {
					held, news = append(held, now), true
				}
			}
			return news
		}
		look()
		var mu sync.Mutex
		var replacer *strings.Replacer
		return func(line string) string {
			mu.Lock()
			defer mu.Unlock()
			if look() || replacer == nil {
				replacer = replacerOf(own, held)
			}
			return replacer.Replace(line)
		}
	}
}

// replacerOf makes what takes secrets out of a line, and what groups hold.
func replacerOf(own []string, held []*[][]any) *strings.Replacer {
	all := forms{}
	for _, text := range own {
		all.add(text)
	}
	for _, holds := range held {
		for _, answer := range slices.Concat(*holds...) {
			for _, text := range watch.Secrets(answer) {
				all.addValue(text)
			}
		}
	}
	return all.replacer()
}

// runFor are the groups that a command is run for.
func (r *Runner) runFor(id string) (groups []*Group) {
	for _, g := range r.Groups {
		if slices.ContainsFunc(g.Jobs, func(j *Job) bool { return j.id == id }) {
			groups = append(groups, g)
		}
	}
	return groups
}

// forms are the texts by which secrets may show in what a program prints.
type forms map[string]bool

// shortestSecret is the length in bytes below which a text is none: who reads a log has to understand it.
const shortestSecret = 4

// hidden is what stands for a secret.
const hidden = "<value>"

// addValue adds a value and what a program may print of it when it goes through a file that holds it: a line, what follows a
// name in one, a text of a JSON document, a word of a value that is one line; and the value to and from base64.
func (f forms) addValue(value string) {
	value = strings.TrimSpace(value)
	if len(value) < shortestSecret {
		return
	}
	f.add(value)
	f.add(base64.StdEncoding.EncodeToString([]byte(value)))
	if plain, err := base64.StdEncoding.DecodeString(value); err == nil && utf8.Valid(plain) {
		f.addValue(string(plain))
	}
	lines := strings.Split(value, "\n")
	for _, line := range lines {
		f.add(line)
		if i := strings.IndexAny(line, ":="); i >= 0 {
			f.add(strings.Trim(line[i+1:], " \t\r\"',;"))
		}
	}
	if len(lines) == 1 {
		for word := range strings.FieldsSeq(value) {
			f.add(word)
		}
	}
	var document any
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	if d.Decode(&document) == nil {
		f.addWithin(document)
	}
}

// addWithin adds the texts and numbers of a JSON document, without the names of its fields.
func (f forms) addWithin(document any) {
	switch part := document.(type) {
	case string:
		f.add(part)
	case json.Number:
		f.add(part.String())
	case []any:
		for _, each := range part {
			f.addWithin(each)
		}
	case map[string]any:
		for _, each := range part {
			f.addWithin(each)
		}
	}
}

// add adds a text as it is, and as it stands in JSON.
func (f forms) add(text string) {
	text = strings.TrimSpace(text)
	if len(text) < shortestSecret {
		return
	}
	f[text] = true
	var escaped bytes.Buffer
	e := json.NewEncoder(&escaped)
	e.SetEscapeHTML(false)
	if e.Encode(text) == nil {
		f[strings.Trim(escaped.String(), "\"\n")] = true
	}
}

// replacer replaces each text, the longest first.
func (f forms) replacer() *strings.Replacer {
	texts := slices.SortedFunc(maps.Keys(f), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	pairs := make([]string, 0, 2*len(texts))
	for _, text := range texts {
		pairs = append(pairs, text, hidden)
	}
	return strings.NewReplacer(pairs...)
}
