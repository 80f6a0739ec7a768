package watchtest

import (
	"fmt"
	"reflect"
	"time"

	"lictor/watch"
)

// Answers are an answer of every kind of query that a registry answers. Every field of theirs, however deep, has a value that
// no other field has, so that a copy which is equal has all of them. What follows from other fields, as an instance's Status
// from those of its checks, is not as it would be.
func Answers() map[watch.Query]any {
	f := &filler{1000} // numbers of equal length make texts that are sorted
	return map[watch.Query]any{
		watch.Key{Path: "k"}:            filled[*watch.KeyPair](f),
		watch.Prefix{Path: "p"}:         filled[[]*watch.KeyPair](f),
		watch.Service{Name: "s"}:        filled[[]*watch.ServiceInstance](f),
		watch.Services{}:                filled[[]*watch.ServiceName](f),
		watch.CatalogService{Name: "c"}: filled[[]*watch.CatalogInstance](f),
		watch.Nodes{}:                   filled[[]*watch.Node](f),
		watch.NodeServices{Name: "n"}:   filled[*watch.CatalogNode](f),
		watch.Datacenters{}:             filled[[]string](f),
		watch.CARoots{}:                 filled[[]*watch.CARoot](f),
		watch.CALeaf{Service: "l"}:      filled[*watch.LeafCert](f),
		watch.Partitions{}:              filled[[]*watch.Partition](f),
		watch.Peerings{}:                filled[[]*watch.Peering](f),
		watch.ExportedServices{}:        filled[[]*watch.ExportedService](f),
		watch.ImportedServices{}:        filled[[]*watch.ImportedService](f),
	}
}

// Fill sets every field of what v points to as those of [Answers] are.
func Fill(v any) { (&filler{}).fill(reflect.ValueOf(v).Elem()) }

// A filler counts the values that it has given.
type filler struct{ n int }

func filled[A any](f *filler) A {
	var answer A
	f.fill(reflect.ValueOf(&answer).Elem())
	return answer
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint64:
		v.SetUint(uint64(f.n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if at, ok := v.Addr().Interface().(*time.Time); ok {
			*at = time.Date(2026, 1, 2, 3, 4, 5, f.n, time.UTC)
			return
		}
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	default:
		panic(fmt.Sprintf("an answer has a %s, which this can't fill", v.Type()))
	}
}
