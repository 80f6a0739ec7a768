package consul

import "time"

// A pace keeps work to a share of the time. After a rest some work may be done at once. It is for one goroutine.
type pace struct {
	share  float64
	most   time.Duration // of work that may be done at once
	credit time.Duration
	at     time.Time // when credit was right
}

func newPace(share float64, most time.Duration) *pace {
	return &pace{share: share, most: most, credit: most, at: time.Now()}
}

// spend notes that work took d, and tells how long to rest before the next.
func (p *pace) spend(d time.Duration) (rest time.Duration) {
	now := time.Now()
	earned := time.Duration(float64(now.Sub(p.at)) * p.share)
	p.credit, p.at = min(p.most, p.credit+earned)-d, now
	return max(0, time.Duration(float64(-p.credit)/p.share))
}
