package config

import (
	"fmt"
	"strings"
)

// Pos is a place in a configuration file. Line is 0 where there are no lines: a flag, an environment variable.
type Pos struct {
	File string
	Line int
}

// String is FILE:LINE, or FILE alone.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// flagPos is the place of what a flag says.
func flagPos(name string) Pos { return Pos{File: "flag -" + name} }

func (p Pos) isFlag() bool { return strings.HasPrefix(p.File, "flag -") }

// An Error is a mistake in the configuration and where it is.
type Error struct {
	Pos Pos
	Err error
}

// Error is "FILE:LINE: what".
func (e *Error) Error() string {
	if e.Pos == (Pos{}) {
		return e.Err.Error()
	}
	return e.Pos.String() + ": " + e.Err.Error()
}

// Unwrap is the mistake without its place.
func (e *Error) Unwrap() error { return e.Err }

// A kind is what a value in a file is, whatever the file's language.
type kind int

const (
	null kind = iota
	text
	number
	boolean
	list
	object
)

func (k kind) String() string {
	return [...]string{"nothing", "a text", "a number", "true or false", "a list", "a block"}[k]
}

// A node is a value in a file. The three languages are all turned into nodes, and one decoder reads them.
type node struct {
	kind   kind
	text   string // of a text, number or boolean; numbers as written
	items  []node // of a list
	fields []field
	pos    Pos
}

// A field is one option in a block, or one block in another. Names may repeat.
type field struct {
	name  string
	pos   Pos
	value node
}

func (n node) errorf(format string, args ...any) error {
	return &Error{n.pos, fmt.Errorf(format, args...)}
}

// want is the error for a value of the wrong kind. It says the kind that was found, never the value: it may be a secret.
func (n node) want(what string) error { return n.errorf("want %s, found %v", what, n.kind) }

// maxDepth limits how deep blocks and lists may nest; real files need five.
const maxDepth = 64
