package consul

import (
	"math/rand/v2"
	"slices"
	"time"

	"lictor/watch"
)

// receive takes in what came of a request.
func (s *scheduler) receive(o outcome) {
	if o.request.index == 0 {
		s.reads--
	}
	v := o.view
	if o.request.over {
		v.request = nil
		v.forget()
		if v.state == idle {
			s.next(v)
		}
		return
	}
	v.request, v.state = nil, idle
	if o.err != nil {
		s.failed(v, o)
		if silent(o.err) {
			s.failQueued(o)
		}
		return
	}
	if v.failures.workingSince.IsZero() {
		v.failures.workingSince = o.request.begun
	}
	if time.Since(v.failures.workingSince) > steadyAfter {
		v.failures.row = 0
	}
	if o.result.null && o.request.mode != consistent {
		v.forget()
		s.readAgain(v)
		return
	}
	now := time.Now()
	again, seen, seenAt := v.confirm.wanted, v.cursor.seen, v.readAt
	fresh, pause := v.cursor.answered(&o.result, o.request.index, o.request.begun, now, o.request.wait)
	v.cursor.probed = v.cursor.probed || again // it was waited beyond before
	s.lookForRestore(v, o, seen, seenAt)
	v.readAt = o.request.begun
	if o.request.index > 0 {
		v.readAt = now
	}
	if fresh || v.confirm.wanted {
		if !o.result.same {
			v.changedAt = now
		}
		if pause = max(pause, s.take(v, o)); v.state == removed {
			return
		}
		pause = max(pause, v.policy.gap) // which take may have set
	}
	if v.lower.index > 0 {
		v.confirm.wanted = true
	}
	if pause = max(pause, v.pace.spend(o.result.took)); pause > 0 {
		s.pause(v, pause)
		return
	}
	s.next(v)
}

// take hands an answer on. When it is not believed the view is read again, consistently.
func (s *scheduler) take(v *view, o outcome) (pause time.Duration) {
	if v.confirm.wanted && o.result.index < v.confirm.index && v.confirm.tries < 20 {
		v.confirm.tries++
		v.forget()
		return 50 * time.Millisecond
	}
	believed := v.reader.take(o.result)
	if believed {
		v.cursor.newest = o.result.index
	}
	if believed || o.result.Consistent {
		v.confirm = confirmation{}
	} else {
		v.confirm = confirmation{wanted: true, index: o.result.index}
	}
	return 0
}

// steadyAfter is how long a view has to be without failures until the pauses after the next ones begin anew.
const steadyAfter = 10 * time.Second

// failQueued fails what has been waiting to be read for as long as a request was left without an answer: it would hear of a silent
// peer only after one time-out after the other.
func (s *scheduler) failQueued(o outcome) {
	for _, v := range slices.Clone(s.queue) {
		if v.state == queued && !v.queuedAt.After(o.request.begun) {
			v.state = idle
			s.failed(v, o)
		}
	}
}

// failed takes in that a request failed.
func (s *scheduler) failed(v *view, o outcome) {
	if only, pause := v.cursor.failed(o.err, o.request.index, o.request.begun, time.Now()); only {
		s.pause(v, pause)
		return
	}
	s.suspect(o.err)
	v.confirm = confirmation{}
	if since := v.failures.workingSince; !since.IsZero() && time.Since(since) > steadyAfter {
		v.failures.row = 0
	}
	v.failures.row++
	v.failures.workingSince = time.Time{}
	asked, told := v.reader.fail(o.err)
	if v.state == removed {
		return
	}
	pause := asked
	if own := watch.DefaultRetry.Backoff.Pause(v.failures.row); told != 1 && (pause == 0 || pause > own) {
		pause = own
	}
	if s.recovery.at.After(o.request.begun) {
		pause, v.failures.row = min(pause, rand.N(wakeSpread)), 1
	}
	s.pause(v, pause)
}
