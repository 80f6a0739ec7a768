package consul

import (
	"context"
	"time"
)

// A view is one thing that is read from Consul and kept: a query, a prefix, a node, a list. Its functions are set by who makes
// it; all else is the scheduler's.
type view struct {
	name   string // for logs and for an order that does not change
	reader reader
	policy policy

	cursor  cursor
	pace    *pace
	state   state
	request *request // the request that is under way, or nil
	times
	rest
	dirty    bool // it was hinted at since its last read began
	confirm  confirmation
	lower    lowerIndex
	failures failures
	slot     bool // it may have a blocking query
}

// Times are when things happened to a view.
type times struct {
	queuedAt  time.Time // when it began to wait to be read
	readAt    time.Time // when the read began whose answer was taken last, or when the blocking query ended
	changedAt time.Time // when an answer was taken last that may have been new
}

// A rest is what the scheduler knows of a view while it rests.
type rest struct {
	due       time.Time // until when
	polling   bool      // until it is polled; else after a failure, or for its pace
	heapIndex int       // in the heap of those that rest
}

// A reader is what a view reads and who is told.
type reader struct {
	// begin makes the function that asks Consul, which runs in a goroutine of its own, never twice at a time for one view: what it
	// remembers from one request to the next needs no lock. The scheduler calls begin, so that it may look at what the
	// scheduler's goroutine owns. A view without begin reads nothing: it is a timer, and take is called when it is due.
	begin func(a ask) func(ctx context.Context) (result, error)
	// take takes an answer in that may be new, and tells whether it was believed. When it was not, the view is read again
	// consistently, and what that says is taken in or not. The scheduler calls it.
	take func(r result) (believed bool)
	// fail is told of a failure. It returns how long those who were told want to pause, and how many they were. The scheduler
	// calls it.
	fail func(err error) (pause time.Duration, told int)
	// dropped is told that a request was given up, whatever came of it. It may be nil. The scheduler calls it.
	dropped func()
}

// An ask is one request of a view.
type ask struct {
	mode  mode
	index uint64        // above 0: wait for a change
	wait  time.Duration // how long at most
}

// A policy says when a view is read.
type policy struct {
	hold     bool          // by a blocking query, while there is a slot for it
	rank     rank          // who gets a slot first
	poll     bool          // again and again, when it is not held
	gap      time.Duration // the least from one answer that may be new to the next blocking query
	every    time.Duration // how often that is at the least; what can't be held open at all has it set without hold
	leader   bool          // hints are read through the leader, since another server may not have come to the change yet
	wait     time.Duration // above 0: a blocking query waits no longer than this
	streamed bool          // Consul may answer out of its event stream: see the file streaming.go
	falls    bool          // its index may fall though nothing was restored: see the file restore.go
	// datacenter is where the view is read, "" for the agent's own.
	datacenter string
}

// A rank orders views that want a slot, the lowest first.
type rank int

const (
	rankList rank = iota // tells of changes of many things
	rankPrefix
	rankQuery
	rankNode
	rankChanged // a node that may soon change again, beside others that are not held
)

// A state says what a view does now.
type state int

const (
	idle    state = iota // nothing is to be done until it is hinted at
	queued               // to be read as soon as a reader is free
	reading              // a read is under way
	holding              // a blocking query is under way
	resting              // until due, after a failure, for its pace, or until it is polled
	removed              // nobody wants it any more
)

// A confirmation is a consistent read that is still to be made, since an answer was not believed, and how new its answer has to be: an
// answer out of Consul's event stream may come before what it tells of can be read.
type confirmation struct {
	wanted bool
	index  uint64
	tries  int
}

// A lowerIndex notes that the last answer had a lower index than the one before it: the server was restored, or is behind the others. The
// next read, which is a consistent one, shows which it is. The zero lowerIndex says that nothing of the kind happened.
type lowerIndex struct {
	index  uint64    // of the answer before
	readAt time.Time // when that was asked for
}

// Failures are what a view has to remember of its failures.
type failures struct {
	row          int       // how many in a row, each soon after the last success
	workingSince time.Time // zero while the last request failed
}

// A request is what was sent to Consul and is not answered yet.
type request struct {
	ask
	begun  time.Time
	cancel context.CancelFunc
	over   bool // nobody waits for it any more
}

// An outcome is what came of a request.
type outcome struct {
	view    *view
	request *request
	result  result
	err     error
}

// forget makes the next answer one that is handed on, whatever the last one was.
func (v *view) forget() {
	if v.reader.dropped != nil {
		v.reader.dropped()
	}
}

// restHeap is a heap of resting views, those first that are due first.
type restHeap []*view

func (h restHeap) Len() int           { return len(h) }
func (h restHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h restHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}
func (h *restHeap) Push(x any) {
	v := x.(*view)
	v.heapIndex = len(*h)
	*h = append(*h, v)
}
func (h *restHeap) Pop() any {
	last := len(*h) - 1
	v := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return v
}
