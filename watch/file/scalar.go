package file

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// A scalar says what a single value may be.
type scalar[T any] struct {
	// problem is that of a text that parse refuses: %[1]s is what the value is called, %[2]q is the text.
	problem string
	parse   func(text string) (T, error)
}

func (s scalar[T]) read(d *decoder, to *T, what string, n *yaml.Node) {
	text, ok := d.single(n, what)
	if !ok {
		return
	}
	v, err := s.parse(text)
	if err != nil {
		d.fail(n, s.problem, what, text)
		return
	}
	*to = v
}

var (
	anyText       = scalar[string]{parse: func(s string) (string, error) { return s, nil }}
	base64Text    = scalar[string]{"%[1]s is not valid base64", parseBase64}
	flag          = scalar[bool]{"%[1]s must be true or false, not %[2]q", strconv.ParseBool}
	integer       = wholeNumber(math.MinInt32, math.MaxInt32)
	port          = wholeNumber(0, 65535)
	passingWeight = wholeNumber(1, math.MaxUint16)
	warningWeight = wholeNumber(0, math.MaxUint16)
	unsigned      = scalar[uint64]{"%[1]s must be a whole number from 0, not %[2]q", parseUnsigned}
	float         = scalar[float64]{"%[1]s must be a number, not %[2]q", parseFloat}
	duration      = scalar[time.Duration]{"%[1]s must be a duration with its unit, such as 12ms, not %[2]q", parseDuration}
	moment        = scalar[time.Time]{"%[1]s must be a time such as 2026-01-31T12:00:00Z, not %[2]q", parseMoment}
	status        = oneOf("; for maintenance write maintenance: true", watch.StatusPassing, watch.StatusWarning, watch.StatusCritical)
	serviceKind   = oneOf("", "connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway")
)

// wholeNumber is a number from low to high.
func wholeNumber(low, high int) scalar[int] {
	return scalar[int]{
		fmt.Sprintf("%%[1]s must be a whole number from %d to %d, not %%[2]q", low, high),
		func(s string) (int, error) {
			i, err := strconv.Atoi(s)
			if i < low || i > high {
				err = strconv.ErrRange
			}
			return i, err
		},
	}
}

// oneOf is one of the texts allowed, or none. Its problem ends with the hint.
func oneOf(hint string, allowed ...string) scalar[string] {
	return scalar[string]{
		fmt.Sprintf("%%[1]s must be one of %s, not %%[2]q%s", strings.Join(allowed, ", "), hint),
		func(s string) (string, error) {
			if s != "" && !slices.Contains(allowed, s) {
				return "", strconv.ErrSyntax
			}
			return s, nil
		},
	}
}

func parseBase64(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	return string(b), err
}

func parseUnsigned(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }

func parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		err = strconv.ErrRange
	}
	return f, err
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if d < 0 {
		err = strconv.ErrRange
	}
	return d, err
}

func parseMoment(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }

// scalarNode is a single value as it is written.
func scalarNode(v any) *yaml.Node {
	switch v := v.(type) {
	case string:
		return textNode(v)
	case float64:
		return plainNode(strconv.FormatFloat(v, 'g', -1, 64))
	case time.Time:
		return plainNode(v.Format(time.RFC3339Nano))
	}
	return plainNode(fmt.Sprint(v))
}
