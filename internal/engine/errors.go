package engine

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode/utf8"

	"lictor/internal/spell"
)

var (
	// What text/template says of where an error is. The template's own name is matched apart, since it may hold anything.
	position      = regexp.MustCompile(`^(\d+)(?::(\d+))?: (.*)$`)
	undefinedFunc = regexp.MustCompile(`function "([^"]+)" not defined`)
	quotedToken   = regexp.MustCompile(`"((?:[^"\\]|\\.)+)"|<([^<>]+)>`)
	// text/template prints the value here, which may be a secret.
	rangeValue  = regexp.MustCompile(`(?s)range can't iterate over .*`)
	noSuchField = regexp.MustCompile(`can't evaluate field (\w+) in type \S+$`)
)

// parseError turns text/template's error into one line NAME:LINE:COLUMN: what. text/template gives no column for syntax
// errors, so it is found from the token that the message quotes.
func parseError(name, text string, o Options, functions template.FuncMap, err error) error {
	msg := strings.TrimPrefix(err.Error(), "template: ")
	rest, ok := strings.CutPrefix(msg, name+":")
	m := position.FindStringSubmatch(rest)
	if !ok || m == nil {
		return fmt.Errorf("%s: %s", name, msg)
	}
	line, what := m[1], m[3]
	token := ""
	if f := undefinedFunc.FindStringSubmatch(what); f != nil {
		token = f[1]
		if hint := spell.Function(token, slices.Collect(maps.Keys(functions))); hint != "" {
			what += "; " + hint
		}
	} else if q := quotedToken.FindStringSubmatch(what); q != nil {
		token = q[1] + q[2]
	}
	return fmt.Errorf("%s:%s:%d: %s", name, line, column(text, line, token, o), what)
}

// column is where on the line the token stands, counted in characters from 1; the first action's where it can't be found.
func column(text, lineNumber, token string, o Options) int {
	var n int
	fmt.Sscan(lineNumber, &n)
	lines := strings.Split(text, "\n")
	if n < 1 || n > len(lines) {
		return 1
	}
	line := lines[n-1]
	left := o.Left
	if left == "" {
		left = "{{"
	}
	at := strings.Index(line, left)
	if at < 0 {
		at = 0
	}
	if token != "" {
		if i := strings.Index(line[at:], token); i >= 0 {
			at += i
		}
	}
	return utf8.RuneCountInString(line[:at]) + 1
}

// executeError turns text/template's error into one line NAME:LINE:COLUMN: what, without values.
func executeError(name string, err error) error {
	msg := rangeValue.ReplaceAllString(err.Error(), "range can't iterate over this value")
	// executeTemplate puts a whole message around each level: the innermost says where it happened.
	if i := strings.LastIndex(msg, nestedError); i >= 0 {
		msg = msg[i+len(nestedError):]
	}
	msg = strings.TrimPrefix(msg, "template: ")
	msg = strings.ReplaceAll(msg, fmt.Sprintf("executing %q at ", name), "at ")
	msg = strings.ReplaceAll(msg, "\n", " ")
	if m := noSuchField.FindStringSubmatch(msg); m != nil {
		if hint := spell.Method(m[1]); hint != "" {
			msg += "; " + hint
		}
	}
	if rest, ok := strings.CutPrefix(msg, name+":"); ok {
		msg = name + ":" + countFromOne(rest)
	} else if !strings.HasPrefix(msg, name) {
		msg = name + ": " + msg
	}
	return &executionError{msg: msg, err: err}
}

// countFromOne turns the column of "LINE:COLUMN: what", which text/template counts from 0, into one as editors count.
func countFromOne(msg string) string {
	m := position.FindStringSubmatch(msg)
	if m == nil || m[2] == "" {
		return msg
	}
	column, _ := strconv.Atoi(m[2])
	return fmt.Sprintf("%s:%d: %s", m[1], column+1, m[3])
}

const nestedError = "error calling executeTemplate: template: "

// executionError has a text of its own and what the function returned behind it, for errors.Is.
type executionError struct {
	msg string
	err error
}

func (e *executionError) Error() string { return e.msg }
func (e *executionError) Unwrap() error {
	if x, ok := errors.AsType[template.ExecError](e.err); ok {
		return x.Err
	}
	return e.err
}
