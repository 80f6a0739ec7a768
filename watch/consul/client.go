package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"lictor/watch"
)

// A client sends requests to one agent, within its budget of connections and its rate.
type client struct {
	base     base
	defaults url.Values // parameters of requests that don't set them: the namespace and the partition
	token    *renewed[Secret]
	user     string
	password Secret
	wait     time.Duration // of blocking queries that don't say how long
	log      *slog.Logger

	budget    *budget
	limiter   *rate.Limiter
	transport *http.Transport
	http      *http.Client // over transport
	probing   probing
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
	const attempts = 20
	for attempt := 1; ; attempt++ {
		answer, err := c.send(ctx, r, decode)
		if attempt == attempts || !hasStatus(err, http.StatusTooManyRequests) && !errors.Is(err, errFull) {
			return answer, err
		}
		// There is nothing wrong with this read: it goes when Consul has let another one in.
	}
}

// unheld tells whether an error of a call that was to be held open means just that it can't be, while it may well be answered at
// once: we have no connection for it, Consul lets no more in, or something in between gave up waiting, or knows nothing of it.
func unheld(err error) bool {
	return hasStatus(err, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout) ||
		errors.Is(err, errFull) || watch.IsPermanent(err) // if that was meant for the query, the next read says so
}

// readLimit is how long a peer may be silent that has something to say.
const readLimit = 30 * time.Second

// limit is how long a call may be without an answer. A blocking query takes up to a sixteenth longer than asked for, since
// the servers spread their answers; what is later comes from a peer that has gone silent.
func (c *client) limit(r call) time.Duration {
	if r.index > 0 {
		wait := cmp.Or(r.wait, c.wait)
		return wait + wait/16 + 10*time.Second
	}
	return readLimit
}

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
	sleep(ctx, c.budget.pause.left())
	if err := c.limiter.Wait(ctx); err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cancelAfter := func(d time.Duration) *time.Timer { return time.AfterFunc(d, func() { cancel(silence(d)) }) }
	limit := c.limit(r)
	unanswered := cancelAfter(limit)
	defer unanswered.Stop()
	req, err := c.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// When a connection that was used before is cut, net/http sends the request once more: its time begins anew then.
		GotConn: func(httptrace.GotConnInfo) { unanswered.Reset(limit) },
	}), r)
	if err != nil {
		return reply{}, err
	}
	resp, err := c.http.Do(req)
	unanswered.Stop()
	if err != nil {
		return reply{}, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	body := &patience{resp.Body, cancelAfter(readLimit)}
	defer body.timer.Stop()
	answer, err := c.understand(ctx, r, resp, body, decode)
	if err == nil {
		_, _ = io.CopyN(io.Discard, body, 1<<10) // up to its end, so that the connection is used again
	}
	return answer, err
}

// understand reads what came with an answer, and its body.
func (c *client) understand(ctx context.Context, r call, resp *http.Response, body io.Reader, decode func(io.Reader) error) (reply, error) {
	answer := reply{found: resp.StatusCode == http.StatusOK, index: index(resp.Header), evidence: evidence(resp.Header, r.mode)}
	indexed := resp.Header.Get("X-Consul-Index") != ""
	switch {
	case answer.evidence.NoLeader && resp.StatusCode < http.StatusInternalServerError && r.mode == consistent:
		return reply{}, fmt.Errorf("consul at %s knows no leader", c.base)
	case answer.evidence.NoLeader && resp.StatusCode < http.StatusInternalServerError:
		return reply{}, errLeaderless
	case resp.StatusCode == http.StatusNotFound && indexed: // without an index it is the endpoint that is not there
		return answer, nil
	case !answer.found:
		return reply{}, c.refused(r, resp, body)
	case !indexed && hasIndex(r.path):
		return reply{}, fmt.Errorf("what answers /v1/%s at %s is not consul: its answer has no X-Consul-Index", r.path, c.base)
	}
	if err := decode(body); err != nil {
		return reply{}, c.malformed(ctx, r, err)
	}
	return answer, nil
}

func (c *client) request(ctx context.Context, r call) (*http.Request, error) {
	token, err := c.token.get()
	if err != nil && !errors.Is(err, errNoToken) {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.url.String()+"/v1/"+r.path, nil)
	if err != nil {
		return nil, err
	}
	query := maps.Clone(c.defaults)
	maps.Copy(query, r.query)
	switch r.mode {
	case stale:
		query.Set("stale", "")
	case consistent:
		query.Set("consistent", "")
	}
	if r.index > 0 {
		query.Set("index", strconv.FormatUint(r.index, 10))
		query.Set("wait", strconv.FormatInt(cmp.Or(r.wait, c.wait).Milliseconds(), 10)+"ms")
	}
	req.URL.RawQuery = query.Encode()
	if token != "" {
		req.Header.Set("X-Consul-Token", string(token))
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, string(c.password))
	}
	return req, nil
}

// pathSegment escapes a name, or a part of a key, for the path of a call. Consul accepts any text for these. A server would take
// "." and ".." for folders of the address, and walk.
func pathSegment(name string) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// hasIndex tells whether Consul always answers such a path with an index.
func hasIndex(path string) bool {
	return strings.HasPrefix(path, "kv/") || strings.HasPrefix(path, "health/") || strings.HasPrefix(path, "catalog/") && path != "catalog/datacenters"
}

// index reads an answer's index. It is never 0: a request with index 0 would not wait.
func index(h http.Header) uint64 {
	i, _ := strconv.ParseUint(h.Get("X-Consul-Index"), 10, 64)
	return max(i, 1)
}

// evidence reads what an answer says of its own worth. Answers of the streaming backend, which Consul uses for services
// that are waited for, always say that there is no leader; they come from a stream of what the leader commits. Nor do they
// say that access rules hid anything: measured on Consul 1.13.9, a token that loses its rights gets an empty list and a
// plain 200.
func evidence(h http.Header, m mode) watch.Evidence {
	ms, _ := strconv.ParseUint(h.Get("X-Consul-LastContact"), 10, 63)
	streamed := h.Get("X-Consul-Query-Backend") == "streaming"
	return watch.Evidence{
		NoLeader:   h.Get("X-Consul-KnownLeader") == "false" && !streamed,
		Unmarked:   streamed,
		Age:        time.Duration(min(ms, 1<<40)) * time.Millisecond,
		Filtered:   h.Get("X-Consul-Results-Filtered-By-ACLs") == "true",
		Consistent: m == consistent && !streamed,
	}
}
