package watch

import (
	"reflect"
	"testing"
	"time"
)

// The peak that an answer is compared with is the largest within the window, which stops while an answer is withheld.
func TestPastPeak(t *testing.T) {
	peaks := []Peak{{9, minutes(-60)}, {6, minutes(-10)}}
	for _, c := range []struct {
		past   Past
		size   int
		window time.Duration
		want   int
	}{
		{Past{}, 3, time.Hour, 3},
		{Past{Peaks: peaks}, 3, time.Hour, 6},
		{Past{Peaks: peaks}, 3, 2 * time.Hour, 9},
		{Past{Peaks: peaks}, 3, time.Minute, 3},
		{Past{Peaks: peaks}, 7, time.Hour, 7},
		{Past{Peaks: peaks, HeldSince: minutes(-5)}, 3, time.Hour, 9},
		{Past{Peaks: peaks, HeldSince: minutes(-5)}, 3, 6 * time.Minute, 6},
	} {
		if got := c.past.peak(c.size, noon, c.window); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestPastStep(t *testing.T) {
	for _, c := range []struct {
		what          string
		peaks         []Peak
		before, after int
		want          []Peak
	}{
		{"a fall", nil, 5, 4, []Peak{{5, minutes(1)}}},
		{"growth", nil, 4, 5, nil},
		{"a fall after another", []Peak{{9, minutes(-10)}}, 5, 4, []Peak{{9, minutes(-10)}, {5, minutes(1)}}},
		{"a fall right after another", []Peak{{9, minutes(1)}}, 5, 4, []Peak{{9, minutes(1)}}},
		{"one that is too old", []Peak{{9, minutes(-60)}}, 5, 4, []Peak{{5, minutes(1)}}},
		{"growth to less than a peak", []Peak{{9, minutes(-10)}, {5, minutes(-5)}}, 4, 6, []Peak{{9, minutes(-10)}}},
		{"growth to a peak", []Peak{{9, minutes(-10)}}, 4, 9, nil},
	} {
		got := Past{Peaks: c.peaks}.step(c.before, c.after, noon, time.Hour)
		if len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// When the clock was set back, nothing of the past is later than now; and the past itself is not changed.
func TestPastAsOf(t *testing.T) {
	p := Past{Peaks: []Peak{{3, minutes(-1)}, {2, minutes(1)}}, HeldSince: minutes(1), GoneSince: map[string]time.Time{"a": minutes(-1), "b": minutes(1)}}
	want := Past{Peaks: []Peak{{3, minutes(-1)}, {2, noon}}, HeldSince: noon, GoneSince: map[string]time.Time{"a": minutes(-1), "b": noon}}
	if got := p.asOf(noon); !reflect.DeepEqual(got, want) || p.Peaks[1].Until != minutes(1) || p.GoneSince["b"] != minutes(1) {
		t.Errorf("%+v, of %+v", got, p)
	}
	if p.withholdsAs(want) || p.withholdsAs(Past{HeldSince: p.HeldSince}) || !p.withholdsAs(Past{HeldSince: p.HeldSince, GoneSince: p.GoneSince}) {
		t.Error("what is withheld is not compared")
	}
	if !p.withholds() || !(Past{GoneSince: p.GoneSince}).withholds() || !(Past{HeldSince: noon}).withholds() || (Past{Peaks: p.Peaks}).withholds() {
		t.Error("whether anything is withheld is wrong")
	}
}

func TestNextEndOfAnObjection(t *testing.T) {
	for _, c := range []struct {
		until []time.Time
		want  time.Time
	}{
		{nil, time.Time{}},
		{[]time.Time{{}}, time.Time{}},
		{[]time.Time{{}, minutes(2), minutes(1), {}}, minutes(1)},
	} {
		for range 10 { // for the order of a map
			all := objections{}
			for i, until := range c.until {
				all[string(rune('a'+i))] = objection{until: until}
			}
			if got := all.next(); !got.Equal(c.want) {
				t.Errorf("%v: %v", c.until, got)
			}
		}
	}
}

func TestLongestWindow(t *testing.T) {
	g := guards{{MaxShrink: 0.5, Hold: time.Hour}, {MaxShrink: 0.5}, {Queries: []string{"services()"}, MaxShrink: 0.5, Hold: 2 * time.Hour}}
	if got := g.window(Nodes{}); got != time.Hour {
		t.Errorf("of nodes it is %s", got)
	}
	if got := g.window(Key{}); got != 0 {
		t.Errorf("of a key it is %s", got)
	}
}
