package watch

import (
	"strings"
	"testing"
	"time"
)

// Trust decides by what is known, the answer and its evidence alone.
func TestDoubt(t *testing.T) {
	two, one, none := []string{"x", "y"}, []string{"x"}, []string{}
	whole, part := &Known{Answer: two, Whole: true}, &Known{Answer: two}
	for _, c := range []struct {
		what   string
		maxAge time.Duration
		last   *Known // nil where nothing is known
		new    []string
		said   Evidence
		want   string // a part of the reason, "" where it is believed
	}{
		{"certain and smaller", 0, whole, one, Evidence{}, ""},
		{"no leader, though read consistently", 0, nil, two, Evidence{NoLeader: true, Consistent: true}, "no leader"},
		{"old", time.Second, whole, two, Evidence{Age: 1500 * time.Millisecond}, "1.5s old, over the bound of 1s"},
		{"as old as may be", time.Second, whole, two, Evidence{Age: time.Second}, ""},
		{"old, and any age will do", 0, whole, two, Evidence{Age: time.Hour}, ""},
		{"old, read consistently", time.Second, whole, two, Evidence{Age: time.Hour, Consistent: true}, ""},
		{"the first, of which a part is hidden", 0, nil, one, Evidence{Filtered: true}, ""},
		{"the first, all hidden", 0, nil, none, Evidence{Filtered: true, Consistent: true}, "hide all"},
		{"the first, empty, unmarked", 0, nil, none, Evidence{Unmarked: true}, "empty"},
		{"the first, empty, unmarked, read consistently", 0, nil, none, Evidence{Unmarked: true, Consistent: true}, ""},
		{"the first, empty", 0, nil, none, Evidence{}, ""},
		{"the first after the index went back", 0, nil, one, Evidence{WentBack: true}, ""},
		{"the index went back", 0, whole, []string{"x", "z"}, Evidence{WentBack: true}, "went backwards"},
		{"the index went back, the same answer", 0, whole, two, Evidence{WentBack: true}, ""},
		{"the index went back, read consistently", 0, whole, one, Evidence{WentBack: true, Consistent: true}, ""},
		{"hidden, as large", 0, whole, two, Evidence{Filtered: true}, ""},
		{"hidden, smaller", 0, whole, one, Evidence{Filtered: true, Consistent: true}, "hide part"},
		{"hidden, smaller, as always", 0, part, one, Evidence{Filtered: true}, ""},
		{"hidden as always, and nothing left", 0, part, none, Evidence{Filtered: true}, "hide part"},
		{"unmarked, smaller", 0, part, one, Evidence{Unmarked: true}, "would not say so"},
		{"unmarked, smaller, read consistently", 0, whole, one, Evidence{Unmarked: true, Consistent: true}, ""},
	} {
		got := trust{c.maxAge}.doubt(c.last, Answer{c.new, c.said})
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: doubt %q, want %q", c.what, got, c.want)
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		before bool
		said   Evidence
		want   bool
	}{
		{false, Evidence{}, true},
		{true, Evidence{Filtered: true}, false},
		{true, Evidence{Unmarked: true}, true},
		{false, Evidence{Unmarked: true}, false},
	} {
		if got := (trust{}).whole(c.before, Answer{Evidence: c.said}); got != c.want {
			t.Errorf("%+v: whole %v", c, got)
		}
	}
}
