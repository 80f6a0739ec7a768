package watch

import (
	"errors"
	"fmt"
	"lictor/internal/retry"
	"testing"
	"time"
)

// What an attempt came to, and when.
type attempt struct {
	after  time.Duration // since the pause after the last failure was over
	err    error         // nil for an answer
	pauses int           // the row of failures that the pause is for
}

func TestAttempts(t *testing.T) {
	cut, permanent := errors.New("cut"), Permanent(errors.New("cut"))
	for _, c := range []struct {
		what     string
		retry    Retry
		attempts []attempt
		usedUp   bool
	}{
		{"failures in a row", Retry{}, []attempt{{0, cut, 1}, {0, cut, 2}, {0, cut, 3}}, false},
		{"an answer ends a row", Retry{}, []attempt{{0, cut, 1}, {0, cut, 2}, {0, nil, 0}, {time.Minute, cut, 1}}, false},
		{"failures that each follow an answer", Retry{}, []attempt{{0, cut, 1}, {0, nil, 0}, {10 * time.Second, cut, 2}, {0, nil, 0}, {0, cut, 3}, {0, nil, 0}, {11 * time.Second, cut, 1}}, false},
		{"they have an end", Retry{}, []attempt{{0, cut, 1}, {0, nil, 0}, {0, cut, 2}, {0, nil, 0}, {0, cut, 3}, {0, nil, 0}, {0, cut, 4}, {0, nil, 0}, {0, cut, 5}, {0, nil, 0}, {0, cut, 5}}, false},
		{"permanent errors that each follow an answer", Retry{}, []attempt{{0, permanent, 1}, {0, nil, 0}, {0, permanent, 1}}, false},
		{"one retry", Retry{Attempts: 1}, []attempt{{0, cut, 1}}, false},
		{"one retry, two failures", Retry{Attempts: 1}, []attempt{{0, cut, 1}, {0, cut, 2}}, true},
		{"an answer gives all attempts back", Retry{Attempts: 1}, []attempt{{0, cut, 1}, {0, cut, 2}, {0, nil, 0}, {0, cut, 2}}, false},
		{"a permanent one is final, and stays so", Retry{PermanentIsFinal: true}, []attempt{{0, permanent, 1}, {0, cut, 2}}, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.retry.Backoff = retry.Backoff{First: time.Second}
			a, now := attempts{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i, step := range c.attempts {
				now = now.Add(step.after)
				if step.err == nil {
					a.answered()
					if a.err != nil || a.failures != 0 {
						t.Errorf("step %d: after an answer %+v", i, a)
					}
					continue
				}
				pause := a.failed(step.err, c.retry, now)
				if most := time.Second << (step.pauses - 1); pause > most || pause < most/2 || a.err != step.err {
					t.Errorf("step %d: paused %s, want about %s; %v", i, pause, most, a.err)
				}
				now = now.Add(pause)
			}
			if a.usedUp != c.usedUp {
				t.Errorf("used up: %v", a.usedUp)
			}
		})
	}
}

// An answer that is not believed is no failure, and is news once.
func TestRefusedAnswers(t *testing.T) {
	var a attempts
	a.failed(errors.New("cut"), Retry{}, time.Now())
	for i, c := range []struct {
		why  string
		news bool
	}{{"hidden", true}, {"hidden", false}, {"no leader", true}} {
		if news := a.refused(c.why); news != c.news || a.failures != 0 || a.err.Error() != c.why {
			t.Errorf("%d: news %v, %+v", i, news, a)
		}
	}
}

// Each error is worth a warning once in an outage, which is over when nothing fails any more.
func TestOutage(t *testing.T) {
	o := outage{failing: 2, warned: map[string]bool{}}
	one, two := errors.New("one"), errors.New("two")
	if !o.warn(one) || o.warn(one) || !o.warn(two) {
		t.Error("each is to be warned of once")
	}
	if o.recovered() || o.warn(one) {
		t.Error("it is over while a query fails")
	}
	if !o.recovered() || !o.warn(one) {
		t.Error("it is not over")
	}
	n := 0
	for i := range 100 {
		if o.warn(fmt.Errorf("error %d", i)) {
			n++
		}
	}
	if n != 19 {
		t.Errorf("%d more are warned of, want 20 in all", n)
	}
}
