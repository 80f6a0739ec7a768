package retry

import (
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	usual := Backoff{First: time.Second, Most: 8 * time.Second}
	for _, c := range []struct {
		backoff  Backoff
		failures int
		longest  time.Duration
	}{
		{usual, 1, time.Second}, {usual, 2, 2 * time.Second}, {usual, 4, 8 * time.Second}, {usual, 1000, 8 * time.Second},
		{Backoff{time.Second, 7 * time.Second}, 4, 7 * time.Second}, {Backoff{time.Minute, time.Second}, 1, time.Second},
		{Backoff{First: time.Second}, 100_000, time.Hour}, {Backoff{}, 1, 250 * time.Millisecond}, {Backoff{1, 1}, 3, 1},
		{Backoff{1 << 62, 1<<63 - 1}, 2, 1<<63 - 1}, // doubled, it is beyond what a Duration holds
	} {
		least, most := c.longest, time.Duration(0)
		for range 1000 {
			d := c.backoff.Pause(c.failures)
			least, most = min(least, d), max(most, d)
		}
		if least < c.longest/2 || most > c.longest || c.longest > 1 && (least > c.longest/10*6 || most < c.longest/10*9) {
			t.Errorf("%+v after %d failures pauses for %s to %s, want a half of %s to all of it", c.backoff, c.failures, least, most, c.longest)
		}
	}
}
