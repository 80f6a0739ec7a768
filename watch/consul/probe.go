package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// sharedConnections is the most connections over which requests are spread where many share one. Consul allows 250 on each.
	sharedConnections = 8
	blockingOnEach    = 200
)

// A probing is what is known of the protocol that the agent speaks. It may be HTTP/2 over TLS, where many requests share a connection.
type probing struct {
	// turn is a lock that can be given up waiting for: who has put a value in may use what follows, and takes it out again. Nobody
	// waits for it who holds a mutex.
	turn chan struct{}

	over     bool      // an attempt to find out has succeeded
	err      error     // of the last attempt that failed
	failedAt time.Time // when that was
}

// probeAgain is how long the error of an attempt is that of all who ask.
const probeAgain = time.Second

// probe finds out once which protocol the agent speaks. Until that is known no other request is sent over TLS, so that they don't
// all open a connection. Who waits for the attempt of another, or comes soon after it, gets its error: were each to try by itself,
// the last of many would hear only after as many time-outs that the agent is silent.
func (c *client) probe(ctx context.Context) error {
	if c.base.url.Scheme != "https" {
		return nil
	}
	p := &c.probing
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	switch {
	case p.over:
		return nil
	case time.Since(p.failedAt) < probeAgain:
		return p.err
	}
	err := c.negotiate(ctx)
	switch {
	case err == nil:
		p.over = true
	case ctx.Err() == nil: // else it says nothing of the agent: the next makes an attempt of its own
		p.err, p.failedAt = err, time.Now()
	}
	return err
}

// negotiate asks the agent for something over a connection of its own, and sets the budget where many requests may share one.
func (c *client) negotiate(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readLimit, silence(readLimit))
	defer cancel()
	req, err := c.request(ctx, call{path: "status/leader"})
	if err != nil {
		return err
	}
	conn, err := c.transport.NewClientConn(ctx, "https", net.JoinHostPort(c.base.url.Hostname(), c.base.url.Port()))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer conn.Close()
	resp, err := conn.RoundTrip(req)
	if err != nil {
		if err = c.unreachable(ctx, err); errors.Is(err, errCut) { // net/http may not say that TLS told us why
			err = fmt.Errorf("%w right after the TLS handshake: it may want a client certificate, or not accept ours", err)
		}
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	most := cap(c.budget.connections)
	connections := min(most, sharedConnections)
	slots := connections * min(blockingOnEach, conn.Available()*4/5) // the rest is for reads
	if resp.ProtoMajor >= 2 && slots > most {
		c.budget.share(connections, slots)
	}
	return nil
}
