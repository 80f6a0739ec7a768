package consul

import (
	"io"
	"strings"

	"lictor/watch"
)

// A rawPair is a key as Consul writes it. Its value is in base64, which encoding/json decodes for byte slices.
type rawPair struct {
	watch.KeyPair
	Value []byte
}

func newPair(r *rawPair) (*watch.KeyPair, error) {
	if r.Key == "" {
		return nil, errNameless
	}
	pair := r.KeyPair // a copy, so that the value is not kept twice
	pair.Path, pair.Value = r.Key, string(r.Value)
	return &pair, nil
}

func keyEndpoint(q watch.Key) endpoint {
	return endpoint{path: kvPath(q.Path), query: scopeQuery(q.Scope), none: (*watch.KeyPair)(nil),
		decode: func(r io.Reader) (any, error) {
			pairs, err := list(r, newPair)
			if err != nil || len(pairs) == 0 {
				return (*watch.KeyPair)(nil), err
			}
			return pairs[0], nil
		}}
}

// prefixEndpoint reads all keys below a prefix. Consul lists them in the byte order of their names.
func prefixEndpoint(q watch.Prefix) endpoint {
	query := scopeQuery(q.Scope)
	query.Set("recurse", "")
	return endpoint{path: kvPath(q.Path), query: query, none: []*watch.KeyPair{},
		decode: func(r io.Reader) (any, error) {
			pairs, err := list(r, newPair)
			for _, p := range pairs {
				p.Key = relativeKey(p.Path, q.Path)
			}
			return pairs, err
		}}
}

// kvPath escapes a key, keeping its slashes.
func kvPath(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = pathSegment(p)
	}
	return "kv/" + strings.Join(parts, "/")
}

// relativeKey is what of a path lies below a prefix.
func relativeKey(path, prefix string) string {
	return strings.TrimLeft(strings.TrimPrefix(path, prefix), "/")
}
