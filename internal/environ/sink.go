package environ

import (
	"bytes"
	"slices"
	"strings"
)

// Encode writes an environment as the kernel keeps it, each entry followed by a NUL byte, sorted, so that equal
// environments have equal encodings.
func Encode(entries []string) []byte {
	out := []byte{} // not nil: an environment may be empty
	for _, entry := range slices.Sorted(slices.Values(entries)) {
		out = append(append(out, entry...), 0)
	}
	return out
}

// Decode reads what [Encode] wrote.
func Decode(encoded []byte) []string {
	if len(encoded) == 0 {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(string(encoded), "\x00"), "\x00")
}

// A Sink is the destination of an environment: it keeps the one that was committed last, for whoever starts the program.
// One goroutine at a time may use it.
type Sink struct {
	current []byte // nil before the first commit
}

// Stage prepares a new environment, or returns nil when it equals the present one.
func (s *Sink) Stage(encoded []byte) *Staged {
	if s.current != nil && bytes.Equal(s.current, encoded) {
		return nil
	}
	return &Staged{sink: s, encoded: encoded}
}

// Environ is the committed environment, as "NAME=value".
func (s *Sink) Environ() []string { return Decode(s.current) }

// A Staged environment is ready to become the sink's present one.
type Staged struct {
	sink    *Sink
	encoded []byte
}

// Path is empty: an environment is no file.
func (s *Staged) Path() string { return "" }

// Commit makes it the present one. It never fails.
func (s *Staged) Commit() error {
	s.sink.current = append([]byte{}, s.encoded...)
	return nil
}

// Discard does nothing: nothing was written.
func (s *Staged) Discard() {}
