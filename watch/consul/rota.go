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
	*watch.Seat
	due     time.Time
	busy    bool
	read    bool   // it has not failed since it was last read
	index   uint64 // of what was believed last
	content digest // of the text of what was believed last
	text    bool   // content is set
}

const rotaReaders = 4

func newRota(p *planner) *rota {
	return &rota{p: p, members: map[watch.Query]*turn{}, joined: make(chan struct{}, rotaReaders)}
}

func (r *rota) change(add []*watch.Seat, drop []watch.Query) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range drop {
		delete(r.members, q)
	}
	for _, s := range add {
		r.members[s.Query] = &turn{Seat: s}
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
				t, wait := r.next()
				if t == nil {
					select {
					case <-r.joined:
					case <-time.After(wait):
					case <-ctx.Done():
					}
					continue
				}
				pause, err := r.take(ctx, t, digests)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.read, t.text = false, false
					pause = t.Failed(err)
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
func (r *rota) next() (t *turn, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.members {
		if !c.busy && (t == nil || c.due.Before(t.due)) {
			t = c
		}
	}
	if t == nil {
		return nil, time.Minute
	}
	if wait = time.Until(t.due); wait > 0 {
		return nil, wait
	}
	t.busy = true
	return t, 0
}

// take reads a query and reports it where its answer is new. It tells when the next turn is.
func (r *rota) take(ctx context.Context, t *turn, digests digester) (time.Duration, error) {
	e, err := r.p.endpoint(ctx, t.Query)
	if err != nil {
		return 0, err
	}
	a, content, same, err := r.p.compare(ctx, e, r.p.readMode(), digests, t.content, t.text)
	if err != nil {
		return 0, err
	}
	if same {
		t.index = a.index
	} else if err := r.tell(ctx, t, e, a, content); err != nil {
		return 0, err
	}
	if r.p.once && !awaited(a.Value) {
		return time.Hour, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(turnEvery, e.every, time.Duration(len(r.members))*time.Second/turnRate), nil
}

// tell reports an answer that may be new. A server that was replaced by one that is behind is not known by any failure, only
// by its index; and what the index was before a failure is not known.
func (r *rota) tell(ctx context.Context, t *turn, e endpoint, a result, content digest) (err error) {
	a.WentBack = !t.read || a.index < t.index
	var stands result
	var believed bool
	if blank := !t.read && a.index <= 1 && e.every == 0; blank { // the server has not read its log yet
		stands, believed, err = r.p.insist(ctx, t.Seat)
	} else {
		stands, believed, err = r.p.offer(ctx, t.Seat, a)
	}
	if err != nil {
		return err
	}
	t.read, t.text = true, false
	if believed {
		t.index = stands.index
		if !stands.Consistent { // else it may be another text
			t.content, t.text = content, true
		}
	}
	return nil
}

// compare reads an endpoint, and decodes its answer only if that is another text than the one with the digest before.
func (s *Source) compare(ctx context.Context, e endpoint, m mode, digests digester, before digest, known bool) (r result, now digest, same bool, err error) {
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
	r, err = s.read(ctx, e, m, 0)
	return r, now, same, err
}
