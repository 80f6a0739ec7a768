package consul

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is how long to rest after so many failures in a row.
func backoff(failures int) time.Duration {
	pause := min(30*time.Second, 250*time.Millisecond<<min(failures-1, 10))
	return pause - rand.N(pause/2)
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
