package consul

import (
	"io"
	"strings"

	"lictor/watch"
)

// A rawPair is a key as Consul writes it. Its value is in base64, which encoding/json decodes for byte slices.
type rawPair struct {
	Key                                 string
	Value                               []byte
	CreateIndex, ModifyIndex, LockIndex uint64
	Flags                               uint64
	Session                             string
}

func newPair(r *rawPair) (*watch.KeyPair, error) {
	if r.Key == "" {
		return nil, errNameless
	}
	return &watch.KeyPair{
		Path: r.Key, Key: r.Key, Value: string(r.Value),
		CreateIndex: r.CreateIndex, ModifyIndex: r.ModifyIndex, LockIndex: r.LockIndex, Flags: r.Flags, Session: r.Session,
	}, nil
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
				p.Key = watch.RelativeKey(q.Path, p.Path)
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
