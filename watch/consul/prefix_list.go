package consul

import (
	"encoding/json"
	"io"

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
