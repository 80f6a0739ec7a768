package consul

import (
	"context"
	"time"

	"lictor/watch"
)

// Consul answers blocking queries on services out of its event stream, which costs it a third of what a query costs otherwise.
// Measured on 1.13.9, such answers have four faults, and this file and what it names is all that knows of them:
//
//   - they always say that there is no leader, and never that access rules hid something ([evidence]);
//   - they may come before what they tell of can be read (the index in [confirmation]);
//   - after a restore to an older state they wait for an index that is far away again (the restore view below);
//   - a change of how a name is spelled is not told. Names that differ in case only are one name for Consul.

// streamed tells whether Consul may answer q out of its event stream: it does so for services that are not sorted by distance.
func streamed(q watch.Query) bool {
	s, ok := q.(watch.Service)
	return ok && s.Near == ""
}

// A restore view is a view that Consul does not answer out of its event stream: checks of a state that does not exist. When its index goes
// back, or its blocking query ends early, the server was restored; when it fails, the server is in trouble, of which streamed
// answers don't tell, and another may have taken its place when that is over. Streamed queries of its datacenter start over then.
func (s *scheduler) newRestoreView(datacenter string) *view {
	var seen uint64
	failing := false // so that the next answer is a reason to start over
	query := scopeQuery(watch.Scope{Datacenter: datacenter})
	e := endpoint{path: "health/state/none", query: query, decode: discard}
	v := &view{name: "restore view " + datacenter, policy: policy{hold: true, wait: restoreWait, rank: rankList, datacenter: datacenter}}
	v.reader = reader{
		begin: s.reading(e),
		take: func(r result) bool {
			switch {
			case r.index == seen: // a lower one is noticed where all are
				s.restartStreamed(datacenter, time.Time{})
			case failing:
				s.restartStreamed(datacenter, s.recovery.at)
			}
			seen, failing = r.index, false
			return true
		},
		fail: func(err error) (time.Duration, int) {
			if !silent(err) && !failing && !refusal(err) {
				s.restartStreamed(datacenter, time.Time{})
			}
			seen, failing = 0, !refusal(err)
			return 0, 0
		},
	}
	return v
}

// reading makes the begin of a view that reads one endpoint.
func (s *scheduler) reading(e endpoint) func(a ask) func(context.Context) (result, error) {
	return func(a ask) func(context.Context) (result, error) {
		return func(ctx context.Context) (result, error) { return s.read(ctx, e, a) }
	}
}

// Restarts are how often views of a datacenter had to start over lately: ever more seldom where that is the rule.
type restarts struct {
	row  int // with hardly any time between
	last time.Time
}

// mayRestart tells whether views of a datacenter may start over now.
func (s *scheduler) mayRestart(datacenter string) bool {
	r := s.restores.streamed[datacenter]
	if r == nil {
		r = &restarts{}
		s.restores.streamed[datacenter] = r
	}
	since := time.Since(r.last)
	switch {
	case since > max(time.Minute, s.client.wait):
		r.row = 0
	case since < watch.DefaultRetry.Backoff.Pause(r.row+1):
		return false
	default:
		r.row++
	}
	r.last = time.Now()
	return true
}

// restartStreamed makes the streamed queries of a datacenter start over, but for those that have done so since.
func (s *scheduler) restartStreamed(datacenter string, since time.Time) {
	if !s.mayRestart(datacenter) {
		return
	}
	s.log.Debug("consul was restored or lost, queries on services start over", "datacenter", datacenter)
	for v := range s.slots {
		if v.policy.streamed && v.policy.datacenter == datacenter && (since.IsZero() || v.readAt.Before(since)) {
			s.restart(v)
		}
	}
}
