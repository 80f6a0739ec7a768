package record

import (
	"fmt"
	"reflect"
)

// Difference is the first field in which two answers differ, such as "[0].Checks[1].Type", without what it says; "" where
// they are equal or differ as a whole.
func Difference(a, b any) string {
	if a == nil || b == nil || reflect.TypeOf(a) != reflect.TypeOf(b) || reflect.DeepEqual(a, b) {
		return ""
	}
	return difference(reflect.ValueOf(a), reflect.ValueOf(b))
}

// difference tells where two values of one type, which differ, do so.
func difference(a, b reflect.Value) string {
	differ := func(x, y reflect.Value) bool { return !reflect.DeepEqual(x.Interface(), y.Interface()) }
	switch {
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		return difference(a.Elem(), b.Elem())
	case a.Kind() == reflect.Slice && a.Len() == b.Len():
		for i := range a.Len() {
			if differ(a.Index(i), b.Index(i)) {
				return fmt.Sprintf("[%d]", i) + difference(a.Index(i), b.Index(i))
			}
		}
	case a.Kind() == reflect.Struct:
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() && differ(a.Field(i), b.Field(i)) {
				return "." + f.Name + difference(a.Field(i), b.Field(i))
			}
		}
	}
	return ""
}
