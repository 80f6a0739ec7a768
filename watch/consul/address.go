package consul

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// An AddressError says why an address can never be that of an agent. It does not show what may be a password.
type AddressError struct{ why string }

func (e *AddressError) Error() string { return "consul address " + e.why }

func badAddress(format string, args ...any) error {
	return &AddressError{fmt.Sprintf(format, args...)}
}

// base reads the address.
func (c *Config) base() (base, error) {
	address := cmp.Or(c.Address, "127.0.0.1:8500")
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "http", address
	}
	if scheme != "unix" && strings.Contains(address, "@") { // wherever it is: no error may show what is before it
		return base{}, badAddress("must not hold a user name or password: use the auth options")
	}
	switch scheme {
	case "unix":
		if rest == "" {
			return base{}, badAddress("%q has no path: write unix:///PATH", address)
		}
		return base{url: url.URL{Scheme: "http", Host: "localhost"}, socket: rest}, nil
	case "http", "https":
		if c.TLS.Enabled {
			scheme = "https"
		}
		host, path, _ := strings.Cut(rest, "/")
		if strings.ContainsAny(rest, "?#") {
			return base{}, badAddress("must not have a query or a fragment: write HOST:PORT")
		}
		if err := checkHost(address, host); err != nil {
			return base{}, err
		}
		b := base{url: url.URL{Scheme: scheme, Host: host}}
		if path = strings.Trim(path, "/"); path != "" {
			unescaped, err := url.PathUnescape("/" + path)
			if err != nil {
				return base{}, badAddress("%q: %v", address, err)
			}
			b.url.Path, b.url.RawPath = unescaped, "/"+path
		}
		return b, nil
	}
	return base{}, badAddress("%q: the scheme must be http, https or unix", address)
}

// checkHost tells what is wrong with the HOST or HOST:PORT of an address.
func checkHost(address, host string) error {
	if strings.ContainsAny(address, ",;") {
		return badAddress("%q is a list: write one, that of the agent on this host", address)
	}
	if strings.ContainsFunc(address, unicode.IsSpace) {
		return badAddress("%q has a blank in it", address)
	}
	name, port, hasPort := host, "", false
	if inner, after, ok := strings.Cut(strings.TrimPrefix(host, "["), "]"); ok && host[0] == '[' {
		if ip, err := netip.ParseAddr(inner); err != nil || !ip.Is6() || after != "" && after[0] != ':' {
			return badAddress("%q: want [IPV6]:PORT", address)
		}
		name, port, hasPort = "", strings.TrimPrefix(after, ":"), after != ""
	} else if strings.Count(host, ":") > 1 {
		return badAddress("%q: write an IPv6 address in brackets, such as [::1]:8500", address)
	} else {
		name, port, hasPort = strings.Cut(host, ":")
		if name == "" {
			return badAddress("%q has no host", address)
		}
	}
	if i := strings.IndexFunc(name, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("-._", r)
	}); i >= 0 {
		return badAddress("%q: %q can not be in the name of a host", address, []rune(name[i:])[0])
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && port != "" && (err != nil || n == 0) {
		return badAddress("%q: the port must be a number from 1 to 65535", address)
	}
	return nil
}
