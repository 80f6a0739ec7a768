package funcs

import (
	"errors"
	"reflect"
)

var errHoldsItself = errors.New("the map would hold itself")

// checkHolds fails where one of values is or holds the map m, so that m can't be put into itself: to print such a map would
// never end.
func checkHolds(m map[string]any, values ...any) error {
	for _, v := range values {
		if holds(v, reflect.ValueOf(m).Pointer(), 0) {
			return errHoldsItself
		}
	}
	return nil
}

func holds(v any, m uintptr, depth int) bool {
	if depth > maxDepth {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		if reflect.ValueOf(v).Pointer() == m {
			return true
		}
		for _, item := range v {
			if holds(item, m, depth+1) {
				return true
			}
		}
	case map[any]any:
		for _, item := range v {
			if holds(item, m, depth+1) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if holds(item, m, depth+1) {
				return true
			}
		}
	}
	return false
}
