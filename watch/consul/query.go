package consul

import (
	"bytes"
	"context"
	"io"
	"time"

	"lictor/watch"
)

// newQueryView makes a view that reads one query by itself and reports its answers. It is held or polled; with a rank of
// rankNode and no hold it is only read when hinted at.
func (s *scheduler) newQueryView(sub *watch.Subscription, p policy) *view {
	q := sub.Query
	p.streamed, p.falls, p.datacenter = streamed(q), indexFalls(q), watch.ScopeOf(q).Datacenter
	v := &view{name: q.String(), policy: p}
	text := newTextReader()
	var e *endpoint // once it was made: that of a node may need a look at the agent
	v.reader = reader{
		begin: func(a ask) func(context.Context) (result, error) {
			return func(ctx context.Context) (result, error) {
				if e == nil {
					made, err := s.endpoint(ctx, q)
					if err != nil {
						return result{}, err
					}
					e = &made
				}
				return text.read(ctx, s.Source, *e, a)
			}
		},
		take: func(r result) bool {
			if r.every > 0 {
				s.pollOnly(v, r.every)
			}
			if r.same {
				return true
			}
			if !sub.Report(r.Answer) {
				text.forget()
				return false
			}
			if s.once && !awaited(r.Value) {
				s.finish(v)
			}
			return true
		},
		fail: func(err error) (time.Duration, int) {
			e = nil
			text.forget()
			return sub.Failed(err), 1
		},
		dropped: text.forget,
	}
	return v
}

// pollOnly has a view polled that can't be held open.
func (s *scheduler) pollOnly(v *view, every time.Duration) {
	v.policy.every, v.policy.hold = every, false
	if v.slot {
		s.release(v)
	}
}

// finish ends all further reading of a view, whose answer is all that is wanted.
func (s *scheduler) finish(v *view) {
	s.count(v, -1)
	v.policy.hold, v.policy.poll, v.policy.every = false, false, 0
	if v.slot {
		s.release(v)
	}
}

// awaited tells whether an answer is one that a program waits beyond, even when it only renders once: a key that does
// not exist, or a prefix without any.
func awaited(answer any) bool {
	switch v := answer.(type) {
	case *watch.KeyPair:
		return v == nil
	case []*watch.KeyPair:
		return len(v) == 0
	}
	return false
}

// A textReader reads an endpoint and decodes its answers, but for those whose text is the same as that of the one before.
// One goroutine uses it at a time.
type textReader struct {
	digests digester
	last    digest
	known   bool
}

func newTextReader() *textReader { return &textReader{digests: newDigester()} }

// forget makes the next answer one that is decoded.
func (t *textReader) forget() { t.known = false }

func (t *textReader) read(ctx context.Context, s *Source, e endpoint, a ask) (result, error) {
	decode, same := e.decode, false
	if e.finish == nil {
		e.decode = func(r io.Reader) (any, error) {
			text, err := io.ReadAll(r)
			if err != nil {
				return nil, err
			}
			now := t.digests.of(text)
			if same = t.known && now == t.last; same {
				return nil, nil
			}
			value, err := decode(bytes.NewReader(text))
			t.last, t.known = now, err == nil
			return value, err
		}
	}
	if e.every > 0 {
		a.index = 0
	}
	r, err := s.read(ctx, e, a)
	r.same, r.every, r.unindexed = same, e.every, a.index == 0 // a server that has lost its data may have the same index for another answer
	return r, err
}
