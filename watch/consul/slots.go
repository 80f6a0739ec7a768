package consul

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Each blocking query needs a slot, of which the budget has a number. A view keeps its slot between two blocking queries. When
// there are more views than slots, those of a lower rank come first, and of the others those that changed last.

// claim gives a view a slot, if there is one for it, and tells whether it has one.
func (s *scheduler) claim(v *view) bool {
	if len(s.slots) >= s.room(v) {
		worst := v
		for other := range s.slots {
			if other.policy.rank > worst.policy.rank || other.policy.rank == worst.policy.rank && s.quieter(other, worst) {
				worst = other
			}
		}
		if worst == v {
			return false
		}
		s.evict(worst)
	}
	v.slot, s.slots[v] = true, true
	return true
}

// room is how many slots there are before a view gets none. What is not held has to be read, and fast, where only some nodes are held.
func (s *scheduler) room(v *view) int {
	limit := s.client.budget.slots.limit()
	if v.policy.rank == rankChanged {
		return limit * 3 / 4
	}
	return limit
}

// quieter tells whether a should give its slot away rather than b. Consul counts the connection of a query that was given up until
// its wait is over, so that slots must not change hands often.
func (s *scheduler) quieter(a, b *view) bool {
	return time.Since(a.changedAt) > 2*s.client.wait && a.changedAt.Before(b.changedAt)
}

// evict takes a slot from a view, which waits for one from now on.
func (s *scheduler) evict(v *view) {
	v.slot = false
	delete(s.slots, v)
	s.waiting = append(s.waiting, v)
	if v.state == holding {
		s.stop(v)
		v.dirty = true // the answer may be on its way, or a hint was left to it
		s.next(v)
	}
}

// release gives the slot of a view that has ended to one that waits.
func (s *scheduler) release(v *view) {
	v.slot = false
	delete(s.slots, v)
	s.grant()
}

// grant gives free slots to those who wait for one, when the number of slots or views has changed.
func (s *scheduler) grant() {
	s.waiting = slices.DeleteFunc(s.waiting, func(v *view) bool { return v.state == removed || v.slot || !v.policy.hold })
	slices.SortFunc(s.waiting, func(a, b *view) int {
		return cmp.Or(cmp.Compare(a.policy.rank, b.policy.rank), strings.Compare(a.name, b.name))
	})
	for _, v := range s.waiting {
		if len(s.slots) >= s.room(v) {
			break
		}
		v.slot, s.slots[v] = true, true
		if v.state == idle || v.state == resting && v.failures.row == 0 {
			s.stop(v)
			s.next(v)
		}
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(v *view) bool { return v.slot })
}
