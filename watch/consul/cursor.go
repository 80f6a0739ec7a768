package consul

import (
	"errors"
	"math/rand/v2"
	"time"
)

// A cursor is where the reading of one view stands: which index to wait beyond, and how far the next answer may be trusted
// to be new. It is a value without I/O; the scheduler owns it.
//
// The first read, and the first after a failure, is a consistent one: a server that has just come back answers before it has
// read all of its log again, and what the index was before is not known here.
type cursor struct {
	wait   uint64 // the index to wait beyond, 0 to ask without waiting
	seen   uint64 // the index of the last answer, 0 before the first
	newest uint64 // the index of the last answer that was believed
	early  int    // answers in a row that came before the wait was over although nothing was new
	known  bool   // an answer with the index seen says nothing new
	cut    bool   // the connection was lost since the last answer
	hidden bool   // access rules hid a part of the last answer that said so
	probed bool   // the index was not waited beyond yet: see probeWait
}

// probeWait is how long the first blocking query after a read waits. The server may have been restored between the two; its
// index is far behind ours then, and a query with our index would be held open for its whole wait although everything changed.
const probeWait = time.Second

// leap is by how much an index may grow between two answers to be taken for one of the registry. Something in between may make
// one up, and waiting beyond that would miss all changes; what is probed shows it.
const leap = 1 << 20

// answered takes note of an answer that was asked for at begun with the index waited (0 for a read), and tells whether it may
// be new, and how long to pause before the next request.
func (c *cursor) answered(r *result, waited uint64, begun, now time.Time, wait time.Duration) (fresh bool, pause time.Duration) {
	// The index of a server that was restored or lost its data begins anew. Waiting for one beyond the old index would miss all
	// changes up to there. What took a connection along may have taken more.
	r.WentBack = r.index < c.seen || r.index < c.newest || c.cut
	fresh = !c.known || r.index != c.seen || r.unindexed || r.Filtered || c.hidden // what access rules hid may be shown without any change of the index
	early := waited > 0 && r.index == waited && now.Sub(begun) < wait*9/10
	c.known, c.cut, c.wait = true, false, r.index
	if !r.Unmarked {
		c.hidden = r.Filtered
	}
	switch {
	case early:
		// A server that is being restored ends its blocking queries like this, with the answer from before. Or something between
		// us and Consul does not let us wait.
		c.early++
		c.known, c.wait, pause = false, 0, min(time.Duration(c.early*c.early)*50*time.Millisecond, turnEvery)
	case r.index < c.seen:
		c.wait = 0
	case waited > 0:
		c.early = 0
	}
	c.probed = waited > 0 && r.index-min(r.index, c.seen) < leap
	c.seen = r.index
	return fresh, pause
}

// failed takes note of a failure. When that only says that the query can not be held open, it is no failure of the view: it is
// asked again without waiting, after a pause.
func (c *cursor) failed(err error, waited uint64, begun, now time.Time) (only bool, pause time.Duration) {
	if waited > 0 && unheld(err) {
		c.wait = 0
		return true, turnEvery - rand.N(turnEvery/10)
	}
	if waited > 0 && now.Sub(begun) > impatient && errors.Is(err, errCut) {
		c.wait, c.known, c.cut = 0, false, true
		return true, 0
	}
	*c = cursor{}
	return false, 0
}

// What can't be held open is read every two seconds, or less often when it is very much.
const (
	turnEvery = 2 * time.Second
	turnRate  = 500 // reads in a second at most
)
