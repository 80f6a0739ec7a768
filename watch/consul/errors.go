package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lictor/watch"
)

// A statusError is an answer of Consul that says no.
type statusError struct {
	status int
	text   string // one clear line
}

func (e *statusError) Error() string { return e.text }

// A silence is how long a call was left without an answer.
type silence time.Duration

func (s silence) Error() string { return "no answer within " + time.Duration(s).String() }

// silent tells whether err says that the peer said nothing for too long: to a request, or already to who wanted to connect.
func silent(err error) bool {
	_, is := errors.AsType[silence](err)
	late, ok := errors.AsType[net.Error](err)
	return is || ok && late.Timeout()
}

// denied tells whether err says that our token may not read something.
func denied(err error) bool { return hasStatus(err, http.StatusForbidden) }

// hasStatus tells whether err is an answer of Consul with one of some statuses.
func hasStatus(err error, statuses ...int) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && slices.Contains(statuses, e.status)
}

// tooMany takes note of a 429: requests pause as long as Consul asks for. When that ends the connection, it is connections
// that are too many, and not requests.
func (c *client) tooMany(resp *http.Response) {
	if resp.Close {
		c.budget.slots.turnedAway()
	}
	pause := 100 * time.Millisecond
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		pause = min(time.Duration(s)*time.Second, 30*time.Second)
	}
	if c.budget.pause.begin(pause) {
		c.log.Warn("consul turns connections away (429): what it does not let us hold open is read in turn; its limits.http_max_conns_per_client counts all programs of this host",
			"agent", c.base.String())
	}
}

// refused makes the error of an answer with a status that is not a success.
func (c *client) refused(r call, resp *http.Response, body io.Reader) error {
	text, _ := io.ReadAll(io.LimitReader(body, 2048))
	said := oneLine(string(text))
	fail := func(format string, args ...any) *statusError {
		return &statusError{resp.StatusCode, fmt.Sprintf(format, args...)}
	}
	switch resp.StatusCode {
	case http.StatusForbidden, http.StatusUnauthorized:
		return fail("permission denied by consul at %s: %s", c.base, said)
	case http.StatusTooManyRequests:
		c.tooMany(resp)
		return fail("consul at %s accepts no more connections or requests from us now (429): %s", c.base, said)
	case http.StatusBadRequest:
		return watch.Permanent(fail("consul at %s refuses the request: %s", c.base, said))
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return watch.Permanent(fail("consul at %s does not know /v1/%s: its version or edition lacks this, or it is switched off", c.base, r.path))
	}
	if strings.Contains(said, "boolean expression") { // older servers give this the status of an error of their own
		return watch.Permanent(fail("consul at %s refuses the filter: %s", c.base, said))
	}
	if strings.Contains(said, "No path to datacenter") {
		return errNoPath
	}
	if strings.Contains(said, "must be enabled") {
		return watch.Permanent(fail("consul at %s: %s", c.base, said))
	}
	return fail("consul at %s: %s (%d)", c.base, said, resp.StatusCode)
}

// notEstablished is what net/http says of a connection with HTTP/2 that ended before anything was sent. It has no type for it.
const notEstablished = "http2: client conn could not be established"

// errCut says that a connection ended before there was an answer.
var errCut = errors.New("closed the connection")

// unreachable makes the error of a request that got no answer. What the HTTP client says is cut down to its cause: the
// rest repeats the request.
func (c *client) unreachable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if elsewhere, ok := errors.AsType[redirectError](err); ok {
		return watch.Permanent(fmt.Errorf("consul at %s %w", c.base, elsewhere))
	}
	for _, cut := range []error{io.EOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, cut) || err.Error() == notEstablished {
			return fmt.Errorf("consul at %s %w", c.base, errCut)
		}
	}
	return fmt.Errorf("consul at %s: %w", c.base, err)
}

// malformed makes the error of an answer that could not be read to its end, or is not what it should be. It says nothing
// of the answer itself, which may be secret.
func (c *client) malformed(ctx context.Context, r call, err error) error {
	if ctx.Err() != nil {
		return c.unreachable(ctx, err)
	}
	return fmt.Errorf("consul at %s: the answer of /v1/%s was cut off or is malformed: %w", c.base, r.path, err)
}

// oneLine makes what Consul said fit for a log line.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.TrimPrefix(s, "rpc error making call: ")
	if _, desc, ok := strings.Cut(s, "desc = "); ok {
		s = desc
	}
	if len(s) > 300 {
		s = s[:300] + "..."
	}
	if s == "" {
		return "no reason given"
	}
	return s
}
