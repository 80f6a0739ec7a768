package funcs

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// sprigFunctions are those of the sprig library, under the prefix that templates know them by, without the ones that give
// something else each time by the time of day, the environment or the network.
func sprigFunctions() []function {
	library := boundSprig(sprig.HermeticTxtFuncMap())
	var list []function
	page := ""
	for line := range strings.Lines(sprigTable) {
		signature, summary, isFunction := strings.Cut(strings.TrimSpace(line), " | ")
		if !isFunction {
			page = signature
			continue
		}
		name, _, _ := strings.Cut(signature, " ")
		list = append(list, function{
			Doc{
				Name: "sprig_" + name, Signature: "sprig_" + signature, Summary: summary,
				Link: "https://masterminds.github.io/sprig/" + page + ".html",
			},
			is(library[name]),
		})
	}
	return list
}

// maxText bounds what a function that repeats a text makes, in bytes.
const maxText = 64 << 20

// boundSprig replaces the functions of the library with which a mistake could fill the memory or never end, those that
// list a map in an order that is never twice the same, and those that repeat what they can't read.
func boundSprig(library template.FuncMap) template.FuncMap {
	boundNumbers(library)
	boundTexts(library)
	boundMaps(library)
	quietMistakes(library)
	return library
}

func boundNumbers(library template.FuncMap) {
	until, untilStep := library["until"].(func(int) []int), library["untilStep"].(func(int, int, int) []int)
	library["until"] = func(to int) ([]int, error) {
		if err := boundSteps(0, to, 1); err != nil {
			return nil, err
		}
		return until(to), nil
	}
	library["untilStep"] = func(from, to, step int) ([]int, error) {
		if err := boundSteps(from, to, step); err != nil {
			return nil, err
		}
		return untilStep(from, to, step), nil
	}
	seq := library["seq"].(func(...int) string)
	library["seq"] = func(args ...int) (string, error) {
		from, step, to := 1, 1, 1
		switch len(args) {
		case 1:
			to = args[0]
		case 2:
			from, to = args[0], args[1]
		case 3:
			from, step, to = args[0], args[1], args[2]
		}
		if err := boundSteps(from, to, step); err != nil {
			return "", err
		}
		return seq(args...), nil
	}
}

func boundTexts(library template.FuncMap) {
	library["repeat"] = func(count int, text string) (string, error) {
		if count < 0 || len(text) > 0 && count > maxText/len(text) {
			return "", fmt.Errorf("that makes more than %d bytes, or less than none", maxText)
		}
		return strings.Repeat(text, count), nil
	}
	for _, name := range []string{"indent", "nindent"} {
		indent := library[name].(func(int, string) string)
		library[name] = func(spaces int, text string) (string, error) {
			if spaces < 0 || spaces > maxIndent {
				return "", errIndent
			}
			return indent(spaces, text), nil
		}
	}
}

// mistakes are what goes wrong in functions whose own errors, or panics, repeat what they were given, which may be a secret.
var mistakes = map[string][]string{
	"argument 1 is no regular expression": {
		"regexFind", "regexFindAll", "regexReplaceAll", "regexReplaceAllLiteral", "regexSplit",
		"mustRegexMatch", "mustRegexFind", "mustRegexFindAll", "mustRegexReplaceAll", "mustRegexReplaceAllLiteral", "mustRegexSplit",
	},
	"the text is no URL":                                           {"urlParse"},
	"the map is no URL in parts":                                   {"urlJoin"},
	"the text is no JSON":                                          {"mustFromJson"},
	"argument 2 is no time as argument 1 has it":                   {"mustToDate"},
	"argument 1 is no duration such as -1h30m":                     {"mustDateModify", "must_date_modify"},
	"argument 1 is no range of versions, or argument 2 no version": {"semverCompare"},
	"the numbers are not within the text":                          {"substr"},
}

func quietMistakes(library template.FuncMap) {
	for mistake, names := range mistakes {
		for _, name := range names {
			library[name] = quiet(library[name], errors.New(mistake))
		}
	}
}

// quiet makes a function that does what f does, and whose error is err, whether f gives one or panics.
func quiet(f any, err error) any {
	fn := reflect.ValueOf(f)
	t := fn.Type()
	var in []reflect.Type
	for i := range t.NumIn() {
		in = append(in, t.In(i))
	}
	out := []reflect.Type{t.Out(0), reflect.TypeFor[error]()}
	failed := []reflect.Value{reflect.Zero(out[0]), reflect.ValueOf(&err).Elem()}
	return reflect.MakeFunc(reflect.FuncOf(in, out, t.IsVariadic()), func(args []reflect.Value) (results []reflect.Value) {
		defer func() {
			if recover() != nil {
				results = failed
			}
		}()
		call := fn.Call
		if t.IsVariadic() {
			call = fn.CallSlice
		}
		results = call(args)
		if len(results) == 2 && !results[1].IsNil() {
			return failed
		}
		return []reflect.Value{results[0], reflect.Zero(out[1])}
	}).Interface()
}

func boundMaps(library template.FuncMap) {
	set := library["set"].(func(map[string]any, string, any) map[string]any)
	library["set"] = func(dict map[string]any, key string, value any) (map[string]any, error) {
		if err := checkHolds(dict, value); err != nil {
			return nil, err
		}
		return set(dict, key, value), nil
	}
	for _, name := range []string{"merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"} {
		merge := reflect.ValueOf(library[name])
		library[name] = func(dict map[string]any, others ...map[string]any) (any, error) {
			args := []reflect.Value{reflect.ValueOf(dict)}
			for _, o := range others {
				if err := checkHolds(dict, o); err != nil {
					return nil, err
				}
				args = append(args, reflect.ValueOf(o))
			}
			results := merge.Call(args)
			if len(results) == 2 && !results[1].IsNil() {
				return nil, results[1].Interface().(error)
			}
			return results[0].Interface(), nil
		}
	}
	library["keys"] = func(dicts ...map[string]any) []string {
		names := []string{}
		for _, d := range dicts {
			names = append(names, slices.Sorted(maps.Keys(d))...)
		}
		return names
	}
	library["values"] = func(dict map[string]any) []any {
		values := []any{}
		for _, name := range slices.Sorted(maps.Keys(dict)) {
			values = append(values, dict[name])
		}
		return values
	}
}

func boundSteps(from, to, step int) error {
	if step == 0 {
		return nil // no numbers at all
	}
	if n := (float64(to) - float64(from)) / float64(step); n > maxLoop || n < -maxLoop {
		return errLoop
	}
	return nil
}

// sprigTable lists the functions, page by page of the library's documentation.
const sprigTable = `strings
abbrev WIDTH TEXT | The text cut to a width, with "..." at its end.
abbrevboth LEFT RIGHT TEXT | The text cut at both ends, with "..." there.
camelcase TEXT | The text as one word, each part's first letter a capital.
cat VALUE ... | The values with blanks between them.
contains PART TEXT | Whether a text holds a part.
hasPrefix PREFIX TEXT | Whether a text begins with PREFIX.
hasSuffix SUFFIX TEXT | Whether a text ends with SUFFIX.
indent SPACES TEXT | The text with blanks before every line, empty ones too.
initials TEXT | The first letter of each word.
kebabcase TEXT | The text in small letters, words joined by "-".
lower TEXT | The text in small letters.
nindent SPACES TEXT | The same as sprig_indent with a line end before it.
nospace TEXT | The text without blanks.
plural ONE MANY COUNT | ONE where COUNT is 1, else MANY.
quote VALUE ... | The values in double quotes, escaped; missing ones left out.
regexFind REGEX TEXT | The first match, or "".
regexFindAll REGEX TEXT COUNT | The first COUNT matches; -1 for all.
regexMatch REGEX TEXT | Whether an expression matches; false for a bad one.
regexQuoteMeta TEXT | The text as an expression that matches just it.
regexReplaceAll REGEX TEXT NEW | The text with matches replaced; $1 is a group.
regexReplaceAllLiteral REGEX TEXT NEW | The same, $ being nothing special.
regexSplit REGEX TEXT COUNT | The parts between matches.
mustRegexFind REGEX TEXT | Like sprig_regexFind; a bad expression is an error.
mustRegexFindAll REGEX TEXT COUNT | Like sprig_regexFindAll; a bad expression is an error.
mustRegexMatch REGEX TEXT | Like sprig_regexMatch; a bad expression is an error.
mustRegexReplaceAll REGEX TEXT NEW | Like sprig_regexReplaceAll; a bad expression is an error.
mustRegexReplaceAllLiteral REGEX TEXT NEW | Like sprig_regexReplaceAllLiteral; a bad expression is an error.
mustRegexSplit REGEX TEXT COUNT | Like sprig_regexSplit; a bad expression is an error.
repeat COUNT TEXT | The text COUNT times.
replace OLD NEW TEXT | The text with every OLD replaced.
shuffle TEXT | The letters in a random order: the file changes with every rendering.
snakecase TEXT | The text in small letters, words joined by "_".
squote VALUE ... | The values in single quotes.
substr START END TEXT | The part of a text from START to END.
swapcase TEXT | Capitals for small letters and the other way round.
title TEXT | The text with each word's first letter a capital.
trim TEXT | The text without blanks around it.
trimAll CHARACTERS TEXT | The text without CHARACTERS at its ends.
trimall CHARACTERS TEXT | The same as sprig_trimAll.
trimPrefix PREFIX TEXT | The text without PREFIX.
trimSuffix SUFFIX TEXT | The text without SUFFIX.
trunc LENGTH TEXT | The first LENGTH bytes of a text, or the last ones of a negative LENGTH.
untitle TEXT | The text with each word's first letter small.
upper TEXT | The text in capital letters.
wrap WIDTH TEXT | The text with line ends so that lines keep within a width.
wrapWith WIDTH END TEXT | The same with line ends of your choice.
string_slice
join SEPARATOR LIST | The elements of a list as a text.
sortAlpha LIST | The elements as texts, sorted.
split SEPARATOR TEXT | The parts of a text as a map with keys _0, _1 ...
splitList SEPARATOR TEXT | The parts of a text as a list.
splitn SEPARATOR COUNT TEXT | Like sprig_split, at most COUNT parts.
toStrings LIST | The elements of a list as texts.
math
add NUMBER ... | The sum of integers; texts are taken as numbers.
add1 NUMBER | The number and 1.
biggest NUMBER ... | The same as sprig_max.
ceil NUMBER | The next integer above, as a float.
div A B | A divided by B, as an integer.
floor NUMBER | The next integer below, as a float.
max NUMBER ... | The greatest of integers.
min NUMBER ... | The smallest of integers.
mod A B | What is left of A after division by B.
mul NUMBER ... | The product of integers.
randInt FROM TO | A random integer: the file changes with every rendering.
round NUMBER DIGITS | The number rounded to so many digits after the point.
sub A B | A less B.
mathf
add1f NUMBER | The number and 1, in floats.
addf NUMBER ... | The sum of floats.
divf NUMBER ... | The first number divided by the others.
maxf NUMBER ... | The greatest of floats.
minf NUMBER ... | The smallest of floats.
mulf NUMBER ... | The product of floats.
subf NUMBER ... | The first number less the others.
integer_slice
seq [FROM [STEP]] TO | Integers with blanks between them, TO among them; at most 1,000,000.
until COUNT | The list of integers from 0 up to but not including COUNT.
untilStep FROM TO STEP | The list of integers from FROM up to but not including TO.
date
ago TIME | How long ago a time is: the file changes with every rendering.
duration SECONDS | A number of seconds in a text as hours, minutes, seconds.
durationRound DURATION | A duration in its greatest unit.
mustDateModify DURATION TIME | The time later (or with "-" earlier) by a duration; a bad one is an error.
must_date_modify DURATION TIME | The same as sprig_mustDateModify.
mustToDate LAYOUT TEXT | Like sprig_toDate; a bad text is an error.
toDate LAYOUT TEXT | The time that a text stands for in a Go layout.
unixEpoch TIME | A time in seconds since 1970.
defaults
all VALUE ... | Whether none of the values is empty.
any VALUE ... | Whether at least one of the values is not empty.
coalesce VALUE ... | The first value that is not empty.
default DEFAULT VALUE | VALUE, or DEFAULT where that is empty.
empty VALUE | Whether a value is empty: 0, "", false, an empty list or map, or missing.
fromJson TEXT | What a JSON text stands for; nothing for a bad one.
mustFromJson TEXT | The same; a bad text is an error.
mustToJson VALUE | JSON; what has none is an error.
mustToPrettyJson VALUE | Indented JSON; what has none is an error.
mustToRawJson VALUE | JSON with <, > and & as they are; what has none is an error.
ternary YES NO CONDITION | YES where CONDITION is true, else NO.
toJson VALUE | JSON on one line.
toPrettyJson VALUE | Indented JSON.
toRawJson VALUE | JSON with <, > and & as they are.
encoding
b32dec TEXT | The text that base32 stands for.
b32enc TEXT | The text in base32.
b64dec TEXT | The text that base64 stands for; for a bad one a text that says so.
b64enc TEXT | The text in base64.
lists
append LIST VALUE | A new list with VALUE at its end.
chunk SIZE LIST | The list cut into lists of SIZE elements.
compact LIST | The list without empty elements.
concat LIST ... | The lists as one.
first LIST | The first element.
has VALUE LIST | Whether a list holds a value.
initial LIST | All but the last element.
last LIST | The last element.
list VALUE ... | A list of the values.
mustAppend LIST VALUE | Like sprig_append; what is no list is an error.
mustChunk SIZE LIST | Like sprig_chunk; what is no list is an error.
mustCompact LIST | Like sprig_compact; what is no list is an error.
mustFirst LIST | Like sprig_first; what is no list is an error.
mustHas VALUE LIST | Like sprig_has; what is no list is an error.
mustInitial LIST | Like sprig_initial; what is no list is an error.
mustLast LIST | Like sprig_last; what is no list is an error.
mustPrepend LIST VALUE | Like sprig_prepend; what is no list is an error.
mustPush LIST VALUE | The same as sprig_mustAppend.
mustRest LIST | Like sprig_rest; what is no list is an error.
mustReverse LIST | Like sprig_reverse; what is no list is an error.
mustSlice LIST FROM TO | Like sprig_slice; what is no list is an error.
mustUniq LIST | Like sprig_uniq; what is no list is an error.
mustWithout LIST VALUE ... | Like sprig_without; what is no list is an error.
prepend LIST VALUE | A new list with VALUE before it.
push LIST VALUE | The same as sprig_append.
rest LIST | All but the first element.
reverse LIST | The list from its end to its beginning.
slice LIST [FROM [TO]] | The part of a list from FROM up to but not including TO.
tuple VALUE ... | The same as sprig_list.
uniq LIST | The list without repeated elements.
without LIST VALUE ... | The list without the values.
dicts
deepCopy VALUE | A copy that shares nothing with the value.
dict KEY VALUE ... | A map.
dig KEY ... DEFAULT DICT | The value below keys in nested maps, or DEFAULT.
get DICT KEY | The value under KEY, or "".
hasKey DICT KEY | Whether a map has a key.
keys DICT ... | The keys of maps, each map's sorted.
merge DICT OTHER ... | Puts into DICT what it lacks from the others, and returns it.
mergeOverwrite DICT OTHER ... | Puts all of the others into DICT, and returns it.
mustDeepCopy VALUE | Like sprig_deepCopy; a failure is an error.
mustMerge DICT OTHER ... | Like sprig_merge; a failure is an error.
mustMergeOverwrite DICT OTHER ... | Like sprig_mergeOverwrite; a failure is an error.
omit DICT KEY ... | A new map without the keys.
pick DICT KEY ... | A new map of just the keys.
pluck KEY DICT ... | The values under KEY of several maps.
set DICT KEY VALUE | Sets a key, and returns the map.
unset DICT KEY | Removes a key, and returns the map.
values DICT | The values of a map by their keys.
conversion
atoi TEXT | The integer that a text is, or 0.
float64 VALUE | The value as a float, or 0.
int VALUE | The value as an integer, or 0.
int64 VALUE | The value as an integer of 64 bits, or 0.
toDecimal VALUE | The integer that octal digits stand for.
toString VALUE | The value as a text.
paths
base PATH | The last part of a path.
clean PATH | The path without "." and "..".
dir PATH | The path without its last part.
ext PATH | The extension of a path, with its dot.
isAbs PATH | Whether a path begins at the root.
osBase PATH | Like sprig_base by the rules of this system.
osClean PATH | Like sprig_clean by the rules of this system.
osDir PATH | Like sprig_dir by the rules of this system.
osExt PATH | Like sprig_ext by the rules of this system.
osIsAbs PATH | Like sprig_isAbs by the rules of this system.
flow_control
fail MESSAGE | Stops the rendering with MESSAGE as the error.
hello | "Hello!".
reflection
deepEqual A B | Whether two values are the same in all depth.
kindIs KIND VALUE | Whether a value is of a kind: string, int, slice, map ...
kindOf VALUE | The kind of a value.
typeIs TYPE VALUE | Whether a value is of a Go type.
typeIsLike TYPE VALUE | The same, also for pointers to it.
typeOf VALUE | The Go type of a value.
semver
semver TEXT | A version, taken apart: .Major .Minor .Patch .Prerelease .Metadata.
semverCompare CONSTRAINT VERSION | Whether a version meets a constraint such as ">=1.2".
url
urlJoin DICT | A URL made of a map as sprig_urlParse gives it.
urlParse URL | A map of a URL's parts: scheme, host, path, query ...
crypto
adler32sum TEXT | The Adler-32 checksum of a text.
bcrypt TEXT | A bcrypt hash, another one with every rendering.
buildCustomCert CERT KEY | A certificate object of base64 texts.
decryptAES PASSWORD TEXT | What sprig_encryptAES made unreadable.
derivePassword COUNTER KIND PASSWORD USER SITE | A password derived from a master password.
encryptAES PASSWORD TEXT | The text encrypted, another one with every rendering.
genCA NAME DAYS | A new certificate authority with every rendering.
genCAWithKey NAME DAYS KEY | The same of a given key.
genPrivateKey KIND | A new private key with every rendering.
genSelfSignedCert NAME IPS NAMES DAYS | A new certificate with every rendering.
genSelfSignedCertWithKey NAME IPS NAMES DAYS KEY | The same of a given key.
genSignedCert NAME IPS NAMES DAYS CA | A new certificate by an authority with every rendering.
genSignedCertWithKey NAME IPS NAMES DAYS CA KEY | The same of a given key.
htpasswd USER PASSWORD | A line for an htpasswd file, another one with every rendering.
sha1sum TEXT | The SHA-1 of a text, in hexadecimal.
sha256sum TEXT | The SHA-256 of a text, in hexadecimal.
sha512sum TEXT | The SHA-512 of a text, in hexadecimal.
`
