package command

import (
	"context"
	"time"
)

// A pace is how often the command of an id may run.
type pace struct {
	interval time.Duration
	began    time.Time // when its last run began, zero for never
}

// Pace has the runs of id begin no less than interval after each other, those after a failure too: who is told to reload may
// miss it when he is told again too soon. Only what [Queue.SubmitAtOnce] asks for does not wait. last is when a run began
// before there was this Queue, zero for never.
func (q *Queue) Pace(id string, interval time.Duration, last time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paces[id] = &pace{interval, last}
}

// Rests tells until when no run of id begins, since the last one is not long enough ago, and whether one is waiting, for
// that or for anything else, which will stand for what is submitted now.
func (q *Queue) Rests(id string) (until time.Time, waiting bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[id]
	return q.due(id, j), j != nil && !j.running
}

// due is when the next run of id may begin. The caller holds mu.
func (q *Queue) due(id string, j *job) time.Time {
	p := q.paces[id]
	if p == nil || p.began.IsZero() || j != nil && j.atOnce {
		return time.Time{}
	}
	return p.began.Add(p.interval)
}

// rest waits until the next run of id is due: until the failure of the last one was taken note of and its pause is over, or
// something was submitted, and the last run is long enough ago.
func (q *Queue) rest(ctx context.Context, id string, j *job, last Result) {
	if last.taken != nil {
		select {
		case <-last.taken:
			select {
			case <-time.After(last.Pause):
			case <-j.news:
			case <-ctx.Done():
			}
		case <-j.news:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		q.mu.Lock()
		wait, dropped := time.Until(q.due(id, j)), j.dropped
		q.mu.Unlock()
		if wait <= 0 || dropped {
			return
		}
		select {
		case <-j.news: // it may have to run at once now
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}
