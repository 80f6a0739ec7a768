package consul

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"lictor/watch"
)

// A pairList is what a prefix held at one moment.
type pairList struct {
	pairs  []*watch.KeyPair // by path
	byPath map[string]*watch.KeyPair
	size   int // of the paths and values together
}

// readPairs reads a list of keys. Those that were seen before are the same objects again; what is there now goes to next.
func readPairs(body io.Reader, digests digester, seen, next map[digest]*watch.KeyPair) (*pairList, error) {
	b := &pairList{byPath: make(map[string]*watch.KeyPair, len(seen))}
	err := elements(body, func(element []byte) error {
		d := digests.of(element)
		p, ok := seen[d]
		if !ok {
			var raw rawPair
			if err := json.Unmarshal(element, &raw); err != nil {
				return err
			}
			var err error
			if p, err = newPair(&raw); err != nil {
				return err
			}
		}
		next[d] = p
		b.pairs = append(b.pairs, p)
		b.byPath[p.Path] = p
		b.size += sizeOf(p)
		return nil
	})
	return b, err
}

func sizeOf(p *watch.KeyPair) int { return len(p.Path) + len(p.Value) }

// below is the part whose paths begin with prefix, and its size.
func (b *pairList) below(prefix string) (part []*watch.KeyPair, size int) {
	from, _ := slices.BinarySearchFunc(b.pairs, prefix, func(p *watch.KeyPair, s string) int { return strings.Compare(p.Path, s) })
	to := from
	for to < len(b.pairs) && strings.HasPrefix(b.pairs[to].Path, prefix) {
		size += sizeOf(b.pairs[to])
		to++
	}
	return b.pairs[from:to:to], size
}

// relative copies pairs, with their keys relative to a prefix.
func relative(pairs []*watch.KeyPair, prefix string) []*watch.KeyPair {
	out := make([]*watch.KeyPair, len(pairs))
	for i, p := range pairs {
		c := *p
		c.Key = relativeKey(p.Path, prefix)
		out[i] = &c
	}
	return out
}
