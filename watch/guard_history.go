package watch

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A History is what guards remember of a query, so that many small steps downwards are one fall and `hold` ends by the clock,
// also when the program is started again.
type History struct {
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
func (h History) asOf(now time.Time) History {
	h.Peaks = slices.Clone(h.Peaks)
	for i := range h.Peaks {
		h.Peaks[i].Until = earlier(h.Peaks[i].Until, now)
	}
	h.HeldSince = earlier(h.HeldSince, now)
	h.GoneSince = maps.Clone(h.GoneSince)
	for name, since := range h.GoneSince {
		h.GoneSince[name] = earlier(since, now)
	}
	return h
}

// withholds tells whether anything is withheld.
func (h History) withholds() bool { return !h.HeldSince.IsZero() || len(h.GoneSince) > 0 }

// begin notes since when is withheld what is withheld now, and tells whether that is new.
func (h *History) begin(v verdict, now time.Time) (changed bool) {
	if v.why != "" {
		changed = h.HeldSince.IsZero()
		h.HeldSince = cmp.Or(h.HeldSince, now)
		return changed // the services that stay are none of its matter
	}
	gone := map[string]time.Time{}
	for name, o := range v.stay {
		gone[name] = o.since
	}
	changed = !h.HeldSince.IsZero() || !maps.Equal(h.GoneSince, gone)
	h.HeldSince, h.GoneSince = time.Time{}, gone
	return changed
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// peak is the largest size within the window that ends now, or, while an answer is withheld, ended when that began: the
// answer that is withheld does not become good by waiting. The size that stands is among them.
func (h *History) peak(stands int, now time.Time, window time.Duration) int {
	if !h.HeldSince.IsZero() {
		now = h.HeldSince
	}
	for _, old := range h.Peaks {
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
func (h *History) note(stands, fresh int, now time.Time, window time.Duration) {
	h.Peaks = slices.DeleteFunc(h.Peaks, func(old Peak) bool { return old.Size <= max(stands, fresh) || now.Sub(old.Until) >= window })
	if fresh >= stands {
		return
	}
	grain := window / grains
	until := now.Truncate(grain).Add(grain)
	if n := len(h.Peaks); n == 0 || h.Peaks[n-1].Until.Before(until) { // else a larger one stands for it
		h.Peaks = append(h.Peaks, Peak{stands, until})
	}
}
