package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"lictor/internal/secret"
	"lictor/watch"
)

// A client sends requests to one agent, within its budget of connections and its rate.
type client struct {
	base base
	wait time.Duration
	log  *slog.Logger
	identity

	budget  *budget
	limiter *rate.Limiter
	pause   pause
	connecting
}

// An identity is who asks, and what of the registry where a query does not say.
type identity struct {
	token                token
	user                 string // of HTTP basic authentication; "" for none
	password             secret.Text
	namespace, partition string
}

// Connecting is where connections come from. Over TLS the protocol is only known after the first request: over HTTP/2 many requests
// share a connection.
type connecting struct {
	streams  *http.Transport // makes connections that many requests share; nil without TLS
	fallback func() pools    // for a server that speaks TLS but not HTTP/2, or lets few requests share a connection

	mu      sync.Mutex // of what follows
	probing *probing   // the one that is under way or has succeeded; nil before, and after one that failed
	http    pools
}

// A pools is where connections come from. What is held open has a pool of its own, lest it take the connections of reads:
// when Consul lets no more in, reads must still go on. Over HTTP/2 both are one.
type pools struct{ reads, holds *http.Client }

func (p pools) closeIdle() {
	p.reads.CloseIdleConnections()
	p.holds.CloseIdleConnections()
}

// closeIdle closes the connections that are not in use.
func (c *client) closeIdle() {
	c.mu.Lock()
	http := c.http
	c.mu.Unlock()
	http.closeIdle()
}

// A mode says which server may answer.
type mode int

const (
	leader     mode = iota // the leader, even one that was only just elected and has not read all of its log yet
	stale                  // any server, even one that has lost its leader
	consistent             // the leader, after it has made sure that it leads and has all that was committed
)

// A call is one request to read something.
type call struct {
	path  string     // escaped, below /v1/
	query url.Values // without mode, index and wait
	ask
}

// A reply says what came with the answer to a call.
type reply struct {
	found    bool   // false when Consul says that there is no such thing (404)
	index    uint64 // at least 1
	evidence watch.Evidence
}

// get sends a call, and hands the body to decode where the status is 200. What a server has that knows no leader may be of
// any age and will not change, so a call that meets one is sent again, through the leader. A client agent turns to
// another server then; else the error says that there is no leader, even where nothing was new.
func (c *client) get(ctx context.Context, r call, decode func(io.Reader) error) (answer reply, err error) {
	if err := c.probe(ctx); err != nil {
		return reply{}, err
	}
	answer, err = c.ask(ctx, r, decode)
	if errors.Is(err, errLeaderless) {
		r.mode, r.index = consistent, 0
		answer, err = c.ask(ctx, r, decode)
	}
	if errors.Is(err, errNoPath) {
		err = c.noPath(ctx, r)
	}
	return answer, err
}

var errLeaderless = errors.New("consul answers without a leader")

// ask sends a call, and a read again that Consul does not let in.
func (c *client) ask(ctx context.Context, r call, decode func(io.Reader) error) (reply, error) {
	if r.index > 0 {
		if !c.budget.slots.take() {
			return reply{}, errFull
		}
		defer c.budget.slots.release()
		answer, err := c.send(ctx, r, decode)
		if errors.Is(err, errFull) {
			c.budget.slots.turnedAway()
		}
		return answer, err
	}
	if err := c.budget.reads.acquire(ctx); err != nil {
		return reply{}, err
	}
	defer c.budget.reads.release()
	const attempts = 20
	for attempt := 1; ; attempt++ {
		answer, err := c.send(ctx, r, decode)
		if attempt == attempts || !hasStatus(err, http.StatusTooManyRequests) && !errors.Is(err, errFull) {
			return answer, err
		}
		// Reads share few connections, and there is nothing wrong with this one: it goes when Consul has let one in.
	}
}

// unheld tells whether an error of a call that was to be held open means just that it can't be, while it may well be answered at
// once: we have no connection for it, Consul lets no more in, or something in between gave up waiting, or knows nothing of it.
func unheld(err error) bool {
	if e, ok := errors.AsType[*statusError](err); ok {
		switch e.status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
	}
	return errors.Is(err, errFull) || watch.IsPermanent(err) // if that was meant for the query, the next read says so
}

// limit is how long a call may be without an answer. A blocking query takes up to a sixteenth longer than asked for, since
// the servers spread their answers; what is later comes from a peer that has gone silent.
func (c *client) limit(r call) time.Duration {
	if r.index > 0 {
		wait := or(r.wait, c.wait)
		return wait + wait/16 + 10*time.Second
	}
	return readLimit
}

// impatient is how long a call is under way at least that was cut off by something which has no patience with silence.
const impatient = 5 * time.Second

// readLimit is how long a peer may be silent that has something to say.
const readLimit = 30 * time.Second

// A patience ends a call when its peer is silent for too long. However long an answer is, it may take its time.
type patience struct {
	io.Reader
	timer *time.Timer
}

func (p *patience) Read(b []byte) (int, error) {
	p.timer.Reset(readLimit)
	return p.Reader.Read(b)
}

func (c *client) send(ctx context.Context, r call, decode func(io.Reader) error) (reply, error) {
	sleep(ctx, c.pause.left())
	if err := c.limiter.Wait(ctx); err != nil {
		return reply{}, err
	}
	limit := c.limit(r)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var answered atomic.Bool
	timer := time.AfterFunc(limit, func() {
		if answered.Load() {
			limit = readLimit
		}
		cancel(silence(limit))
	})
	defer timer.Stop()
	client := c.http.reads
	if r.index > 0 {
		client = c.http.holds
		begun := time.Now()
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			if time.Since(begun) > impatient { // net/http would ask again without a word when a connection that was used before is cut
				cancel(errCut)
			}
		}})
	}
	req, err := c.request(ctx, r)
	if err != nil {
		return reply{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	answered.Store(true)
	body := &patience{resp.Body, timer}
	worth := evidence(resp.Header, r.mode)
	if worth.NoLeader && resp.StatusCode < http.StatusInternalServerError {
		if r.mode == consistent {
			return reply{}, fmt.Errorf("consul at %s knows no leader", c.base)
		}
		return reply{}, errLeaderless
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if indexed(r.path) && resp.Header.Get("X-Consul-Index") == "" {
			return reply{}, fmt.Errorf("what answers /v1/%s at %s is not consul: its answer has no X-Consul-Index", r.path, c.base)
		}
		if err := decode(body); err != nil {
			return reply{}, c.malformed(ctx, r, err)
		}
	case http.StatusNotFound:
		if resp.Header.Get("X-Consul-Index") == "" { // not "there is no such thing" but "there is no such endpoint"
			return reply{}, c.refused(r, resp)
		}
	default:
		return reply{}, c.refused(r, resp)
	}
	_, _ = io.CopyN(io.Discard, body, 1<<10) // up to its end, so that the connection is used again
	return reply{resp.StatusCode == http.StatusOK, index(resp.Header), worth}, nil
}
