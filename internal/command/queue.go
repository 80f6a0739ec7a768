package command

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"lictor/internal/retry"
)

// A Queue runs commands off its caller's loop. Each is submitted under an id; of one id at most one run is under way at a
// time, and what is submitted meanwhile is run once afterwards, the newest only. Commands of different ids start in the
// order in which they were submitted, each as soon as the one before it has ended or has run for Patience: quick commands
// run one after the other, as they stand in the configuration, and a slow one does not hold up the others. One whose last
// run is not as long ago as [Queue.MinInterval] asks for is put off, and holds up nobody meanwhile.
//
// Set the fields, and call MinInterval, before the first Submit. All methods but Wait may be called from anywhere and never block.
type Queue struct {
	// Retry is after which pauses a command that failed is run again, until it succeeds or is submitted anew. The zero Backoff
	// means: not.
	Retry retry.Backoff
	// Patience is how long a command may run before the next one no longer waits for it; 0 means one second.
	Patience time.Duration

	log  *slog.Logger
	done chan struct{}
	wg   sync.WaitGroup

	mu        sync.Mutex
	holds     int             // how often Hold was called without Resume
	held      chan struct{}   // while runs may not begin: closed when they may again; else nil
	running   int             // runs that have begun and not ended
	jobs      map[string]*job // the ids that something is still to be done for
	intervals map[string]*interval
	last      <-chan struct{} // closed when the run that was asked for last has ended
	results   []Result
	tickets   int // given so far
}

// A Result is how one run of a command ended.
type Result struct {
	ID string
	// Ticket is that of the last Submit before this run began: what was submitted later has not been run yet.
	Ticket  int
	Err     error // nil, or as of [Command.Run]
	Attempt int   // 1 for the first run since it was submitted
	// Final says that nothing more is going to be run for the id, unless it was submitted again since.
	Final bool
	Pause time.Duration // when the run failed and is to be repeated: how long after the result was taken

	taken chan struct{} // closed by Take, where the run is to be repeated
}

// A job is what is to be done for one id. One goroutine works on it.
type job struct {
	next    *Command      // submitted and not yet begun
	atOnce  bool          // the next run need not wait for its interval
	running bool          // a run has begun and not ended
	ticket  int           // of the last Submit
	dropped bool          // nothing more is to be run
	news    chan struct{} // wakes the goroutine from the pause before the next run
}

// NewQueue makes a Queue whose commands write their output to log.
func NewQueue(log *slog.Logger) *Queue {
	return &Queue{log: log, done: make(chan struct{}, 1), jobs: map[string]*job{}, intervals: map[string]*interval{}}
}

// Submit has c run under id. The run ends with ctx. The ticket tells a later [Result] that covers this call: one whose
// Ticket is not smaller.
func (q *Queue) Submit(ctx context.Context, id string, c Command) (ticket int) {
	return q.submit(ctx, id, c, false)
}

// SubmitAtOnce is Submit for what must not wait until the id's interval is over. That goes for its first run, not for those
// after a failure.
func (q *Queue) SubmitAtOnce(ctx context.Context, id string, c Command) (ticket int) {
	return q.submit(ctx, id, c, true)
}

func (q *Queue) submit(ctx context.Context, id string, c Command, atOnce bool) (ticket int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tickets++
	if j, ok := q.jobs[id]; ok {
		j.next, j.ticket, j.atOnce, j.dropped = &c, q.tickets, j.atOnce || atOnce, false
		wake(j.news)
		return q.tickets
	}
	j := &job{next: &c, ticket: q.tickets, atOnce: atOnce, news: make(chan struct{}, 1)}
	q.jobs[id] = j
	var turn chan struct{}
	var before <-chan struct{}
	if !q.due(id, j).After(time.Now()) {
		turn, before = q.turn()
	}
	q.wg.Go(func() { q.work(ctx, id, j, turn, before) })
	return q.tickets
}

// Drop has nothing more be run for id, neither what was submitted nor a retry, until it is submitted again. A run that is
// under way goes on, and is the last.
func (q *Queue) Drop(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j, ok := q.jobs[id]; ok {
		j.next, j.dropped = nil, true
		wake(j.news)
	}
}

// Done delivers a wake-up when there are results to take, or nothing is left to do. Several results may be one wake-up.
func (q *Queue) Done() <-chan struct{} { return q.done }

// Take returns the results since the last Take, in the order in which the runs ended. What failed is not run again before its result
// was taken: who takes it may want something else.
func (q *Queue) Take() []Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.results
	q.results = nil
	for _, r := range taken {
		if r.taken != nil {
			close(r.taken)
		}
	}
	return taken
}

// Busy tells whether any command is running, waits for its turn or for a retry, or has a result that was not taken.
func (q *Queue) Busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs) > 0 || len(q.results) > 0
}

// Hold has no run begin until Resume is called as often as Hold was. Those that are under way go on.
func (q *Queue) Hold() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.holds++; q.holds == 1 {
		q.held = make(chan struct{})
	}
}

// Resume has runs begin again after Hold.
func (q *Queue) Resume() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.holds--; q.holds == 0 {
		close(q.held)
		q.held = nil
	}
}

// Running is how many commands are running now. One that has ended is counted no more when Done tells of its result.
func (q *Queue) Running() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running
}

// Wait returns when every goroutine of the Queue has ended, which they do when their work is done or the contexts given to
// Submit have ended.
func (q *Queue) Wait() { q.wg.Wait() }

// turn puts a run at the end of the line: it is to close turn when it has ended, and to wait for before. The caller holds mu.
func (q *Queue) turn() (turn chan struct{}, before <-chan struct{}) {
	turn, before = make(chan struct{}), q.last
	if before == nil {
		closed := make(chan struct{})
		close(closed)
		before = closed
	}
	q.last = turn
	return turn, before
}

// work runs what is submitted under id until nothing is left to do. Without a turn it has to wait before it gets one.
func (q *Queue) work(ctx context.Context, id string, j *job, turn chan struct{}, before <-chan struct{}) {
	var c Command
	more, failed := true, Result{}
	for attempt := 1; more; attempt++ {
		if turn == nil {
			q.rest(ctx, id, j, failed)
			q.mu.Lock()
			turn, before = q.turn()
			q.mu.Unlock()
		}
		select {
		case <-before:
		case <-time.After(orDefault(q.Patience, time.Second)):
		case <-ctx.Done():
		}
		newer, ticket, dropped := q.begin(ctx, id, j)
		if dropped {
			close(turn)
			return
		}
		if newer != nil {
			c, attempt = *newer, 1
		}
		err := c.Run(ctx, q.log)
		close(turn)
		turn = nil
		more, failed = q.end(ctx, id, ticket, j, attempt, err)
	}
}

// begin waits until runs may begin. It returns what was submitted since the last run, or nil, and the ticket of the last
// Submit; or that nothing is to be run any more.
func (q *Queue) begin(ctx context.Context, id string, j *job) (newer *Command, ticket int, dropped bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held != nil && ctx.Err() == nil {
		held := q.held
		q.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
		}
		q.mu.Lock()
	}
	if j.dropped {
		delete(q.jobs, id)
		wake(q.done)
		return nil, 0, true
	}
	q.running++
	if i := q.intervals[id]; i != nil {
		i.began = time.Now()
	}
	c := j.next
	j.next, j.atOnce, j.running = nil, false, true
	select {
	case <-j.news: // that is what we are about to run
	default:
	}
	return c, j.ticket, false
}

// end notes how a run ended, and says whether to run again.
func (q *Queue) end(ctx context.Context, id string, ticket int, j *job, attempt int, err error) (more bool, r Result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	j.running = false
	r = Result{ID: id, Ticket: ticket, Err: err, Attempt: attempt}
	switch {
	case ctx.Err() != nil || j.dropped:
	case j.next != nil:
		more = true
	case err != nil && q.Retry.First > 0:
		more, r.Pause, r.taken = true, max(q.Retry.Pause(attempt), time.Until(q.due(id, j))), make(chan struct{})
	}
	if r.Final = !more; r.Final {
		delete(q.jobs, id)
	}
	q.results = append(q.results, r)
	wake(q.done)
	return more, r
}

// wake leaves a note in a channel of capacity 1, if there is none yet.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
