// Package retry has the one back-off of the project.
package retry

import (
	"math/rand/v2"
	"time"
)

// A Backoff says how long to pause before what failed is tried again: First after one failure, then twice that and so on up to
// Most. Each pause is shortened by a random part of up to a half, so that many who failed together don't come back together.
type Backoff struct {
	First time.Duration // 0 means 250 ms: to try on and on without a pause helps nobody
	Most  time.Duration // 0 means an hour
}

// Pause is how long to wait after the given number of failures in a row (1 or more).
func (b Backoff) Pause(failures int) time.Duration {
	d, most := b.First, b.Most
	if d <= 0 {
		d = 250 * time.Millisecond
	}
	if most <= 0 {
		most = time.Hour
	}
	d = min(d, most)
	for ; failures > 1 && d < most; failures-- {
		d += min(d, most-d)
	}
	return d - rand.N(d/2+1)
}
