package watch

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A Known is what is known of a query: the answer that stands, and what doubt and guards have to remember of the time before.
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
	// HeldSince is since when a smaller answer is held back; zero while none is.
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

// holds tells whether anything is held back.
func (p Past) holds() bool { return !p.HeldSince.IsZero() || len(p.GoneSince) > 0 }

// begin notes since when is held back what is held back now, and tells whether that is new.
func (p *Past) begin(v verdict, now time.Time) (changed bool) {
	if v.why != "" {
		changed = p.HeldSince.IsZero()
		p.HeldSince = cmp.Or(p.HeldSince, now)
		return changed // the services that stay are none of its matter
	}
	gone := map[string]time.Time{}
	for name, o := range v.stay {
		gone[name] = o.since
	}
	changed = !p.HeldSince.IsZero() || !maps.Equal(p.GoneSince, gone)
	p.HeldSince, p.GoneSince = time.Time{}, gone
	return changed
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
