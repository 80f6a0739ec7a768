package consul

import (
	"context"
	"io"
	"slices"
	"time"

	"lictor/watch"
)

// A prefixView answers keys and prefixes of one scope that lie below a common prefix, out of one view of that prefix.
//
// Where access rules hide something below it, what is missing may be hidden: then each prefix that is wanted, and each key that is
// missing, has a view of its own, which is read when what the common one shows of it changes, and once in a wait besides.
type prefixView struct {
	s       *scheduler
	at      groupKey
	outgrew func(heavy bool) // is called when the prefix holds too much for its members
	view    *view
	members map[watch.Query]*prefixMember
	last    *result // nil before the first answer and after a failure
}

// A prefixMember is one of the queries that a prefixView answers.
type prefixMember struct {
	sub  *watch.Subscription
	part any   // of the last answer that was believed: a *watch.KeyPair or a list of them; nil for none
	own  *view // where access rules hide something; else nil
}

func newPrefixView(s *scheduler, at groupKey, outgrew func(heavy bool)) *prefixView {
	p := &prefixView{s: s, at: at, outgrew: outgrew, members: map[watch.Query]*prefixMember{}}
	p.view = &view{name: "prefix " + at.prefix, policy: policy{hold: true, poll: true, falls: true, rank: rankPrefix, datacenter: at.scope.Datacenter}}
	digests, seen := newDigester(), map[digest]*watch.KeyPair{} // so that only what is new is decoded
	e := prefixEndpoint(watch.Prefix{Path: at.prefix, Scope: at.scope})
	e.none = &pairList{}
	e.decode = func(body io.Reader) (any, error) {
		next := make(map[digest]*watch.KeyPair, len(seen))
		list, err := readPairs(body, digests, seen, next)
		if err == nil {
			seen = next
		}
		return list, err
	}
	p.view.reader = reader{begin: func(a ask) func(context.Context) (result, error) {
		return func(ctx context.Context) (result, error) {
			r, err := s.read(ctx, e, a)
			r.unindexed = a.index == 0 // as in textReader.read
			return r, err
		}
	}, take: p.take, fail: p.fail}
	s.add(p.view)
	return p
}

func (p *prefixView) change(add []*watch.Subscription, drop []watch.Query) {
	for _, q := range drop {
		if m := p.members[q]; m != nil {
			p.leave(m)
			delete(p.members, q)
		}
	}
	for _, sub := range add {
		m := &prefixMember{sub: sub}
		p.members[sub.Query] = m
		if p.last != nil && !p.tell(m, *p.last) {
			p.s.readAgain(p.view)
		}
	}
	if p.s.once && len(add) > 0 && p.last != nil && !p.complete(p.last.Value.(*pairList)) {
		p.s.resume(p.view)
	}
}

func (p *prefixView) recovered() {
	for _, m := range p.members {
		if m.own != nil {
			p.s.readAgain(m.own)
		}
	}
}

func (p *prefixView) close() {
	for _, m := range p.members {
		p.leave(m)
	}
	p.s.remove(p.view)
}

// leave ends a member's own view.
func (p *prefixView) leave(m *prefixMember) {
	if m.own != nil {
		p.s.remove(m.own)
		m.own = nil
	}
}

// take tells each member that has something else to hear than it was told.
func (p *prefixView) take(r result) (believed bool) {
	p.last = &r
	list := r.Value.(*pairList)
	believed = true
	room, used := roomForAll, 0
	for q, m := range p.members {
		room += roomOf(q)
		if !p.tell(m, r) {
			believed = false
			if !r.Consistent {
				break // all are told what a consistent read says
			}
		}
		switch part := m.part.(type) {
		case *watch.KeyPair:
			if part != nil {
				used += sizeOf(part)
			}
		case []*watch.KeyPair:
			for _, pair := range part {
				used += sizeOf(pair)
			}
		}
	}
	switch heavy := list.size-used > room*roomBytes; {
	case believed && (heavy || len(list.pairs) > 2*room):
		p.outgrew(heavy)
	case believed && p.s.once && p.complete(list):
		p.s.finish(p.view)
	}
	return believed
}

// tell tells a member its part of an answer, where that is another one than it was told, and whether it was believed.
func (p *prefixView) tell(m *prefixMember, r result) (believed bool) {
	list := r.Value.(*pairList)
	var part, value any
	same := false
	switch q := m.sub.Query.(type) {
	case watch.Key:
		pair := list.byPath[q.Path]
		old, known := m.part.(*watch.KeyPair)
		part, value, same = pair, pair, known && (old == pair || old != nil && pair != nil && *old == *pair)
		if pair == nil && r.Filtered {
			return p.readAlone(m, part, same)
		}
	case watch.Prefix:
		below := watch.KeysBelow(list.pairs, q.Path)
		old, known := m.part.([]*watch.KeyPair)
		part, same = slices.Clone(below), known && slices.EqualFunc(old, below, func(a, b *watch.KeyPair) bool { return *a == *b })
		if r.Filtered {
			return p.readAlone(m, part, same)
		}
		if !same || m.own != nil {
			value = watch.RelativeTo(q.Path, below)
		}
	}
	if same && m.own == nil {
		return true
	}
	p.leave(m)
	m.part = nil
	if !m.sub.Report(watch.Answer{Value: value, Evidence: r.Evidence}) {
		return r.Consistent // it was refused: nothing more can be known
	}
	m.part = part
	return true
}

// readAlone has a member read by itself.
func (p *prefixView) readAlone(m *prefixMember, part any, same bool) (believed bool) {
	m.part = part
	switch {
	case m.own == nil:
		m.own = p.s.newQueryView(m.sub, policy{every: p.s.client.wait, rank: rankQuery, leader: true})
		p.s.add(m.own)
	case !same:
		p.s.hint(m.own)
	}
	return true
}

// fail tells all members. They are told their answers again when the prefix can be read.
func (p *prefixView) fail(err error) (pause time.Duration, told int) {
	p.last = nil
	for _, m := range p.members {
		m.part = nil
		if m.own != nil { // it says for itself how it fares
			p.s.hint(m.own)
			continue
		}
		pause = max(pause, m.sub.Failed(err))
		told++
	}
	return pause, told
}

// complete tells whether every key that is a member exists, and every prefix holds something.
func (p *prefixView) complete(list *pairList) bool {
	for q := range p.members {
		switch q := q.(type) {
		case watch.Key:
			if list.byPath[q.Path] == nil {
				return false
			}
		case watch.Prefix:
			if len(watch.KeysBelow(list.pairs, q.Path)) == 0 {
				return false
			}
		}
	}
	return true
}

// resume has a view that was finished read and held again.
func (s *scheduler) resume(v *view) {
	if v.policy.hold {
		return
	}
	v.policy.hold, v.policy.poll = true, true
	s.count(v, 1)
	if !s.claim(v) {
		s.waiting = append(s.waiting, v)
	}
	s.hint(v)
}
