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
			time.Sleep(p.spend(0))
			time.Sleep(200 * time.Millisecond) // the work
			p.spend(200 * time.Millisecond)
			done++
			if done == 5 && time.Since(begin) > time.Second+time.Millisecond {
				t.Errorf("the first second of work took %s", time.Since(begin))
			}
		}
		if done < 28 || done > 33 { // a second at once, then half of the time
			t.Errorf("%d pieces of work of 0.2 s in 10 s, want 5 s and the second that was saved up", done)
		}
		time.Sleep(time.Hour)
		if rest := p.spend(2 * time.Second); rest != 2*time.Second {
			t.Errorf("after an hour without work and two seconds of it the rest is %s: no more than a second is saved up", rest)
		}
	})
}
