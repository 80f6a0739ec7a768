package environ

import (
	"slices"
	"strings"
	"testing"

	"lictor/watch"
)

// No path, format or query, and no key or value, makes a builder panic; what it makes can be an environment, and an error is
// one line that does not show the value.
func FuzzBuilder(f *testing.F) {
	f.Add("app/@dc1", "{{ key | replaceKey `a` `b` }}", "tag.web@dc1~n", "app/db/host", "value", true, true)
	f.Add(`a/{{ env "STAGE" }}`, "", "web?ns=n", "a/b=c", "x\x00y", false, true)
	f.Add("/", "{{ if eq key `a` }}A{{ end }}", "web", "ß/naïve", "one\ntwo", true, false)
	f.Add("a?x", "{{", "", " ", "", false, false)
	f.Fuzz(func(t *testing.T, path, format, query, key, value string, clean, keep bool) {
		for _, slow := range []string{"template", "printf", "range"} {
			if strings.Contains(format+path, slow) {
				return // who writes a loop without end, or pads to a huge width, gets it
			}
		}
		b, err := New(Spec{
			Prefixes: []Prefix{{Path: path, Format: format, KeepPath: keep}}, Services: []Service{{Query: query, FormatID: format}},
			Sanitize: clean, Upcase: clean,
		}, func(string) (string, bool) { return "env", true }, quiet())
		if err != nil {
			return
		}
		secret := "s3cr3t" + value
		r, err := b.Execute(func(q watch.Query) (any, bool) {
			if _, ok := q.(watch.Prefix); ok {
				return pairs(key, secret), true
			}
			return []*watch.CatalogInstance{{ServiceID: value, ServiceName: "web", ServiceTags: []string{"tag", "b"}}}, true
		})
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the value: %v", err)
			}
			return
		}
		entries := Decode(r.Output)
		if !slices.IsSorted(entries) {
			t.Errorf("not sorted: %q", entries)
		}
		for _, entry := range entries {
			if i := strings.IndexByte(entry, '='); i < 1 || strings.Contains(entry, "\x00") || len(entry) > maxEntry {
				t.Errorf("no entry of an environment: %q", entry)
			}
		}
		for _, format := range Formats {
			if _, err := Format(format, entries); err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the value: %v", err)
			}
		}
	})
}
