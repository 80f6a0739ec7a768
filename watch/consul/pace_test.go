package consul

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0.5, time.Second)
		begin, done := time.Now(), 0
		for time.Since(begin) < 10*time.Second {
			err := p.do(t.Context(), func() error {
				time.Sleep(200 * time.Millisecond)
				done++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if done == 5 && time.Since(begin) > time.Second+time.Millisecond {
				t.Errorf("the first second of work took %s", time.Since(begin))
			}
		}
		if done < 28 || done > 33 { // a second at once, then half of the time
			t.Errorf("%d pieces of work of 0.2 s in 10 s, want 5 s and the second that was saved up", done)
		}
	})
}
