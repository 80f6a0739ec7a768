package funcs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/davecgh/go-spew/spew"
	sockaddr "github.com/hashicorp/go-sockaddr/template"
)

func templateFunctions() []function {
	return []function{
		{Doc{Name: "executeTemplate", Signature: `executeTemplate "NAME" [DATA]`,
			Summary: "The output of a template that define made, as a text for further functions; {{ template }} prints it at once.",
			Example: `{{ define "hi" }}hello {{ . }}{{ end }}{{ executeTemplate "hi" "you" | toUpper }}`, Output: `HELLO YOU`},
			func(b binding) any { return b.executeTemplate }},
		{Doc{Name: "scratch", Signature: `scratch.Set "NAME" VALUE, .SetX, .Get "NAME", .Key "NAME", .MapSet "NAME" "KEY" VALUE, .MapSetX, .MapValues "NAME"`,
			Summary: "A place for values during one rendering, shared by all templates of a file. SetX and MapSetX set only what is not set; " +
				"Key tells whether a name is set; MapValues gives a map's values by key.",
			Example: `{{ scratch.Set "n" 1 }}{{ scratch.SetX "n" 2 }}{{ scratch.Get "n" }} {{ scratch.Key "m" }}`, Output: `1 false`},
			func(b binding) any { return b.scratch }},
		{Doc{Name: "timestamp", Signature: `timestamp ["LAYOUT"]`,
			Summary: `The time of rendering in UTC, as RFC 3339, in a Go layout (https://pkg.go.dev/time#Layout), or in seconds since 1970 with "unix".`,
			Example: `{{ timestamp }} {{ timestamp "2006-01-02" }} {{ timestamp "unix" }}`, Output: `2026-01-02T03:04:05Z 2026-01-02 1767323045`},
			func(b binding) any { return b.timestamp }},
		{Doc{Name: "sockaddr", Signature: `sockaddr "EXPRESSION"`,
			Summary: `Addresses of this machine, chosen by a go-sockaddr expression (https://pkg.go.dev/github.com/hashicorp/go-sockaddr/template).`,
			Example: `{{ sockaddr "GetAllInterfaces | include \"name\" \"^lo$\" | include \"type\" \"IPv4\" | attr \"address\"" }}`, Output: `127.0.0.1`},
			is(func(args ...string) (string, error) {
				return sockaddr.Parse("{{ " + strings.Join(args, " ") + " }}")
			})},
		{Doc{Name: "spew_dump", Signature: `spew_dump VALUE ...`,
			Summary: "Nothing; it prints the values in full to standard output once the template is complete.",
			Example: `[{{ key "app/name" | spew_dump }}]`, Output: `[]`}, func(b binding) any { return b.spewDump }},
		{Doc{Name: "spew_printf", Signature: `spew_printf "FORMAT" VALUE ...`,
			Summary: "The same in a format.",
			Example: `[{{ key "app/name" | spew_printf "%v" }}]`, Output: `[]`}, func(b binding) any { return b.spewPrintf }},
		{Doc{Name: "spew_sdump", Signature: `spew_sdump VALUE ...`,
			Summary: "The values in full, with their types and sizes; maps sorted, without memory addresses.",
			Example: `{{ spew_sdump 1 "two" }}`, Output: "(int) 1\n(string) (len=3) \"two\"\n"}, is(spewSdump)},
		{Doc{Name: "spew_sprintf", Signature: `spew_sprintf "FORMAT" VALUE ...`,
			Summary: "The same in a format: %v, %+v, %#v, %#+v.",
			Example: `{{ split "," "a,b" | spew_sprintf "%v" }}`, Output: `[a b]`}, is(spewSprintf)},
	}
}

func (b binding) executeTemplate(name string, data ...any) (string, error) {
	switch len(data) {
	case 0:
		return b.pass.ExecuteTemplate(name, nil)
	case 1:
		return b.pass.ExecuteTemplate(name, data[0])
	}
	return "", fmt.Errorf("wrong number of arguments: want 1 or 2, got %d", 1+len(data))
}

func (b binding) timestamp(layout ...string) (string, error) {
	now := b.Now().UTC()
	switch {
	case len(layout) == 0:
		return now.Format(time.RFC3339), nil
	case len(layout) > 1:
		return "", fmt.Errorf("wrong number of arguments: want at most 1, got %d", len(layout))
	case layout[0] == "unix":
		return strconv.FormatInt(now.Unix(), 10), nil
	}
	return now.Format(layout[0]), nil
}

// dumper says how values are dumped: so that equal values give equal text, each time.
func dumper() *spew.ConfigState {
	return &spew.ConfigState{Indent: " ", SortKeys: true, DisablePointerAddresses: true, MaxDepth: maxDepth}
}

func spewSdump(values ...any) string { return dumper().Sdump(values...) }

func spewSprintf(format string, values ...any) string { return dumper().Sprintf(format, values...) }

func (b binding) spewDump(values ...any) string { return b.debug(spewSdump(values...)) }

func (b binding) spewPrintf(format string, values ...any) string {
	return b.debug(spewSprintf(format, values...))
}

// debug prints text beside the rendered file, once it is complete.
func (b binding) debug(text string) string {
	if b.Debug != nil {
		b.pass.Effect(func() error {
			_, err := fmt.Fprint(b.Debug, text)
			return err
		})
	}
	return ""
}
