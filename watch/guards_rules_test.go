package watch

import (
	"fmt"
	"iter"
	"log/slog"
	"testing"
	"time"
)

// What stands for what the registry says one thing after the other, by a clock that is the test's.
func TestGuardsDecide(t *testing.T) {
	passing := func(n int) any {
		list := []*ServiceInstance{}
		for i := range n {
			list = append(list, &ServiceInstance{ID: fmt.Sprint(i), Status: StatusPassing})
		}
		return list
	}
	type step struct {
		after    time.Duration // since the step before
		fresh    int           // instances; -1: what is withheld is considered again
		stands   int
		withheld bool
		changed  bool // what is remembered
	}
	for _, c := range []struct {
		name  string
		guard Guard
		steps []step
	}{
		{"a fall, and a recovery", Guard{MaxShrink: 0.5}, []step{{0, 4, 10, true, true}, {time.Hour, 3, 10, true, false}, {0, 5, 5, false, true}, {0, 2, 5, true, true}}},
		{"what may go", Guard{MaxShrink: 0.5}, []step{{0, 5, 5, false, false}}},
		{"small steps are one fall", Guard{MaxShrink: 0.5}, []step{{0, 7, 7, false, false}, {time.Second, 5, 5, false, false}, {time.Second, 4, 5, true, true}}},
		{"the hold is over", Guard{MaxShrink: 0.5, Hold: time.Minute}, []step{
			{0, 1, 10, true, true}, {59 * time.Second, -1, 10, true, false}, {time.Second, -1, 1, false, false}, {0, 0, 1, true, true}}},
		{"it is over when the next answer comes", Guard{MaxShrink: 0.5, Hold: time.Minute}, []step{{0, 1, 10, true, true}, {time.Minute, 2, 2, false, false}}},
		{"too few", Guard{MinInstances: 3}, []step{{0, 3, 3, false, false}, {0, 2, 3, true, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, q := guards{[]Guard{c.guard}, slog.New(slog.DiscardHandler)}, Service{Name: "web"}
			s, good, now := &guardState{}, passing(10), time.Unix(1e9, 0)
			var nobody iter.Seq2[Query, Known] = func(func(Query, Known) bool) {}
			for i, step := range c.steps {
				now = now.Add(step.after)
				fresh, review := fact{answer: passing(max(step.fresh, 0))}, step.fresh < 0
				if review {
					fresh = s.withheld.fact
				}
				stands, changed := g.consider(q, s, good, fresh, nobody, review, now)
				if n := usable(stands); n != step.stands || (s.withheld != nil) != step.withheld || changed != step.changed {
					t.Errorf("step %d: %d stand, withheld %v, changed %v, want %+v", i, n, s.withheld != nil, changed, step)
				}
				good = stands
			}
		})
	}
}
