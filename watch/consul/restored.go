package consul

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"
)

// restores tells the queries that are held open in a datacenter that its servers were restored to an older state. A query that
// was sent at that moment waits for an index that is far away again: Consul would not answer it before its wait is over.
type restores struct {
	mu sync.Mutex
	of map[holds]epoch
}

// holds are queries of a datacenter that are held open.
type holds struct {
	datacenter string
	streamed   bool // those that Consul may answer out of its event stream, or the others
}

// An epoch is the time between two restores. It is done when the second was noticed.
type epoch struct {
	context.Context
	end context.CancelFunc
}

const (
	// Queries that Consul itself ends at a restore have as long as this to begin anew. Those that are given up instead count
	// as connections on the agent until their wait is over.
	restoreDelay = time.Second
	// A query that is there to tell of restores is held open for this long only: it may itself have been sent at that moment.
	restoreWait = 10 * time.Second
)

// now is the epoch of this moment. Who asks for it before a read knows later whether what was read is from before a restore.
func (r *restores) now(h holds) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current(h).Context
}

// current is called with mu held.
func (r *restores) current(h holds) epoch {
	e, ok := r.of[h]
	if !ok {
		e.Context, e.end = context.WithCancel(context.Background())
		if r.of == nil {
			r.of = map[holds]epoch{}
		}
		r.of[h] = e
	}
	return e
}

// notice begins a new epoch after since, and ends since for who is still in it after a moment. It is false where that was done already.
func (r *restores) notice(h holds, since context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.current(h)
	if since != e.Context {
		return false
	}
	delete(r.of, h)
	time.AfterFunc(restoreDelay, e.end)
	return true
}

// holds are the queries that e belongs to.
func (e endpoint) holds() holds { return holds{e.query.Get("dc"), e.streamed()} }

// wentBack is called after an answer whose index is below the one of the answer before, seen, that was read in the epoch since. Where the
// leader has no higher index either it was restored, and else the answer came from a server that is behind.
func (s *Source) wentBack(ctx context.Context, e endpoint, seen uint64, since context.Context) {
	h := e.holds()
	if e.fallsUnrestored() || since != s.restores.now(h) {
		return
	}
	e.decode, e.none, e.finish = discard, true, nil
	sure, err := s.read(ctx, e, consistent, 0)
	if err != nil || sure.index >= seen || !s.restores.notice(h, since) {
		return
	}
	s.log.Debug("consul was restored, queries start over", "datacenter", h.datacenter)
	streams := holds{h.datacenter, true}
	s.restores.notice(streams, s.restores.now(streams))
}

// fallsUnrestored tells whether the index of e may fall though nothing was restored. Consul forgets deletions: the index of a
// prefix is that of its newest key, or of a deletion below it within the last 15 minutes. An answer by distance for the mesh has the
// highest index of the proxies that there are. Streamed answers have an index of their own.
func (e endpoint) fallsUnrestored() bool {
	return e.streamed() || e.query.Has("recurse") || strings.HasPrefix(e.path, "health/connect/")
}

// streamed tells whether Consul may answer e out of its event stream. Answers of that don't say that a server was restored
// to an older state: a query goes on waiting for an index that is far away again. See [planner.canary].
func (e endpoint) streamed() bool {
	service := strings.HasPrefix(e.path, "health/service/") || strings.HasPrefix(e.path, "health/connect/")
	return service && !e.query.Has("near")
}

// readIn reads e. Where that waits for a change beyond index, which is from the epoch since, it waits no longer than that.
func (s *Source) readIn(ctx, since context.Context, e endpoint, m mode, index uint64) (result, error) {
	if index > 0 {
		held, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(since, cancel)()
		ctx = held
	}
	return s.read(ctx, e, m, index)
}

// discard reads an answer of which only the index is wanted.
func discard(body io.Reader) (any, error) {
	_, err := io.Copy(io.Discard, body)
	return true, err
}
