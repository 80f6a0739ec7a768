package consul

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lictor/watch"
)

// request makes the request of a call.
func (c *client) request(ctx context.Context, r call) (*http.Request, error) {
	query := url.Values{}
	for k, v := range r.query {
		query[k] = v
	}
	if c.namespace != "" && !query.Has("ns") {
		query.Set("ns", c.namespace)
	}
	if c.partition != "" && !query.Has("partition") {
		query.Set("partition", c.partition)
	}
	switch r.mode {
	case stale:
		query.Set("stale", "")
	case consistent:
		query.Set("consistent", "")
	}
	if r.index > 0 {
		query.Set("index", strconv.FormatUint(r.index, 10))
		query.Set("wait", strconv.FormatInt(or(r.wait, c.wait).Milliseconds(), 10)+"ms")
	}
	u := c.base.url
	raw := u.Path + "/v1/" + r.path
	path, err := url.PathUnescape(raw)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath, u.RawQuery = path, raw, query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	token, err := c.token.read()
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password.Reveal())
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

// indexed tells whether Consul always answers such a path with an index.
func indexed(path string) bool {
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
