package cachefile

import (
	"reflect"
	"slices"
	"time"

	"lictor/watch"
)

// The tags and methods of answers say how templates see them in JSON, which leaves fields out. A cache file must hold every
// field, so what it holds is of a plain type: the same fields under their own names, without tags and methods.

var (
	timeType = reflect.TypeFor[time.Time]()
	pairType = reflect.TypeFor[watch.KeyPair]()
)

// plain holds the plain types of all answers by the types of these.
var plain = func() map[reflect.Type]reflect.Type {
	all := map[reflect.Type]reflect.Type{}
	for k := range watch.Kinds() {
		all[k.Answer] = plainType(k.Answer)
	}
	return all
}()

// plainType is the plain type of t.
func plainType(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.PointerTo(plainType(t.Elem()))
	case reflect.Slice:
		return reflect.SliceOf(plainType(t.Elem()))
	case reflect.Map:
		return reflect.MapOf(t.Key(), plainType(t.Elem()))
	case reflect.Int64:
		return reflect.TypeFor[int64]()
	case reflect.Struct:
		if t == timeType {
			return t
		}
		var fields []reflect.StructField
		for i := range t.NumField() {
			fields = append(fields, reflect.StructField{Name: t.Field(i).Name, Type: plainType(t.Field(i).Type)})
		}
		if t == pairType { // the value may be any bytes, and comes last
			value := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Name == "Value" })
			fields = append(slices.Delete(fields, value, value+1), reflect.StructField{Name: "Value", Type: reflect.TypeFor[[]byte]()})
		}
		return reflect.StructOf(fields)
	}
	return t
}

// convert makes v a value of type to, which is the plain type of v's, or whose plain type v's is. The two may share memory.
func convert(v reflect.Value, to reflect.Type) reflect.Value {
	if v.CanConvert(to) { // where the types differ in names and tags alone
		return v.Convert(to)
	}
	out := reflect.New(to).Elem()
	switch {
	case to.Kind() == reflect.Struct:
		reordered := to == pairType || v.Type() == pairType
		for i := range to.NumField() {
			field := v.Field(i)
			if reordered {
				field = v.FieldByName(to.Field(i).Name)
			}
			out.Field(i).Set(convert(field, out.Field(i).Type()))
		}
	case v.IsNil():
	case to.Kind() == reflect.Pointer:
		out.Set(reflect.New(to.Elem()))
		out.Elem().Set(convert(v.Elem(), to.Elem()))
	case to.Kind() == reflect.Slice:
		out.Set(reflect.MakeSlice(to, v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(convert(v.Index(i), to.Elem()))
		}
	case to.Kind() == reflect.Map:
		out.Set(reflect.MakeMapWithSize(to, v.Len()))
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(entries.Key(), convert(entries.Value(), to.Elem()))
		}
	}
	return out
}
