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

// TestBackDuringReads has a Consul that says nothing for two hours and is back while those who poll still wait for it: what
// they wait for fails late, and does not rest as long as what has failed so often.
func TestBackDuringReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line, s := newLine(t, Config{Plan: PlanPoll}, plain)
		want := watch.Set{}
		for i := range 40 {
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
