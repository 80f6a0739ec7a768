package funcs

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func textFunctions() []function {
	return []function{
		{Doc{Name: "split", Signature: `split SEPARATOR TEXT`,
			Summary: "The parts of a text between separators, blanks around the whole dropped. An empty text has no parts.",
			Example: `{{ range split "," "a,b" }}[{{ . }}]{{ end }}`, Output: `[a][b]`}, is(split)},
		{Doc{Name: "splitToMap", Signature: `splitToMap SEPARATOR EQUALS TEXT`,
			Summary: "A map of the parts of a text, each cut into name and value at the first EQUALS. Parts without one are left out.",
			Example: `{{ $m := splitToMap "," "=" "host=h1,port=80" }}{{ $m.host }} {{ $m.port }}`, Output: `h1 80`}, is(splitToMap)},
		{Doc{Name: "join", Signature: `join SEPARATOR LIST`,
			Summary: "The texts of a list with SEPARATOR between them.",
			Example: `{{ split "," "a,b" | join "+" }}`, Output: `a+b`}, is(join)},
		{Doc{Name: "replaceAll", Signature: `replaceAll OLD NEW TEXT`,
			Summary: "The text with every OLD replaced by NEW.",
			Example: `{{ "a-b" | replaceAll "-" "_" }}`, Output: `a_b`}, is(replaceAll)},
		{Doc{Name: "regexMatch", Signature: `regexMatch REGEX TEXT`,
			Summary: "Whether a regular expression (https://pkg.go.dev/regexp/syntax) matches somewhere in the text.",
			Example: `{{ "web-1" | regexMatch "^web-[0-9]+$" }}`, Output: `true`}, func(b binding) any { return b.regexMatch }},
		{Doc{Name: "regexReplaceAll", Signature: `regexReplaceAll REGEX NEW TEXT`,
			Summary: "The text with every match replaced by NEW, in which $1 or ${name} is what a group matched.",
			Example: `{{ "web-1" | regexReplaceAll "([a-z]+)-([0-9])" "$2.${1}" }}`, Output: `1.web`}, func(b binding) any { return b.regexReplaceAll }},
		{Doc{Name: "trim", Signature: `trim CHARACTERS TEXT`,
			Summary: "The text without any of CHARACTERS at its ends.",
			Example: `{{ "--a-b--" | trim "-" }}`, Output: `a-b`}, is(func(cutset, s string) string { return strings.Trim(s, cutset) })},
		{Doc{Name: "trimPrefix", Signature: `trimPrefix PREFIX TEXT`,
			Summary: "The text without PREFIX, if it begins with it.",
			Example: `{{ "v1.2" | trimPrefix "v" }}`, Output: `1.2`}, is(func(prefix, s string) string { return strings.TrimPrefix(s, prefix) })},
		{Doc{Name: "trimSuffix", Signature: `trimSuffix SUFFIX TEXT`,
			Summary: "The text without SUFFIX, if it ends with it.",
			Example: `{{ "app.json" | trimSuffix ".json" }}`, Output: `app`}, is(func(suffix, s string) string { return strings.TrimSuffix(s, suffix) })},
		{Doc{Name: "trimSpace", Signature: `trimSpace TEXT`,
			Summary: "The text without the blanks and line ends around it.",
			Example: `[{{ " a " | trimSpace }}]`, Output: `[a]`}, is(strings.TrimSpace)},
		{Doc{Name: "toLower", Signature: `toLower TEXT`, Summary: "The text in small letters.",
			Example: `{{ "Web" | toLower }}`, Output: `web`}, is(strings.ToLower)},
		{Doc{Name: "toUpper", Signature: `toUpper TEXT`, Summary: "The text in capital letters.",
			Example: `{{ "Web" | toUpper }}`, Output: `WEB`}, is(strings.ToUpper)},
		{Doc{Name: "toTitle", Signature: `toTitle TEXT`, Summary: "The text with each word's first letter a capital.",
			Example: `{{ "two words" | toTitle }}`, Output: `Two Words`}, is(toTitle)},
		{Doc{Name: "indent", Signature: `indent SPACES TEXT`,
			Summary: "The text with SPACES blanks before each line that is not empty.",
			Example: `{{ "a\nb" | indent 2 }}`, Output: "  a\n  b"}, is(indent)},
	}
}

// printFunctions are text/template's own, but bounded: a loop that doubles a text would fill the memory.
func printFunctions() []function {
	return []function{
		{Doc{Name: "print", Signature: `print VALUE ...`,
			Summary: "The values as a text, with a blank between two that are no texts; at most 64 MB.",
			Example: `{{ print "a" 1 2 "b" }}`, Output: `a1 2b`}, is(bounded(fmt.Sprint))},
		{Doc{Name: "println", Signature: `println VALUE ...`, Summary: "The values with blanks between them and a line end.",
			Example: `{{ println "a" 1 }}`, Output: "a 1\n"}, is(bounded(fmt.Sprintln))},
		{Doc{Name: "printf", Signature: `printf FORMAT VALUE ...`,
			Summary: "The values in a format (https://pkg.go.dev/fmt).",
			Example: `{{ printf "%s:%05d %q" "web" 80 "x" }}`, Output: `web:00080 "x"`},
			is(func(format string, values ...any) (string, error) {
				return bounded(func(v ...any) string { return fmt.Sprintf(format, v[1:]...) })(append([]any{format}, values...)...)
			})},
	}
}

// bounded makes a function that refuses to print texts which together are longer than maxText.
func bounded(print func(...any) string) func(...any) (string, error) {
	return func(values ...any) (string, error) {
		size := 0
		for _, v := range values {
			if text, ok := v.(string); ok {
				size += len(text)
			}
		}
		if size > maxText {
			return "", fmt.Errorf("a text of %d bytes, over the bound of %d: is there a loop that makes it grow?", size, maxText)
		}
		return print(values...), nil
	}
}

func split(separator, text string) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return []string{}
	}
	return strings.Split(text, separator)
}

func splitToMap(separator, equals, text string) map[string]string {
	m := map[string]string{}
	for _, part := range split(separator, text) {
		if name, value, found := strings.Cut(part, equals); found {
			m[name] = value
		}
	}
	return m
}

func join(separator string, list []string) string { return strings.Join(list, separator) }

func replaceAll(old, with, text string) string { return strings.ReplaceAll(text, old, with) }

// toTitle finds words as Unicode does, so that "o'neil" is one. The other letters stay.
func toTitle(text string) string { return cases.Title(language.Und, cases.NoLower).String(text) }

// maxIndent bounds an indentation.
const maxIndent = 10_000

var errIndent = fmt.Errorf("can't indent by less than 0 or more than %d", maxIndent)

func indent(spaces int, text string) (string, error) {
	if spaces < 0 || spaces > maxIndent {
		return "", errIndent
	}
	blanks := strings.Repeat(" ", spaces)
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			out.WriteString(blanks)
		}
		out.WriteString(line)
	}
	return out.String(), nil
}

func (b binding) regexMatch(expression, text string) (bool, error) {
	re, err := b.regex(expression)
	return err == nil && re.MatchString(text), err
}

func (b binding) regexReplaceAll(expression, with, text string) (string, error) {
	re, err := b.regex(expression)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(text, with), nil
}

type regexKey string

type compiledRegex struct {
	*regexp.Regexp
	err error
}

// regex compiles an expression once a pass: they stand in loops.
func (b binding) regex(expression string) (*regexp.Regexp, error) {
	c := b.pass.Local(regexKey(expression), func() any {
		re, err := regexp.Compile(expression)
		if bad, ok := errors.AsType[*syntax.Error](err); ok {
			err = fmt.Errorf("argument 1 is no regular expression: %s", bad.Code)
		}
		return compiledRegex{re, err}
	}).(compiledRegex)
	return c.Regexp, c.err
}
