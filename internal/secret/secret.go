// Package secret has the type of all texts that must not be seen.
package secret

import (
	"log/slog"
	"strconv"
)

// A Text is a text that is never shown: everything that formats, encodes or logs it gets [Redacted].
type Text string

// Redacted is what is shown in place of a secret.
const Redacted = "(redacted)"

// Reveal is the secret itself, for the one place that sends it.
func (t Text) Reveal() string { return string(t) }

// String is [Redacted], or empty when there is no secret.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return Redacted
}

// GoString is the same as String, for %#v.
func (t Text) GoString() string { return strconv.Quote(t.String()) }

// MarshalText is the same as String, for JSON, YAML and others.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue is the same as String, for slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
