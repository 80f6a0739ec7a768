package watch

import (
	"fmt"
	"reflect"
	"time"
)

// trust decides which answers are believed. It is the only place that does.
type trust struct {
	maxAge time.Duration // how old an answer may be that was not read consistently; 0 means any age
}

// doubt says why an answer may not replace the last good one, or "" when it may. There may be no last one, which is nil.
//
// An answer is suspect when the registry has no leader, when it is too old, when it is another after the registry's index went
// backwards, since it may come from a server that is behind, and when it has become smaller while access rules hide part of it, or
// may do so unsaid. A consistent read rules out that it is old or from a server that is behind, and says what is hidden. It can't
// tell what our token may not see from what is gone.
//
// The same goes for a first answer of which access rules hide everything, or may do so unsaid: what the files on disk were made of
// is not known here. But where the old answer was not whole either, since our token has never seen more than a part, a part that has
// become smaller is nothing strange until nothing is left of it.
func (t trust) doubt(last *Known, a Answer) string {
	now := size(a.Value)
	switch {
	case a.NoLeader:
		return "the registry has no leader"
	case !a.Consistent && t.maxAge > 0 && a.Age > t.maxAge:
		return fmt.Sprintf("the answer is %s old, over the bound of %s", a.Age.Round(time.Millisecond), t.maxAge)
	case last == nil && now > 0:
		return ""
	case last == nil && a.Filtered:
		return "access rules hide all of the answer from our token"
	case last == nil && a.Unmarked && !a.Consistent:
		return "the answer is empty, and would not say so if access rules had hidden all of it"
	case last == nil:
		return ""
	case a.WentBack && !a.Consistent && !reflect.DeepEqual(a.Value, last.Answer):
		return "the registry's index went backwards"
	case now >= size(last.Answer):
		return ""
	case a.Filtered && (last.Whole || now == 0):
		return "access rules hide part of the answer from our token, and it has become smaller"
	case a.Unmarked && !a.Consistent:
		return "the answer has become smaller, and would not say so if access rules had hidden part of it"
	}
	return ""
}

// whole tells whether access rules are known to hide nothing of an answer that is believed. One that does not say takes over what
// was known of the one before.
func (t trust) whole(before bool, a Answer) bool {
	if a.Unmarked {
		return before
	}
	return !a.Filtered
}

// size is the number of things in an answer: the length of a list, a node and its services, 1 for any other single thing, 0 for none.
func size(answer any) int {
	if node, ok := answer.(*CatalogNode); ok && node != nil {
		return 1 + len(node.Services)
	}
	v := reflect.ValueOf(answer)
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len()
	case reflect.Pointer, reflect.Invalid:
		if !v.IsValid() || v.IsNil() {
			return 0
		}
	}
	return 1
}
