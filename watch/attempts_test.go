package watch

import (
	"errors"
	"testing"
	"time"

	"lictor/internal/retry"
)

// Pauses grow with failures in a row, also where each follows an answer soon.
func TestAttempts(t *testing.T) {
	broken, permanent := errors.New("broken"), Permanent(errors.New("broken for good"))
	type step struct {
		after time.Duration // since the pause before was over
		err   error         // nil: an answer comes
		pause time.Duration // the longest that the pause may be; it is at least half of that
		gave  bool
	}
	second := retry.Backoff{First: time.Second, Most: time.Minute}
	for _, c := range []struct {
		name  string
		retry Retry
		steps []step
	}{
		{"a row", Retry{Backoff: second}, []step{{0, broken, 1 * time.Second, false}, {0, broken, 2 * time.Second, false}, {0, broken, 4 * time.Second, false}}},
		{"an answer ends a row", Retry{Backoff: second}, []step{
			{0, broken, time.Second, false}, {0, broken, 2 * time.Second, false}, {time.Minute, nil, 0, false}, {0, broken, time.Second, false}}},
		{"failures that follow answers soon", Retry{Backoff: second}, []step{
			{0, broken, time.Second, false}, {0, nil, 0, false}, {0, broken, 2 * time.Second, false}, {0, nil, 0, false}, {0, broken, 4 * time.Second, false}}},
		{"permanent ones that follow answers soon", Retry{Backoff: second}, []step{
			{0, permanent, time.Second, false}, {0, nil, 0, false}, {0, permanent, time.Second, false}}},
		{"so many attempts", Retry{Attempts: 1, Backoff: second}, []step{{0, broken, time.Second, false}, {0, broken, 2 * time.Second, true}, {0, nil, 0, false}}},
		{"permanent is final", Retry{Backoff: second, PermanentIsFinal: true}, []step{{0, broken, time.Second, false}, {0, permanent, 2 * time.Second, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a attempts
			now := time.Unix(1e9, 0)
			for i, step := range c.steps {
				now = now.Add(step.after)
				var pause time.Duration
				if step.err == nil {
					a.answered()
				} else {
					pause = a.failed(step.err, c.retry, false, now)
				}
				if pause > step.pause || pause < step.pause/2 || a.gaveUp != step.gave || a.err != step.err {
					t.Errorf("step %d: pause %s, gave up %v, error %v, want %+v", i, pause, a.gaveUp, a.err, step)
				}
				now = now.Add(pause)
			}
		})
	}
	var a attempts
	if !a.refused("old") || a.refused("old") || !a.refused("empty") {
		t.Error("what is refused for a new reason is not told from what is refused again")
	}
	if a.failed(broken, Retry{Attempts: -1}, true, time.Unix(1e9, 0)); a.gaveUp {
		t.Error("it gives up though there is something else to answer with")
	}
}
