package command

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// A Queue runs commands off its caller's loop. Each is submitted under an id; of one id at most one run is under way at a
// time, and what is submitted meanwhile is run once afterwards, the newest only. Commands of different ids start in the
// order in which they were submitted, each as soon as the one before it has ended or has run for Patience: quick commands
// run one after the other, as they stand in the configuration, and a slow one does not hold up the others.
//
// Set the fields before the first Submit. Submit, Done, Take and Busy may be called from anywhere and never block.
type Queue struct {
	// Retry says how a command that failed is run again, until it succeeds or is submitted anew. The zero Retry means: not.
	Retry Retry
	// Patience is how long a command may run before the next one no longer waits for it; 0 means one second.
	Patience time.Duration

	log  *slog.Logger
	done chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	jobs    map[string]*job // the ids that something is still to be done for
	last    <-chan struct{} // closed when the run that was asked for last has ended
	results []Result
	tickets int // given so far
}

// Retry is a policy for trying again what failed: after Backoff, then twice that and so on up to MaxBackoff (0 means no
// limit), each pause shortened by a random part of up to a half.
type Retry struct{ Backoff, MaxBackoff time.Duration }

// A Result is how one run of a command ended.
type Result struct {
	ID string
	// Ticket is that of the last Submit before this run began: what was submitted later has not been run yet.
	Ticket  int
	Err     error // nil, or as of [Command.Run]
	Attempt int   // 1 for the first run since it was submitted
	// Final says that nothing more is going to be run for the id, unless it was submitted again since.
	Final bool
	Pause time.Duration // when the run failed and is to be repeated: after how long
}

// A job is what is to be done for one id. One goroutine works on it.
type job struct {
	next   *Command      // submitted and not yet begun
	ticket int           // of the last Submit
	news   chan struct{} // wakes the goroutine from the pause before a retry
}

// NewQueue makes a Queue whose commands write their output to log.
func NewQueue(log *slog.Logger) *Queue {
	return &Queue{log: log, done: make(chan struct{}, 1), jobs: map[string]*job{}}
}

// Submit has c run under id. The run ends with ctx. The ticket tells a later [Result] that covers this call: one whose
// Ticket is not smaller.
func (q *Queue) Submit(ctx context.Context, id string, c Command) (ticket int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tickets++
	if j, ok := q.jobs[id]; ok {
		j.next, j.ticket = &c, q.tickets
		wake(j.news)
		return q.tickets
	}
	j := &job{next: &c, ticket: q.tickets, news: make(chan struct{}, 1)}
	q.jobs[id] = j
	turn, before := q.turn()
	q.wg.Go(func() { q.work(ctx, id, j, turn, before) })
	return q.tickets
}

// Done delivers a wake-up when there are results to take. Several results may be one wake-up.
func (q *Queue) Done() <-chan struct{} { return q.done }

// Take returns the results since the last Take, in the order in which the runs ended.
func (q *Queue) Take() []Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.results
	q.results = nil
	return taken
}

// Busy tells whether any command is running, waits for its turn or for a retry, or has a result that was not taken.
func (q *Queue) Busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs) > 0 || len(q.results) > 0
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

// work runs what is submitted under id until nothing is left to do.
func (q *Queue) work(ctx context.Context, id string, j *job, turn chan struct{}, before <-chan struct{}) {
	var c Command
	for attempt := 1; ; attempt++ {
		select {
		case <-before:
		case <-time.After(orDefault(q.Patience, time.Second)):
		case <-ctx.Done():
		}
		newer, ticket := q.begin(j)
		if newer != nil {
			c, attempt = *newer, 1
		}
		err := c.Run(ctx, q.log)
		close(turn)
		more, pause := q.end(ctx, id, ticket, j, attempt, err)
		if !more {
			return
		}
		select {
		case <-j.news:
		case <-time.After(pause):
		case <-ctx.Done():
		}
		q.mu.Lock()
		turn, before = q.turn()
		q.mu.Unlock()
	}
}

// begin takes what was submitted since the last run, or nil, and the ticket of the last Submit.
func (q *Queue) begin(j *job) (*Command, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := j.next
	j.next = nil
	select {
	case <-j.news: // that is what we are about to run
	default:
	}
	return c, j.ticket
}

// end notes how a run ended, and says whether to run again and after which pause.
func (q *Queue) end(ctx context.Context, id string, ticket int, j *job, attempt int, err error) (more bool, pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case j.next != nil:
		more = true
	case err != nil && q.Retry.Backoff > 0:
		more, pause = true, q.Retry.Pause(attempt)
	}
	if !more {
		delete(q.jobs, id)
	}
	q.results = append(q.results, Result{ID: id, Ticket: ticket, Err: err, Attempt: attempt, Final: !more, Pause: pause})
	wake(q.done)
	return more, pause
}

// Pause is how long to wait after the given number of failures in a row (1 or more).
func (r Retry) Pause(failures int) time.Duration {
	limit := orDefault(r.MaxBackoff, 24*time.Hour)
	d := min(r.Backoff, limit)
	for i := 1; i < failures && d < limit; i++ {
		d = min(2*d, limit)
	}
	if d <= 1 {
		return d
	}
	return d - rand.N(d/2+1)
}

// wake leaves a note in a channel of capacity 1, if there is none yet.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
