package consul

import (
	"math/rand/v2"
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
		return
	}
	if v.trouble.since.IsZero() {
		v.trouble.since = o.request.begun
	}
	if time.Since(v.trouble.since) > troubleOver {
		v.trouble.failures = 0
	}
	if o.result.null && o.request.mode != consistent {
		v.forget()
		s.readAgain(v)
		return
	}
	now := time.Now()
	again, seen, seenAt := v.sure.wanted, v.cursor.seen, v.readAt
	fresh, pause := v.cursor.answered(&o.result, o.request.index, o.request.begun, now, o.request.wait)
	v.cursor.probed = v.cursor.probed || again // it was waited beyond before
	s.lookForRestore(v, o, seen, seenAt)
	v.readAt = o.request.begun
	if o.request.index > 0 {
		v.readAt = now
	}
	if fresh || v.sure.wanted {
		v.changedAt = now
		if pause = max(pause, v.policy.gap, s.take(v, o)); v.state == removed {
			return
		}
	}
	if v.doubted.index > 0 {
		v.sure.wanted = true
	}
	if pause = max(pause, v.pace.spend(o.result.took)); pause > 0 {
		s.rest(v, pause)
		return
	}
	s.next(v)
}

// take hands an answer on. When it is not believed the view is read again, consistently.
func (s *scheduler) take(v *view, o outcome) (pause time.Duration) {
	if v.sure.wanted && o.result.index < v.sure.index && v.sure.tries < 20 {
		v.sure.tries++
		v.forget()
		return 50 * time.Millisecond
	}
	believed := v.source.take(o.result)
	if believed {
		v.cursor.newest = o.result.index
	}
	if believed || o.result.Consistent {
		v.sure = sure{}
	} else {
		v.sure = sure{wanted: true, index: o.result.index}
	}
	return 0
}

// troubleOver is how long a view has to be without failures until the pauses after the next ones begin anew.
const troubleOver = 10 * time.Second

// failed takes in that a request failed.
func (s *scheduler) failed(v *view, o outcome) {
	if only, pause := v.cursor.failed(o.err, o.request.index, o.request.begun, time.Now()); only {
		s.rest(v, pause)
		return
	}
	s.suspect(o.err)
	v.sure = sure{}
	if since := v.trouble.since; !since.IsZero() && time.Since(since) > troubleOver {
		v.trouble.failures = 0
	}
	v.trouble.failures++
	v.trouble.since = time.Time{}
	asked, told := v.source.fail(o.err)
	if v.state == removed {
		return
	}
	pause := asked
	if own := watch.DefaultRetry.Backoff.Pause(v.trouble.failures); told != 1 && (pause == 0 || pause > own) {
		pause = own
	}
	if s.recoveredAt.After(o.request.begun) {
		pause, v.trouble.failures = min(pause, rand.N(wakeSpread)), 1
	}
	s.rest(v, pause)
}
