package watch

import (
	"slices"
	"time"
)

// A Known is what is known of a query: the answer that stands, and what guards have to remember of the time before.
type Known struct {
	Answer any
	Past
}

// A Past is what guards remember of a query, so that many small steps downwards are one fall and `hold` ends by the clock,
// also when the program is started again.
type Past struct {
	// Peaks are the sizes that the answer had before it fell to what it is now, the largest and oldest first.
	Peaks []Peak `json:",omitempty"`
	// HeldSince is since when a smaller answer is held back; zero while none is.
	HeldSince time.Time `json:",omitzero"`
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
	return p
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// peak is the largest size within the window that ends now, or, while an answer is held back, ended when that began: the
// answer that is held back does not become good by waiting. The size that stands is among them.
func (p *Past) peak(stands int, now time.Time, window time.Duration) int {
	if !p.HeldSince.IsZero() {
		now = p.HeldSince
	}
	for _, old := range p.Peaks {
		if now.Sub(old.Until) < window {
			return max(old.Size, stands)
		}
	}
	return stands
}

// grains is into how many parts a window is divided, and so how many peaks there are at most for one query.
const grains = 60

// note takes in that an answer of size fresh replaces one of size stands, and forgets what is older than the window, which is
// the longest of the guards that cover the query.
func (p *Past) note(stands, fresh int, now time.Time, window time.Duration) {
	p.Peaks = slices.DeleteFunc(p.Peaks, func(old Peak) bool { return old.Size <= max(stands, fresh) || now.Sub(old.Until) >= window })
	if fresh >= stands {
		return
	}
	grain := window / grains
	until := now.Truncate(grain).Add(grain)
	if n := len(p.Peaks); n == 0 || p.Peaks[n-1].Until.Before(until) { // else a larger one stands for it
		p.Peaks = append(p.Peaks, Peak{stands, until})
	}
}
