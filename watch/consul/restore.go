package consul

import (
	"time"

	"lictor/watch"
)

// When the servers of a datacenter are restored to an older state their index goes back. A blocking query that was sent at that moment
// waits for an index that is far away again: nothing would end it before its wait is over. So whoever notices tells the others.

const (
	// Views that Consul itself answers at a restore have this long to begin anew. The blocking queries of the others are given up, and
	// Consul counts their connections until their wait is over.
	restoreDelay = time.Second
	// A view that is there to notice restores waits no longer than this: it may itself have been sent at that moment.
	restoreWait = 10 * time.Second
)

// Restores are what the scheduler knows of restores, by datacenter.
type restores struct {
	streamed map[string]*restarts // of streamed queries: see the file streaming.go
	noticed  map[string]time.Time // when one was noticed last
}

// lookForRestore looks at the index of an answer; seen is the index of the one before, which was asked for at seenAt.
func (s *scheduler) lookForRestore(v *view, o outcome, seen uint64, seenAt time.Time) {
	if v.policy.streamed || v.policy.falls { // answers out of the event stream have an index of their own
		return
	}
	before := v.lower
	if o.result.index < seen {
		before = lowerIndex{seen, seenAt}
	}
	v.lower = lowerIndex{}
	switch {
	case o.result.index >= before.index:
	case o.request.mode == consistent:
		s.restored(v.policy.datacenter, before.readAt)
	default:
		v.lower = before
	}
}

// indexFalls tells whether the index of q may fall though nothing was restored. Consul forgets deletions: the index of a prefix is that
// of its newest key, or of a deletion below it within the last 15 minutes. An answer for the mesh has the highest index of the
// proxies that there are.
func indexFalls(q watch.Query) bool {
	if s, ok := q.(watch.Service); ok {
		return s.Connect
	}
	_, prefix := q.(watch.Prefix)
	return prefix
}

// restored makes every view of a datacenter start over whose blocking query was sent before this moment and is not answered soon. The
// servers have been restored since a time; where that is before the last restore that was noticed, it is that one.
func (s *scheduler) restored(datacenter string, since time.Time) {
	if since.Before(s.restores.noticed[datacenter]) {
		return
	}
	noticed := time.Now()
	s.restores.noticed[datacenter] = noticed
	s.log.Debug("consul was restored to an older state, blocking queries start over", "datacenter", datacenter)
	s.callAfter(restoreDelay, func() {
		for v := range s.slots {
			if v.policy.datacenter == datacenter && v.state == holding && v.request.begun.Before(noticed) {
				s.restart(v)
			}
		}
	})
}
