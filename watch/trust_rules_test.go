package watch

import (
	"strings"
	"testing"
	"time"
)

// What may take the place of what, and what is known of access rules then.
func TestTrust(t *testing.T) {
	two, one, none := []string{"a", "b"}, []string{"a"}, []string{}
	for _, c := range []struct {
		name  string
		whole bool
		old   any // nil for nothing known
		fresh any
		Evidence
		doubt string // "" where it is believed
		after bool   // whole then
	}{
		{"a first answer", false, nil, two, Evidence{}, "", true},
		{"a first answer of which a part is hidden", false, nil, two, Evidence{Filtered: true}, "", false},
		{"a first answer of which all is hidden", false, nil, none, Evidence{Filtered: true}, "hide all", false},
		{"a first answer that is empty and can't say why", false, nil, none, Evidence{Unmarked: true}, "would not say so", false},
		{"the same read consistently", false, nil, none, Evidence{Unmarked: true, Consistent: true}, "", false},
		{"without a leader", true, two, two, Evidence{NoLeader: true}, "no leader", true},
		{"too old", true, two, two, Evidence{Age: 2 * time.Second}, "over the bound", true},
		{"too old, but consistent", true, two, two, Evidence{Age: 2 * time.Second, Consistent: true}, "", true},
		{"another after the index went back", true, two, []string{"a", "c"}, Evidence{WentBack: true}, "backwards", true},
		{"the same after the index went back", true, two, two, Evidence{WentBack: true}, "", true},
		{"smaller", true, two, one, Evidence{}, "", true},
		{"smaller, a part is hidden", true, two, one, Evidence{Filtered: true}, "smaller", true},
		{"smaller, a part was hidden all along", false, two, one, Evidence{Filtered: true}, "", false},
		{"nothing is left, a part was hidden all along", false, two, none, Evidence{Filtered: true}, "smaller", false},
		{"smaller, and can't say why", true, two, one, Evidence{Unmarked: true}, "would not say so", true},
		{"as large, and can't say whether", true, two, two, Evidence{Unmarked: true}, "", true},
	} {
		known := trust{c.whole}
		a := Answer{c.fresh, c.Evidence}
		why := known.doubt(c.old, c.old != nil, a, time.Second)
		if (why == "") != (c.doubt == "") || !strings.Contains(why, c.doubt) {
			t.Errorf("%s: doubt %q, want %q", c.name, why, c.doubt)
		}
		if why != "" {
			continue
		}
		if fact := known.believe(a); fact.whole != c.after {
			t.Errorf("%s: whole is %v then, want %v", c.name, fact.whole, c.after)
		}
	}
}
