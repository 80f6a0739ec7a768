package watch

import (
	"fmt"
	"reflect"
	"time"
)

// doubt says why an answer may not replace what is known, or "" when it may. This is the only place that decides so.
//
// An answer is suspect when the registry has no leader, when it is older than maxAge, when it is another after the
// registry's index went backwards, since it may come from a server that is behind, and when it has become smaller while
// access rules hide part of it, or may do so unsaid. A consistent read settles the age and the index and says what is
// hidden, but not the rest: what our token may not see looks just like what is gone.
// The same goes for a first answer of which access rules hide everything, or may do so unsaid: what the files on disk were made of is
// not known here.
// But where the old answer was not whole either, since our token has never seen more than a part, a part that has become
// smaller is nothing strange until nothing is left of it.
func doubt(old any, known, whole bool, a Answer, maxAge time.Duration) string {
	if a.NoLeader {
		return "the registry has no leader"
	}
	if !a.Consistent && maxAge > 0 && a.Age > maxAge {
		return fmt.Sprintf("the answer is %s old, over the bound of %s", a.Age.Round(time.Millisecond), maxAge)
	}
	if !known {
		switch {
		case size(a.Value) > 0:
		case a.Filtered:
			return "access rules hide all of the answer from our token"
		case a.Unmarked && !a.Consistent:
			return "the answer is empty, and would not say so if access rules had hidden all of it"
		}
		return ""
	}
	if a.WentBack && !a.Consistent && !reflect.DeepEqual(a.Value, old) {
		return "the registry's index went backwards"
	}
	if size(a.Value) >= size(old) {
		return ""
	}
	if a.Filtered && (whole || size(a.Value) == 0) {
		return "access rules hide part of the answer from our token, and it has become smaller"
	}
	if a.Unmarked && !a.Consistent {
		return "the answer has become smaller, and would not say so if access rules had hidden part of it"
	}
	return ""
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
