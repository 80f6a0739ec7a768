package consul

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"lictor/watch"
)

// A lookout notices when Consul, having been away, is back. After a long time away whatever failed rests for half a minute; it
// would be as late to see that there is a leader again. So one small request is sent again and again while Consul is away,
// and all who rest are woken when it succeeds.
type lookout struct {
	suspected chan struct{} // gets a value when a request fails like those to what is away

	mu   sync.Mutex
	back chan struct{} // is closed, and replaced, when Consul is back
}

func newLookout() *lookout {
	return &lookout{suspected: make(chan struct{}, 1), back: make(chan struct{})}
}

// next is closed the next time that Consul is back. Who asks for it before a request, and rests after that failed, does not
// miss what happened meanwhile.
func (l *lookout) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.back
}

// announce wakes all who wait.
func (l *lookout) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.back)
	l.back = make(chan struct{})
}

// note takes note of how a request ended.
func (l *lookout) note(err error) {
	if err != nil && !refusal(err) && !watch.IsPermanent(err) && !errors.Is(err, errFull) {
		signal(l.suspected)
	}
}

// While Consul is away it is asked this often. Those who rest are woken within wakeSpread after that, lest they all ask at once.
const (
	lookEvery  = 500 * time.Millisecond
	wakeSpread = 250 * time.Millisecond
)

// lookOut tells who rests when Consul is back, until ctx ends. It wakes nobody when Consul was there all the time: what fails then
// fails for a reason of its own.
func (c *client) lookOut(ctx context.Context) {
	for {
		select {
		case <-c.lookout.suspected:
		case <-ctx.Done():
			return
		}
		away := false
		for ctx.Err() == nil && !c.there(ctx) {
			away = true
			sleep(ctx, lookEvery+rand.N(lookEvery/2))
		}
		if ctx.Err() == nil && away {
			c.log.Debug("consul is back, what failed is tried again")
			c.lookout.announce()
		}
		sleep(ctx, lookEvery)
	}
}

// there tells whether Consul answers, and knows a leader.
func (c *client) there(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := c.probe(ctx); err != nil {
		return false
	}
	known := true
	_, err := c.ask(ctx, call{path: "status/leader"}, func(r io.Reader) error {
		text, err := io.ReadAll(io.LimitReader(r, 1<<10))
		known = strings.TrimSpace(string(text)) != `""`
		return err
	})
	return known && (err == nil || refusal(err) || watch.IsPermanent(err))
}

// rest waits after a failure, but not much longer than until Consul is back, which back tells. It tells whether that woke it.
func rest(ctx context.Context, pause time.Duration, back <-chan struct{}) (woken bool) {
	select {
	case <-time.After(pause):
		return false
	case <-back:
		sleep(ctx, min(pause, rand.N(wakeSpread)))
		return true
	case <-ctx.Done():
		return false
	}
}

// refusal tells whether Consul, or what is between, does not want to answer, rather than being unable to.
func refusal(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.status < http.StatusInternalServerError
}
