package watch

import (
	"sort"
	"strings"
)

// KeysBelow is the part of pairs whose paths begin with prefix. They must be sorted by path, as bytes are; so is the part, which
// shares their memory, and may be appended to.
func KeysBelow(pairs []*KeyPair, prefix string) []*KeyPair {
	part := pairs[sort.Search(len(pairs), func(i int) bool { return pairs[i].Path >= prefix }):]
	end := sort.Search(len(part), func(i int) bool { return !strings.HasPrefix(part[i].Path, prefix) })
	return part[:end:end]
}

// RelativeTo copies pairs, with keys that are relative to prefix.
func RelativeTo(prefix string, pairs []*KeyPair) []*KeyPair {
	out := make([]*KeyPair, len(pairs))
	for i, p := range pairs {
		c := *p
		c.Key = RelativeKey(prefix, p.Path)
		out[i] = &c
	}
	return out
}

// RelativeKey is what a path is called below prefix, without the slashes that it then begins with.
func RelativeKey(prefix, path string) string {
	return strings.TrimLeft(strings.TrimPrefix(path, prefix), "/")
}
