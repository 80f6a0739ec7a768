package consul

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"time"

	"lictor/watch"
)

// How much a common prefix may hold for its keys and prefixes to share one query: for each key that is wanted some, for
// each prefix more, since its size is unknown, and some for them all. Reading a hundred keys more costs less than one
// more connection.
func roomFor(queries []watch.Query) int {
	room := roomForAll
	for _, q := range queries {
		room += roomOf(q)
	}
	return room
}

const roomForAll = 100

// roomBytes is how large those may be on average that nobody asked for. How large they are is known when they have been read.
const roomBytes = 4 << 10

func roomOf(q watch.Query) int {
	if _, ok := q.(watch.Key); ok {
		return 4
	}
	return 100
}

// A survey says which prefixes may be read as a whole for some queries.
type survey struct {
	rings []place
	alone []watch.Query // those that no prefix is fit for
}

// maxProbes is how many prefixes a survey looks at. What it has not come to by then is answered alone.
const maxProbes = 100

// survey looks for the prefixes that hold little beside the queries, which are keys and prefixes of one scope. It asks for
// names only, and no more of them than there is room for.
func (p *planner) survey(ctx context.Context, scope watch.Scope, queries []watch.Query, heavy map[place]bool) (survey, error) {
	var s survey
	probes := maxProbes
	var look func(within string, queries []watch.Query) error
	look = func(within string, queries []watch.Query) error {
		prefix := commonFolder(queries)
		if len(queries) < 2 || probes == 0 {
			s.alone = append(s.alone, queries...)
			return nil
		}
		probes--
		at := place{kind: inRing, scope: scope, prefix: prefix}
		fits, err := p.fits(ctx, scope, prefix, roomFor(queries))
		if err != nil {
			return err
		}
		if fits && !heavy[at] {
			s.rings = append(s.rings, at)
			return nil
		}
		parts := map[string][]watch.Query{}
		for _, q := range queries {
			folder, _, deeper := strings.Cut(strings.TrimPrefix(pathOf(q), prefix), "/")
			if !deeper {
				s.alone = append(s.alone, q)
				continue
			}
			parts[folder] = append(parts[folder], q)
		}
		for _, part := range parts {
			if err := look(prefix, part); err != nil {
				return err
			}
		}
		return nil
	}
	err := look("", queries)
	return s, err
}

// pathOf is the path that a key or prefix is about.
func pathOf(q watch.Query) string {
	if p, ok := q.(watch.Prefix); ok {
		return p.Path
	}
	return q.(watch.Key).Path
}

// commonFolder is the longest prefix of all paths that ends with a slash, or nothing.
func commonFolder(queries []watch.Query) string {
	common := pathOf(queries[0])
	for _, q := range queries {
		path := pathOf(q)
		for !strings.HasPrefix(path, common) {
			common = common[:len(common)-1]
		}
	}
	return common[:strings.LastIndexByte(common, '/')+1]
}

var errTooMany = errors.New("too many keys")

// fits tells whether a prefix holds no more than so many keys, as far as our token may know.
func (p *planner) fits(ctx context.Context, scope watch.Scope, prefix string, most int) (bool, error) {
	query := scopeQuery(scope)
	query.Set("keys", "")
	_, err := p.client.get(ctx, call{path: kvPath(prefix), query: query, mode: p.readMode()}, func(r io.Reader) error {
		return countNames(r, most)
	})
	if errors.Is(err, errTooMany) || denied(err) {
		return false, nil
	}
	return err == nil, err
}

// countNames reads a JSON list of strings, and stops with an error when there are more than most.
func countNames(r io.Reader, most int) error {
	buf := make([]byte, 16<<10)
	quotes, escaped := 0, false
	var begun bool
	var first, last byte
	for {
		n, err := r.Read(buf)
		for _, c := range buf[:n] {
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				quotes++
			}
			if !space(c) {
				if !begun {
					begun, first = true, c
				}
				last = c
			}
		}
		if quotes > 2*most {
			return errTooMany
		}
		if err == io.EOF {
			if first != '[' || last != ']' || quotes%2 != 0 {
				return errors.New("a list of names was expected")
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// startSurveys looks for prefixes for the queries that have no place yet.
func (p *planner) startSurveys(ctx context.Context, plan map[watch.Query]place) {
	todo := map[watch.Scope][]*watch.Seat{}
	for q, at := range plan {
		if at.kind == nowhere && !p.pending.Has(q) {
			p.pending.Add(q)
			todo[at.scope] = append(todo[at.scope], p.want[q])
		}
	}
	heavy := maps.Clone(p.heavy)
	for scope, seats := range todo {
		p.wg.Go(func() {
			queries, back := queriesOf(seats), p.client.lookout.next()
			found, err := p.survey(ctx, scope, queries, heavy)
			if err != nil { // it is tried again: the queries have no place still
				pause := time.Duration(0)
				for _, s := range seats {
					pause = max(pause, s.Failed(err))
				}
				found = survey{}
				rest(ctx, pause, back)
			}
			take := func() {
				for _, q := range queries {
					delete(p.pending, q)
				}
				for _, at := range found.rings {
					p.rings[scope] = append(p.rings[scope], at.prefix)
				}
				for _, q := range found.alone {
					if p.want[q] != nil {
						p.alone.Add(q)
					}
				}
			}
			select {
			case p.surveys <- take:
			case <-ctx.Done():
			}
		})
	}
}
