package consul

import (
	"bytes"
	"container/heap"
	"context"
	"io"
	"math/rand/v2"
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
	queue   turns         // those that are not read just now, and maybe some that have left
	joined  chan struct{} // gets a value when a query joins
}

// A turn is what a rota knows of one of its queries.
type turn struct {
	*watch.Seat
	due     time.Time
	failed  bool   // when it was last read
	read    bool   // it has not failed since it was last read
	index   uint64 // of what was believed last
	content digest // of the text of what was believed last
	text    bool   // content is set
}

// Turns are a heap, those first that are due first.
type turns []*turn

func (q turns) Len() int           { return len(q) }
func (q turns) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q turns) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *turns) Push(x any)        { *q = append(*q, x.(*turn)) }
func (q *turns) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return t
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
		t := &turn{Seat: s}
		r.members[s.Query] = t
		heap.Push(&r.queue, t)
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
			back := r.p.client.lookout.next() // which may come during a read
			for ctx.Err() == nil {
				t, wait := r.next()
				if t == nil {
					select {
					case <-back:
						back = r.p.client.lookout.next()
						r.hurry()
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
				r.put(t, time.Now().Add(pause), err != nil)
			}
		})
	}
	wg.Wait()
}

// next takes the query out of the queue that is due first, or tells how long to wait for one.
func (r *rota) next() (t *turn, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 {
		if wait := time.Until(r.queue[0].due); wait > 0 {
			return nil, wait
		}
		t := heap.Pop(&r.queue).(*turn)
		if r.members[t.Query] == t { // else it has left meanwhile
			return t, 0
		}
	}
	return nil, time.Minute
}

// put puts a query into the queue again.
func (r *rota) put(t *turn, due time.Time, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.due, t.failed = due, failed
	heap.Push(&r.queue, t)
}

// hurry has what failed read again soon.
func (r *rota) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	soon := time.Now().Add(wakeSpread)
	for _, t := range r.queue {
		if t.failed && t.due.After(soon) {
			t.due = time.Now().Add(rand.N(wakeSpread))
		}
	}
	heap.Init(&r.queue)
}

// take reads a query and reports it where its answer is new. It tells when the next turn is.
func (r *rota) take(ctx context.Context, t *turn, digests digester) (time.Duration, error) {
	e, err := r.p.endpoint(ctx, t.Query)
	if err != nil {
		return 0, err
	}
	m := r.p.readMode()
	if !t.read { // as in follow
		m = consistent
	}
	a, content, same, err := r.p.compare(ctx, e, m, digests, t.content, t.text)
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
// by its index.
func (r *rota) tell(ctx context.Context, t *turn, e endpoint, a result, content digest) error {
	a.WentBack = a.index < t.index
	stands, believed, err := r.p.offer(ctx, t.Seat, a)
	if err != nil {
		return err
	}
	t.read, t.text = true, false
	if believed {
		t.index = stands.index
		if stands.Consistent == a.Consistent { // else it was read again, and may be another text
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
