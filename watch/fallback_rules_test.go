package watch

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhenTheFallbackIsDue(t *testing.T) {
	now := time.Now()
	var none fallback
	if none.heard(now); none.due(now.Add(time.Hour)) {
		t.Error("it is due without an earlier run")
	}
	f := fallback{until: now}
	for _, c := range []struct {
		heard, at time.Duration
		due       bool
	}{{0, 0, false}, {0, fallbackAfter - 1, false}, {0, fallbackAfter, true}, {time.Second, fallbackAfter, false}, {time.Second, time.Second + fallbackAfter, true}} {
		if f.heard(now.Add(c.heard)); f.due(now.Add(c.at)) != c.due {
			t.Errorf("heard after %s: due after %s is %v", c.heard, c.at, !c.due)
		}
	}
}

func TestAlarm(t *testing.T) {
	for _, c := range []struct {
		what string
		set  []time.Duration // -1 stands for never
		stop bool
		want time.Duration // -1 where it never rings
	}{
		{"never", []time.Duration{-1}, false, -1},
		{"once", []time.Duration{time.Second}, false, time.Second},
		{"the earliest counts", []time.Duration{3 * time.Second, time.Second, 2 * time.Second, -1}, false, time.Second},
		{"stopped", []time.Duration{time.Second}, true, -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, rang := time.Now(), []time.Duration{}
			var a timer
			for _, after := range c.set {
				at := began.Add(after)
				if after < 0 {
					at = time.Time{}
				}
				a.set(at, func() { rang = append(rang, time.Since(began)) })
			}
			if c.stop {
				if a.stop(); !a.at.IsZero() {
					t.Error("a call that is under way would not find that it was stopped")
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if c.want < 0 && len(rang) > 0 || c.want >= 0 && (len(rang) != 1 || rang[0] != c.want) {
				t.Errorf("%s: rang after %v, want %v", c.what, rang, c.want)
			}
		})
	}
}
