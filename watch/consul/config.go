// Package consul is the source that answers queries from a Consul agent.
//
// Few queries are each held open as a blocking query of their own. When there are more than the connection budget
// allows, [Source.Follow] plans: keys share a query on their common prefix, and services are followed by a handful of
// queries that tell when something changed. ARCHITECTURE.md and the comments of plan.go say more.
package consul

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// A Secret is a text that must not be seen. It prints as "(secret)".
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Config says how to reach Consul. The zero Config is an agent without access control on 127.0.0.1:8500.
type Config struct {
	// Address is HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:///PATH. A path after the port goes before each
	// request's, for an agent behind a gateway. "" is 127.0.0.1:8500.
	Address              string
	Namespace, Partition string // for queries that name none

	Token     Secret
	TokenFile string // holds the token, and wins over Token; it is read again for each request
	Username  string // HTTP basic authentication; "" for none
	Password  Secret

	TLS       TLS
	Transport Transport

	// Wait is how long Consul may hold a query open when nothing changes; 0 means 60 s.
	Wait time.Duration
	// Stale lets any server answer, not only the leader. How old such an answer may be is for the Watcher to say.
	Stale bool
	// MaxConnections is the most connections that are open at any moment; 0 means 64. An agent accepts 200 from one
	// address by default, and other programs of the host share them.
	MaxConnections int
	// MaxRate is the most requests that are begun in a second; 0 means 2000.
	MaxRate float64
	// Once answers each query once and then holds nothing open, except for a key or prefix that does not exist: that is
	// waited for.
	Once bool
	// Plan forces a plan instead of choosing one by the number of queries; "" chooses. See [Plans].
	Plan string
	// Log gets what the source does by itself; nil logs nothing.
	Log *slog.Logger
}

// Transport tunes the HTTP connections. Zero values stand for the defaults.
type Transport struct {
	DialKeepAlive       time.Duration // 30 s
	DialTimeout         time.Duration // 30 s
	IdleConnTimeout     time.Duration // 5 s
	TLSHandshakeTimeout time.Duration // 10 s
	MaxIdleConns        int           // no limit
	MaxIdleConnsPerHost int           // 100
	DisableKeepAlives   bool

	dial dial // opens connections in place of the network, for tests
}

const (
	defaultWait        = time.Minute
	defaultConnections = 64
	defaultRate        = 2000
)

// A base is where requests go.
type base struct {
	url    url.URL // scheme, host, and a path that goes before each request's
	socket string  // the path of a unix socket
}

func (b base) String() string {
	if b.socket != "" {
		return "unix://" + b.socket
	}
	return b.url.Host
}

// transport makes a transport whose connections the budget counts.
func (c *Config) transport(b base, conf *tls.Config, budget *budget) *http.Transport {
	t := c.Transport
	dialer := &net.Dialer{Timeout: cmp.Or(t.DialTimeout, 30*time.Second), KeepAlive: cmp.Or(t.DialKeepAlive, 30*time.Second)}
	open, proxy := dialer.DialContext, http.ProxyFromEnvironment
	if t.dial != nil {
		open, proxy = t.dial, nil
	} else if b.socket != "" {
		open, proxy = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", b.socket)
		}, nil
	}
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         budget.dial(open),
		TLSClientConfig:     conf,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: cmp.Or(t.TLSHandshakeTimeout, 10*time.Second),
		IdleConnTimeout:     cmp.Or(t.IdleConnTimeout, 5*time.Second),
		MaxIdleConns:        t.MaxIdleConns,
		MaxIdleConnsPerHost: cmp.Or(t.MaxIdleConnsPerHost, 100),
		DisableKeepAlives:   t.DisableKeepAlives,
		DisableCompression:  true, // the agent is next door, and compressing costs it more than all the rest of a read
		// Over HTTP/2 a request that is given up leaves its connection for the next, so that one that is dead must be found out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: min(15*time.Second, cmp.Or(c.Wait, defaultWait)), PingTimeout: 10 * time.Second},
	}
}
