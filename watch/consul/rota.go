package consul

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"lictor/watch"
)

// A rota reads queries in turn that nothing better was found for: they are of kinds that can not be grouped, and more
// than there are slots. Each is read every few seconds, or less often when they are very many.
type rota struct {
	p *planner

	mu      sync.Mutex
	members map[watch.Query]*turn
	joined  chan struct{} // gets a value when a query joins
}

// A turn is what a rota knows of one of its queries.
type turn struct {
	due     time.Time
	busy    bool
	read    bool
	content digest // of the last answer
}

const rotaReaders = 4

func newRota(p *planner) *rota {
	return &rota{p: p, members: map[watch.Query]*turn{}, joined: make(chan struct{}, rotaReaders)}
}

func (r *rota) change(add, drop []watch.Query) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range drop {
		delete(r.members, q)
	}
	for _, q := range add {
		r.members[q] = &turn{}
	}
	for range rotaReaders {
		select {
		case r.joined <- struct{}{}:
		default:
		}
	}
}

func (r *rota) allot(int) {}

func (r *rota) run(ctx context.Context) {
	digests := newDigester()
	var wg sync.WaitGroup
	for range rotaReaders {
		wg.Go(func() {
			for ctx.Err() == nil {
				q, t, wait := r.next()
				if t == nil {
					select {
					case <-r.joined:
					case <-time.After(wait):
					case <-ctx.Done():
					}
					continue
				}
				pause, err := r.take(ctx, q, t, digests)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					pause = r.p.failed(q, err)
				}
				r.mu.Lock()
				t.busy, t.due = false, time.Now().Add(pause)
				r.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// next picks the query that is due first, or tells how long to wait for one.
func (r *rota) next() (first watch.Query, t *turn, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for q, c := range r.members {
		if !c.busy && (t == nil || c.due.Before(t.due)) {
			first, t = q, c
		}
	}
	if t == nil {
		return nil, nil, time.Minute
	}
	if wait = time.Until(t.due); wait > 0 {
		return nil, nil, wait
	}
	t.busy = true
	return first, t, 0
}

// take reads q and reports it where its answer is new. It tells when the next turn is.
func (r *rota) take(ctx context.Context, q watch.Query, t *turn, digests digester) (time.Duration, error) {
	e, err := r.p.endpoint(ctx, q)
	if err != nil {
		return 0, err
	}
	a, content, same, err := r.p.compare(ctx, e, r.p.readMode(), digests, t.content, t.read)
	if err != nil {
		t.read = false
		return 0, err
	}
	if !same {
		a.WentBack = a.WentBack || !t.read // what the index was before a failure is not known here
		if err := r.p.offer(ctx, q, a); err != nil {
			t.read = false
			return 0, err
		}
		t.content, t.read = content, true
	}
	if r.p.once && !awaited(a.Value) {
		return time.Hour, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(turnEvery, e.every, time.Duration(len(r.members))*time.Second/turnRate), nil
}

// compare reads an endpoint, and decodes its answer only if that is another text than the one with the digest before.
func (s *Source) compare(ctx context.Context, e endpoint, m mode, digests digester, before digest, known bool) (a watch.Answer, now digest, same bool, err error) {
	decode := e.decode
	e.decode = func(r io.Reader) (any, error) {
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		now = digests.of(text)
		if known && now == before && e.finish == nil {
			same = true
			return nil, nil
		}
		return decode(bytes.NewReader(text))
	}
	r, err := s.read(ctx, e, m, 0)
	return r.Answer, now, same, err
}
