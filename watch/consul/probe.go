package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// A probing is one attempt to find out what the agent speaks, which all who want to know wait for.
type probing struct {
	done chan struct{}
	err  error // once done is closed
	left bool  // who made the attempt has left before it was over, so err says nothing of the agent
}

// probe finds out once whether the agent speaks HTTP/2, which it does over TLS. Until that is known no other request is sent,
// so that they don't all open a connection. All who wait share one attempt and its error: were each to try by itself, the last
// of many would hear only after as many time-outs that the agent is silent. The next to ask after a failure tries again.
func (c *client) probe(ctx context.Context) error {
	if c.base.url.Scheme != "https" {
		return nil
	}
	for {
		c.mu.Lock()
		p := c.probing
		if p == nil {
			p = &probing{done: make(chan struct{})}
			c.probing = p
			c.mu.Unlock()
			return c.attempt(ctx, p)
		}
		c.mu.Unlock()
		select {
		case <-p.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !p.left {
			return p.err
		}
	}
}

// attempt makes an attempt, and tells who waits for it.
func (c *client) attempt(ctx context.Context, p *probing) error {
	pools, err := c.negotiate(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.http = pools
	} else {
		p.err, p.left = err, ctx.Err() != nil
		c.probing = nil
	}
	close(p.done)
	return err
}

// negotiate asks the agent for something, to see which protocol it speaks and how many requests may share a connection. It
// widens the budget where that is many, and tells where connections are to come from.
func (c *client) negotiate(ctx context.Context) (pools, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readLimit, silence(readLimit))
	defer cancel()
	req, err := c.request(ctx, call{path: "status/leader"})
	if err != nil {
		return pools{}, err
	}
	host := c.base.url.Host
	if c.base.url.Port() == "" {
		host = net.JoinHostPort(c.base.url.Hostname(), "443")
	}
	transport := c.streams.Clone()
	transport.MaxConnsPerHost = 0 // net/http panics when a ClientConn ends that speaks HTTP/1.1: it is counted down, but was never counted
	conn, err := transport.NewClientConn(ctx, "https", host)
	if err != nil {
		return pools{}, c.unreachable(ctx, err)
	}
	defer conn.Close()
	resp, err := conn.RoundTrip(req)
	if err != nil {
		if err = c.unreachable(ctx, err); errors.Is(err, errCut) { // net/http may not say that TLS told us why
			err = fmt.Errorf("%w right after the TLS handshake: it may want a client certificate, or not accept ours", err)
		}
		return pools{}, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	most := c.budget.connections.limit()
	connections := min(most, streamConnections)
	slots := connections * min(streamsEach, conn.Available()*4/5) // the rest is for reads
	if resp.ProtoMajor >= 2 && slots > most {
		c.budget.widen(connections, slots)
		return c.http, nil
	}
	c.http.closeIdle()
	return c.fallback(), nil
}
