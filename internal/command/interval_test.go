package command

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/retry"
)

// A clock notes when a command printed something, in seconds since the test began.
type clock struct {
	mu    sync.Mutex
	begun time.Time
	times []int
}

func (c *clock) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, int(time.Since(c.begun).Seconds()))
	return len(p), nil
}

// The runs of an id keep their distance, whatever they are for, and hold up no others meanwhile.
func TestQueueKeepsIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := testLog()
		q := NewQueue(log)
		q.Retry = retry.Backoff{First: time.Second, Most: time.Second}
		q.MinInterval("spaced", time.Minute, time.Now().Add(-50*time.Second)) // so that the first run has to wait too
		spaced, other := &clock{begun: time.Now()}, &clock{begun: time.Now()}
		run := func(text string, c *clock) Command {
			command := shell("echo; " + text)
			command.Stdout = c
			return command
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				select {
				case <-q.Done():
					q.Take()
				case <-ctx.Done():
				}
			}
		}()
		q.Submit(ctx, "spaced", run("true", spaced))
		if until, waiting := q.Rests("spaced"); !waiting || time.Until(until) != 10*time.Second {
			t.Errorf("it rests until %s, waiting %v", until, waiting)
		}
		q.Submit(ctx, "other", run("true", other))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if until, waiting := q.Rests("spaced"); waiting || time.Until(until) != 50*time.Second {
			t.Errorf("it rests until %s, waiting %v", until, waiting)
		}
		q.Submit(ctx, "spaced", run("false", spaced)) // at 70 s, and again
		time.Sleep(120 * time.Second)
		q.SubmitAtOnce(ctx, "spaced", run("true", spaced)) // at 140 s
		synctest.Wait()
		time.Sleep(10 * time.Second)
		q.Submit(ctx, "spaced", run("true", spaced)) // at 200 s
		time.Sleep(60 * time.Second)
		synctest.Wait()
		q.Submit(ctx, "spaced", run("true", spaced)) // never
		time.Sleep(time.Second)
		cancel()
		q.Wait()
		if want := []int{10, 70, 130, 140, 200}; !slices.Equal(spaced.times, want) || !slices.Equal(other.times, []int{0}) {
			t.Errorf("it ran at %d s, want %d, and the other at %d s, want 0", spaced.times, want, other.times)
		}
	})
}

// What failed is not run again before somebody has taken note of it, and its pause begins then.
func TestRetryWaitsUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(slog.New(slog.DiscardHandler))
		q.Retry = retry.Backoff{First: time.Second, Most: time.Second}
		ran := &clock{begun: time.Now()}
		c := shell("echo; false")
		c.Stdout = ran
		ctx, cancel := context.WithCancel(t.Context())
		q.Submit(ctx, "id", c)
		time.Sleep(time.Minute)
		if got := q.Take(); len(got) != 1 || got[0].Final {
			t.Errorf("the results are %+v, want that of one run, which is to be repeated", got)
		}
		time.Sleep(time.Minute)
		q.Submit(ctx, "id", c) // does not wait for that
		time.Sleep(time.Second)
		cancel()
		q.Wait()
		if len(ran.times) != 3 || ran.times[1] != 60 || ran.times[2] != 120 {
			t.Errorf("it ran at %d s, want 0, soon after 60 and 120", ran.times)
		}
	})
}
