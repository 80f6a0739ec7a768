package command

import (
	"context"
	"time"
)

// An interval is how far apart the runs of an id have to begin.
type interval struct {
	least time.Duration
	began time.Time // when its last run began, zero for never
}

// MinInterval has the runs of id begin no less than least after each other, those after a failure too: who is told to reload
// may miss it when he is told again too soon. Only what [Queue.SubmitAtOnce] asks for does not wait. last is when a run began
// before there was this Queue, zero for never.
func (q *Queue) MinInterval(id string, least time.Duration, last time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.intervals[id] = &interval{least, last}
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
	i := q.intervals[id]
	if i == nil || i.began.IsZero() || j != nil && j.atOnce {
		return time.Time{}
	}
	return i.began.Add(i.least)
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
