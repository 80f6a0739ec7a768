package watch

import (
	"maps"
	"slices"
	"time"
)

// A Known is what is known of a query: the answer that readers are given, and what doubt and guards have to remember of the time
// before.
type Known struct {
	Answer any
	// Whole says that access rules are known to have hidden nothing of the answer.
	Whole bool
	Past
}

// A Past is what guards remember of a query, so that many small steps downwards are one fall and `hold` ends by the clock,
// also when the program is started again.
type Past struct {
	// Peaks are the sizes that the answer had before it fell to what it is now, the largest and oldest first.
	Peaks []Peak `json:",omitempty"`
	// HeldSince is since when a smaller answer is withheld; zero while none is.
	HeldSince time.Time `json:",omitzero"`
	// GoneSince is since when services stay in a list of names that they have left.
	GoneSince map[string]time.Time `json:",omitempty"`
}

// A Peak is the size that an answer had until it fell.
type Peak struct {
	Size  int
	Until time.Time
}

// asOf is a copy in which nothing is later than now: the clock may have been set back since.
func (p Past) asOf(now time.Time) Past {
	p.Peaks = slices.Clone(p.Peaks)
	for i := range p.Peaks {
		p.Peaks[i].Until = earlier(p.Peaks[i].Until, now)
	}
	p.HeldSince = earlier(p.HeldSince, now)
	p.GoneSince = maps.Clone(p.GoneSince)
	for name, since := range p.GoneSince {
		p.GoneSince[name] = earlier(since, now)
	}
	return p
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// withholds tells whether anything is withheld.
func (p Past) withholds() bool { return !p.HeldSince.IsZero() || len(p.GoneSince) > 0 }

// withholdsAs tells whether the same is withheld as of other.
func (p Past) withholdsAs(other Past) bool {
	return p.HeldSince.Equal(other.HeldSince) && maps.EqualFunc(p.GoneSince, other.GoneSince, time.Time.Equal)
}

// peak is the largest size within the window that ends now, size being the present one. While an answer is withheld it is the window
// that ended when that began: the answer does not become good by waiting.
func (p Past) peak(size int, now time.Time, window time.Duration) int {
	if !p.HeldSince.IsZero() {
		now = p.HeldSince
	}
	for _, old := range p.Peaks {
		if now.Sub(old.Until) < window {
			return max(old.Size, size)
		}
	}
	return size
}

// step returns the peaks after an answer of one size has taken the place of another, without those that are older than the window,
// which is the longest of the guards that cover the query. There are never more than 61: times are rounded up to a 60th of the window.
func (p Past) step(before, after int, now time.Time, window time.Duration) []Peak {
	peaks := slices.DeleteFunc(slices.Clone(p.Peaks), func(old Peak) bool {
		return old.Size <= max(before, after) || now.Sub(old.Until) >= window
	})
	grain := window / 60
	until := now.Truncate(grain).Add(grain)
	if n := len(peaks); after < before && (n == 0 || peaks[n-1].Until.Before(until)) { // else a larger one counts for it
		peaks = append(peaks, Peak{before, until})
	}
	return peaks
}
