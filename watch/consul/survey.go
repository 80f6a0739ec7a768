package consul

import (
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
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
	fit   []groupKey
	alone []watch.Query // those that no prefix is fit for
}

// maxProbes is how many prefixes a survey looks at. What it has not come to by then is answered alone.
const maxProbes = 100

// survey looks for the prefixes that hold little beside the queries, which are keys and prefixes of one scope. It asks for
// names only, and no more of them than there is room for.
func (f *follower) survey(ctx context.Context, scope watch.Scope, queries []watch.Query, heavy map[groupKey]bool) (survey, error) {
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
		at := groupKey{kind: byPrefix, scope: scope, prefix: prefix}
		fits, err := f.fits(ctx, scope, prefix, roomFor(queries))
		if err != nil {
			return err
		}
		if fits && !heavy[at] {
			s.fit = append(s.fit, at)
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
func (f *follower) fits(ctx context.Context, scope watch.Scope, prefix string, most int) (bool, error) {
	query := scopeQuery(scope)
	query.Set("keys", "")
	_, err := f.client.get(ctx, call{path: kvPath(prefix), query: query, ask: ask{mode: f.readMode()}}, func(r io.Reader) error {
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

// startSurveys looks for prefixes for the queries that no group answers yet.
func (f *follower) startSurveys(plan map[watch.Query]groupKey) {
	todo := map[watch.Scope][]*watch.Subscription{}
	for q, at := range plan {
		if at.kind == unsurveyed && !f.pending.Has(q) {
			f.pending.Add(q)
			todo[at.scope] = append(todo[at.scope], f.want[q])
		}
	}
	for scope, subs := range todo {
		heavy, begun := maps.Clone(f.heavy), time.Now()
		f.wg.Go(func() {
			var queries []watch.Query
			for _, s := range subs {
				queries = append(queries, s.Query)
			}
			found, err := f.survey(f.ctx, scope, queries, heavy)
			select {
			case f.surveys <- func() { f.surveyed(scope, subs, found, err, begun) }:
			case <-f.ctx.Done():
			}
		})
	}
}

// surveyed takes in what a survey found. After a failure there is another one later: the queries are still unsurveyed.
func (f *follower) surveyed(scope watch.Scope, subs []*watch.Subscription, found survey, err error, begun time.Time) {
	if err != nil {
		f.suspect(err)
		pause := time.Duration(0)
		for _, s := range subs {
			pause = max(pause, s.Failed(err))
		}
		if f.recovery.at.After(begun) {
			pause = min(pause, rand.N(wakeSpread))
		}
		f.retrySurvey(subs, pause)
		return
	}
	for _, s := range subs {
		delete(f.pending, s.Query)
	}
	for _, at := range found.fit {
		if !slices.Contains(f.fit[scope], at.prefix) {
			f.fit[scope] = append(f.fit[scope], at.prefix)
		}
	}
	for _, q := range found.alone {
		if f.want[q] != nil {
			f.alone.Add(q)
		}
	}
}

// retrySurvey has queries looked at again after a pause, which ends when Consul is back.
func (f *follower) retrySurvey(subs []*watch.Subscription, pause time.Duration) {
	v := f.callAfter(pause, func() {
		for _, s := range subs {
			delete(f.pending, s.Query)
		}
		f.arrange()
	})
	v.failures.row = 1 // so that it is one of those that are woken
}
