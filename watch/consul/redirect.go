package consul

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// newHTTPClient makes a client that follows redirects only to where a token may be sent. Every request that holds a secret must go
// through one: net/http by itself takes X-Consul-Token along to any host.
func newHTTPClient(transport *http.Transport) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}
}

// A redirectError says where a redirect leads that is not followed.
type redirectError string

func (e redirectError) Error() string { return string(e) }

// checkRedirect is an http.Client's. It lets a request go on to the host and port from where it was redirected, and from http to
// https on the same host, which must be another port.
func checkRedirect(next *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL, next.URL
	sameHost, samePort := strings.EqualFold(from.Hostname(), to.Hostname()), port(from) == port(to)
	switch {
	case len(via) >= 10:
		return errors.New("stopped after 10 redirects")
	case !sameHost, !samePort && from.Scheme == to.Scheme:
		return redirectError(fmt.Sprintf("redirects to another host, %s: not followed, since the token would be sent there; use that as the consul address if it is trusted", to.Host))
	case from.Scheme == "https" && to.Scheme != "https":
		return redirectError(fmt.Sprintf("redirects from https to %s: not followed, since the token would be sent in clear text", to.Scheme))
	}
	return nil
}

func port(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}
