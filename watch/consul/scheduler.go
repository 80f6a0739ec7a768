package consul

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A scheduler reads views. It is owned by one goroutine, the one that runs [Source.Follow], and has no lock: its workers ask
// Consul and decode, and send what came of it to results.
type scheduler struct {
	*Source
	ctx     context.Context
	wg      sync.WaitGroup
	results chan outcome
	urgent  []*view // to be read, before those of queue
	queue   []*view
	rests   restHeap
	reads   int            // under way
	slots   map[*view]bool // who has a slot
	waiting []*view        // who wants one
	polled  int            // views that are polled for want of a slot, or by policy

	probe       *recoveryProbe // nil while there is none
	recoveredAt time.Time
	restarted   map[string]*restarts // by datacenter
	restoredAt  map[string]time.Time // when a restore of a datacenter was noticed last
}

func newScheduler(ctx context.Context, s *Source) *scheduler {
	return &scheduler{Source: s, ctx: ctx, results: make(chan outcome), slots: map[*view]bool{}, restarted: map[string]*restarts{}, restoredAt: map[string]time.Time{}}
}

// add begins to read a view.
func (s *scheduler) add(v *view) {
	v.pace = newPace(0.2, time.Second)
	if v.policy.hold && !v.slot && !s.claim(v) {
		s.waiting = append(s.waiting, v)
	}
	s.count(v, 1)
	s.next(v)
}

// remove ends the reading of a view. Nothing is reported of it any more.
func (s *scheduler) remove(v *view) {
	if v.state == removed {
		return
	}
	s.stop(v)
	s.count(v, -1)
	v.state = removed
	if v.slot {
		s.release(v)
	}
}

// count keeps the number of views that are polled.
func (s *scheduler) count(v *view, by int) {
	if v.policy.poll || v.policy.every > 0 {
		s.polled += by
	}
}

// stop takes a view out of whatever it does.
func (s *scheduler) stop(v *view) {
	switch v.state {
	case resting:
		heap.Remove(&s.rests, v.heapIndex)
	case reading, holding:
		v.request.over = true // it comes back before there is another
		v.request.cancel()
	}
	v.state = idle // what is still in a queue is skipped there
}

// hint says that what a view reads may have changed.
func (s *scheduler) hint(v *view) { s.hintAt(v, time.Now()) }

// hintAt is hint for a change that was no later than at.
func (s *scheduler) hintAt(v *view, at time.Time) {
	if v.state == holding || v.state == reading && v.request.begun.After(at) || v.state != reading && v.readAt.After(at) {
		return // it tells of changes itself, or was read since
	}
	v.dirty = true
	if v.state == idle || v.state == resting && v.polling {
		s.stop(v)
		s.next(v)
	}
}

// restart makes a view start over as after a failure, with a consistent read.
func (s *scheduler) restart(v *view) {
	if v.state == holding || v.state == idle {
		s.stop(v)
		v.cursor = cursor{}
		s.rest(v, rand.N(wakeSpread)) // many start over at this moment
	}
}

// readAgain has a view read consistently now, also while it is held.
func (s *scheduler) readAgain(v *view) {
	v.sure.wanted = true
	if v.state == holding || v.state == idle || v.state == resting && v.trouble.failures == 0 {
		s.stop(v)
		s.next(v)
	}
}

// next decides what a view does that has nothing under way.
func (s *scheduler) next(v *view) {
	switch {
	case v.state == removed:
	case v.sure.wanted || v.cursor.seen == 0 || v.dirty || v.policy.hold && v.slot && v.cursor.wait == 0:
		s.enqueue(v)
	case v.policy.hold && v.slot:
		s.hold(v)
	case v.policy.poll || v.policy.every > 0:
		s.rest(v, s.pollPause(v))
		v.polling = true
	default:
		v.state = idle
	}
}

// pollPause is how long it is until a view is polled again.
func (s *scheduler) pollPause(v *view) time.Duration {
	d := max(turnEvery, v.policy.every, time.Duration(s.polled)*time.Second/turnRate)
	return d - rand.N(d/10)
}

func (s *scheduler) enqueue(v *view) {
	v.state = queued
	if v.policy.rank < rankNode {
		s.urgent = append(s.urgent, v)
	} else {
		s.queue = append(s.queue, v)
	}
}

// rest lets a view do nothing for a while; then it is read, or held.
func (s *scheduler) rest(v *view, d time.Duration) {
	v.state, v.due, v.polling = resting, time.Now().Add(d), false
	heap.Push(&s.rests, v)
}

// start begins what may be begun now.
func (s *scheduler) start() {
	now := time.Now()
	for len(s.rests) > 0 && !s.rests[0].due.After(now) {
		v := heap.Pop(&s.rests).(*view)
		if v.policy.hold && v.slot && now.Sub(v.readAt) > 20*time.Millisecond {
			v.cursor.probed = false // while nobody waited the server may have been replaced by one with a lower index
		}
		v.state = idle
		if v.polling {
			s.enqueue(v)
		} else {
			s.next(v)
		}
	}
	for s.reads < s.client.budget.readers(len(s.slots)) {
		v := s.dequeue()
		if v == nil {
			return
		}
		m := s.readMode()
		switch {
		case v.sure.wanted || v.cursor.seen == 0:
			m = consistent
		case v.policy.leader && v.dirty:
			m = leader
		}
		v.state, v.dirty = reading, false
		s.reads++
		s.send(v, ask{mode: m})
	}
}

// dequeue takes the view out of the queues that is to be read next.
func (s *scheduler) dequeue() *view {
	for _, queue := range []*[]*view{&s.urgent, &s.queue} {
		for len(*queue) > 0 {
			v := (*queue)[0]
			(*queue)[0] = nil
			*queue = (*queue)[1:]
			switch {
			case v.state != queued:
			case v.request != nil: // one that was given up has not come back yet
				v.state = idle
			default:
				return v
			}
		}
	}
	return nil
}

// hold begins a blocking query.
func (s *scheduler) hold(v *view) {
	if v.request != nil { // one that was given up has not come back yet
		v.state = idle
		return
	}
	wait := s.client.wait
	if !v.cursor.probed {
		wait = min(wait, probeWait)
	}
	if v.policy.wait > 0 {
		wait = min(wait, v.policy.wait)
	}
	v.state = holding
	s.send(v, ask{s.readMode(), v.cursor.wait, wait})
}

// send sends a request.
func (s *scheduler) send(v *view, a ask) {
	ctx, cancel := context.WithCancel(s.ctx)
	sent := &request{ask: a, begun: time.Now(), cancel: cancel}
	v.request = sent
	read := v.source.begin(a)
	s.wg.Go(func() {
		defer cancel()
		r, err := read(ctx)
		select {
		case s.results <- outcome{v, sent, r, err}:
		case <-s.ctx.Done():
		}
	})
}
