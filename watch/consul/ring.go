package consul

import (
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"lictor/watch"
)

// A ring answers keys and prefixes of one scope that lie below a common prefix, by one blocking query on that prefix.
type ring struct {
	p       *planner
	at      place
	digests digester

	mu      sync.Mutex
	members map[watch.Query]*watch.Seat
	left    []*watch.Seat // since run last looked
	joined  chan struct{} // gets a value when queries join or leave
	more    chan struct{} // the same, for the goroutine that reads

	seen map[digest]*watch.KeyPair // what the last answer held, so that only what is new is decoded
}

func newRing(p *planner, at place) *ring {
	return &ring{p: p, at: at, digests: newDigester(), members: map[watch.Query]*watch.Seat{}, joined: make(chan struct{}, 1), more: make(chan struct{}, 1)}
}

func (r *ring) allot(int) {}

func (r *ring) change(add []*watch.Seat, drop []watch.Query) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range drop {
		if s := r.members[q]; s != nil {
			r.left = append(r.left, s)
		}
		delete(r.members, q)
	}
	for _, s := range add {
		r.members[s.Query] = s
	}
	signal(r.joined)
	signal(r.more)
}

func (r *ring) seats() []*watch.Seat {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.members))
}

// roll lists the members, and those that left since it was last called.
func (r *ring) roll() (members, left []*watch.Seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left, r.left = r.left, nil
	return slices.Collect(maps.Values(r.members)), left
}

// run reads the prefix in one goroutine and tells members in this one.
func (r *ring) run(ctx context.Context) {
	bunches := make(chan bunch)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.read(ctx, bunches) })
	var now *bunch
	told := ringBook{values: map[*watch.Seat]any{}, hidden: map[*watch.Seat]asking{}, alone: map[*watch.Seat]bool{}}
	var retry <-chan time.Time // after a consistent read that failed
	var back <-chan struct{}   // the same, when Consul is back
	for {
		again := told.again()
		if retry != nil { // nothing is to be had before
			again = nil
		}
		select {
		case <-retry:
		case <-back:
			sleep(ctx, rand.N(wakeSpread))
		case b := <-bunches:
			if now != nil && b.index < now.index { // that may have come through the leader, and this from a server that is behind
				b.WentBack = true
			}
			if now = &b; b.afresh { // the failure was told to all
				clear(told.values)
				clear(told.hidden)
			}
		case <-r.joined:
		case <-again:
		case <-ctx.Done():
			return
		}
		if now == nil {
			continue
		}
		seats, left := r.roll()
		for _, s := range left {
			delete(told.values, s)
			delete(told.hidden, s)
			delete(told.alone, s)
		}
		retry, back = nil, nil
		if r.settle(ctx, now, seats, told) {
			continue
		}
		next := r.p.client.lookout.next()
		sure, err := r.load(ctx, consistent)
		if err == nil {
			now = sure
			r.settle(ctx, now, seats, told)
		} else if ctx.Err() == nil {
			pause := time.Duration(0)
			for _, s := range seats {
				pause = max(pause, s.Failed(err))
			}
			clear(told.values) // all are to be told again what they know, too: that is no error
			retry, back = time.After(pause), next
		}
	}
}

// A ringBook is what a ring told its members.
type ringBook struct {
	values map[*watch.Seat]any
	hidden map[*watch.Seat]asking // those that were asked for alone lately
	alone  map[*watch.Seat]bool   // those that were ever answered so
}

// An asking is one for a member alone, since access rules may hide what a bunch lacks.
type asking struct {
	part  []*watch.KeyPair // what the bunch had of it
	again time.Time        // when to ask again, though it has the same
}

// again delivers a value when a member is to be asked for again.
func (b ringBook) again() <-chan time.Time {
	if len(b.hidden) == 0 {
		return nil
	}
	next := slices.MinFunc(slices.Collect(maps.Values(b.hidden)), func(x, y asking) int { return x.again.Compare(y.again) })
	return time.After(max(10*time.Millisecond, time.Until(next.again)))
}

// lately tells whether a member was asked for alone a short time ago, while a bunch had the same part of it.
func (b ringBook) lately(s *watch.Seat, part []*watch.KeyPair) bool {
	a, ok := b.hidden[s]
	return ok && time.Now().Before(a.again) && slices.EqualFunc(a.part, part, func(x, y *watch.KeyPair) bool { return *x == *y })
}

// read holds the query on the prefix open, until ctx ends.
func (r *ring) read(ctx context.Context, bunches chan<- bunch) {
	afresh := false
	r.p.attempt(ctx, func(ctx context.Context) error {
		err := r.p.follow(ctx, r.endpoint(), func(res result) error {
			b := res.Value.(*bunch)
			b.Evidence, b.index, b.afresh = res.Evidence, res.index, afresh
			afresh = false
			select {
			case bunches <- *b:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			for r.p.once && r.complete(b) {
				select {
				case <-r.more:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
		afresh = true
		return err
	}, r.seats)
}

// load reads the prefix once.
func (r *ring) load(ctx context.Context, m mode) (*bunch, error) {
	e := r.endpoint()
	e.decode = func(body io.Reader) (any, error) { return readBunch(body, r.digests, map[digest]*watch.KeyPair{}, nil) }
	res, err := r.p.Source.read(ctx, e, m, 0)
	if err != nil {
		return nil, err
	}
	b := res.Value.(*bunch)
	b.Evidence, b.index = res.Evidence, res.index
	return b, nil
}

func (r *ring) endpoint() endpoint {
	e := prefixEndpoint(watch.Prefix{Path: r.at.prefix, Scope: r.at.scope})
	e.none = &bunch{}
	e.decode = func(body io.Reader) (any, error) {
		next := make(map[digest]*watch.KeyPair, len(r.seen))
		b, err := readBunch(body, r.digests, r.seen, next)
		if err == nil {
			r.seen = next
		}
		return b, err
	}
	return e
}

// complete tells whether every key that is a member exists, and every prefix holds something.
func (r *ring) complete(b *bunch) bool {
	for _, s := range r.seats() {
		switch q := s.Query.(type) {
		case watch.Key:
			if b.byPath[q.Path] == nil {
				return false
			}
		case watch.Prefix:
			if part, _ := b.below(q.Path); len(part) == 0 {
				return false
			}
		}
	}
	return true
}

// settle tells each member that has something else to hear than it was told. It is false as soon as one does not believe
// a bunch that was not read consistently.
func (r *ring) settle(ctx context.Context, b *bunch, seats []*watch.Seat, told ringBook) bool {
	room, used := roomForAll, 0
	var hidden []func() // asks for what access rules may hide, one after the other: the rest should not wait for that
	for _, s := range seats {
		room += roomOf(s.Query)
		var value any
		var unsure func()
		evidence := b.Evidence
		before, known := told.values[s]
		switch q := s.Query.(type) {
		case watch.Key:
			p := b.byPath[q.Path]
			if p == nil && b.Filtered { // it may be hidden from us, which is an error, and not missing
				hidden = append(hidden, func() { r.alone(ctx, s, keyEndpoint(q), nil, told) })
				continue
			}
			delete(told.hidden, s)
			if p != nil {
				used += sizeOf(p)
			}
			if known && before == any(p) {
				continue
			}
			value = p
			told.values[s] = p
		case watch.Prefix:
			part, size := b.below(q.Path)
			used += size
			ask := func() { r.alone(ctx, s, prefixEndpoint(q), part, told) }
			old, _ := before.([]*watch.KeyPair)
			if b.Filtered && (len(part) == 0 || len(part) < len(old) || told.lately(s, part)) {
				hidden = append(hidden, ask)
				continue
			}
			if known && slices.Equal(old, part) {
				continue
			}
			value = relative(part, q.Path)
			told.values[s] = slices.Clone(part) // or it would keep the whole bunch
			if b.Filtered {                     // what is hidden from us may be elsewhere: only where this part has shrunk that matters
				evidence.Filtered, evidence.Unmarked, evidence.Consistent = false, true, false
				unsure = ask
			}
		}
		switch {
		case s.Report(watch.Answer{Value: value, Evidence: evidence}):
			delete(told.hidden, s)
			if unsure != nil && !told.alone[s] { // whether access rules hide a part of it is to be known before it shrinks
				hidden = append(hidden, unsure)
			}
		case !b.Consistent:
			delete(told.values, s)
			return false
		case unsure != nil:
			hidden = append(hidden, unsure)
		default:
			delete(told.values, s)
		}
	}
	for _, ask := range hidden {
		ask()
	}
	if heavy := b.size-used > room*roomBytes; heavy || len(b.pairs) > 2*room {
		r.p.outgrown(r.at, heavy)
	}
	return true
}

// alone asks for a key or prefix by itself, of which a bunch has a part, unless that was done lately.
func (r *ring) alone(ctx context.Context, s *watch.Seat, e endpoint, part []*watch.KeyPair, told ringBook) {
	delete(told.values, s)
	if told.lately(s, part) {
		return
	}
	pause := r.p.client.wait
	res, err := r.p.Source.read(ctx, e, consistent, 0)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		pause = s.Failed(err)
	} else {
		s.Report(res.Answer)
		told.alone[s] = true
	}
	told.hidden[s] = asking{slices.Clone(part), time.Now().Add(pause)}
}
