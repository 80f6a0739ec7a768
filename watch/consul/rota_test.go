package consul

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// TestRotaTakesTurns has thousands of queries in a rota: each is read when it is due, by one at a time, those first that are due
// first. What has left is not read, and what has come back is, once.
func TestRotaTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		r := newRota(nil)
		seats := make([]*watch.Seat, n)
		for i := range seats {
			seats[i] = &watch.Seat{Query: watch.Key{Path: fmt.Sprint(i)}}
		}
		r.change(seats, nil)
		taken := map[*turn]bool{}
		for range n {
			c, _ := r.next()
			if c == nil || taken[c] {
				t.Fatalf("%v is read, and %d are, of %d", c, len(taken), n)
			}
			taken[c] = true
		}
		if c, wait := r.next(); c != nil || wait != time.Minute {
			t.Fatalf("%v is read, or waited for %s, when all are being read", c, wait)
		}
		begin := time.Now()
		turnOf := func(second int) watch.Query { return seats[second*7919%n].Query } // an order of its own
		gone, back := []watch.Query{}, []*watch.Seat{}
		for second := range n {
			r.put(r.members[turnOf(second)], begin.Add(time.Duration(second+1)*time.Second), false)
			switch second % 3 {
			case 0:
				back = append(back, &watch.Seat{Query: turnOf(second)})
				fallthrough
			case 1:
				gone = append(gone, turnOf(second))
			}
		}
		r.change(nil, gone)
		r.change(back, nil)
		for range back {
			if c, _ := r.next(); c == nil || taken[c] {
				t.Fatalf("%v is read before what has come back", c)
			}
		}
		for second := 2; second < n; second += 3 {
			c, wait := r.next()
			for ; c == nil; c, wait = r.next() { // it may be what has left that is waited for
				time.Sleep(wait)
			}
			if at := time.Since(begin); c.Query != turnOf(second) || at != time.Duration(second+1)*time.Second {
				t.Fatalf("%s is read after %s, want %s after %d s", c.Query, at, turnOf(second), second+1)
			}
		}
	})
}

// TestBackDuringReads has a Consul that says nothing for two hours and is back while all readers of a rota still wait for it: what
// they wait for fails late, and does not rest as long as what has failed so often.
func TestBackDuringReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line, s := newLine(t, Config{Plan: PlanPoll}, plain)
		want := watch.Set{}
		for i := range 10 * rotaReaders {
			line.keys[fmt.Sprint(i)] = "dg=="
			want.Add(watch.Key{Path: fmt.Sprint(i)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := watch.New(s, slog.New(slog.DiscardHandler))
		w.Sync(ctx, want)
		within(t, 5*time.Second, func() string { return current(w, want, 80) })
		line.silent.Store(true)
		line.away(false) // from now on connections lead nowhere
		line.next(81)
		time.Sleep(2*time.Hour + 10*time.Second) // they wait in step, for half a minute each
		line.silent.Store(false)
		within(t, readLimit+time.Second, func() string { return current(w, want, 81) })
		cancel()
		w.Wait()
	})
}
