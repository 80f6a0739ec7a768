// Package cachefile writes what a [watch.Watcher] knows to a file, and reads it again for the next one, to start with while the registry
// is away.
//
// The file is JSON: a version, which registry it is about, a hash, and for each query its kind, itself, its answer, whether that is
// known to be whole, and what guards remember. The values of keys are base64, since they may be any bytes. The version changes when an
// older or newer file would be misread. What is only lacking in an older one, as Whole and all that guards remember may be, says
// nothing instead.
package cachefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"lictor/watch"
)

const version = 3

type file struct {
	Version        int
	Registry, Hash string
	Entries        json.RawMessage // of []entry
}

type entry struct {
	Kind          string
	Query, Answer json.RawMessage
	Whole         bool `json:",omitempty"`
	watch.Past
}

// Write writes what is known to a file, for a later [Read]. registry says whose answers they are. What it writes holds secrets: the
// values of keys among them. It leaves out queries whose kind is not kept, and what JSON can't hold.
func Write(out io.Writer, registry string, known map[watch.Query]watch.Known) error {
	all := watch.Set{}
	for q := range known {
		all.Add(q)
	}
	var entries [][]byte
	for _, q := range all.Sorted() {
		text, err := entryOf(q, known[q])
		if err != nil {
			return err
		}
		if text != nil {
			entries = append(entries, text)
		}
	}
	f := file{Version: version, Registry: registry, Entries: slices.Concat([]byte("["), bytes.Join(entries, []byte(",")), []byte("]"))}
	f.Hash = f.hash()
	return json.NewEncoder(out).Encode(f)
}

// entryOf is the entry of a query, or nil where it is left out.
func entryOf(q watch.Query, known watch.Known) ([]byte, error) {
	k := watch.KindOf(q)
	if k.Name == "" || reflect.TypeOf(known.Answer) != k.Answer {
		return nil, nil
	}
	query, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(convert(reflect.ValueOf(known.Answer), plain[k.Answer]).Interface())
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(entry{k.Name, query, answer, known.Whole, known.Past})
	if err != nil || bytes.Contains(text, notUTF8) {
		return nil, err
	}
	return text, nil
}

// notUTF8 is what becomes of a text that JSON has no way to write. Such an entry is left out, lest it be read as another one.
var notUTF8 = []byte(`\ufffd`)

// Read reads what [Write] wrote about the same registry, for the Fallback of a Watcher. Its errors follow the name of the file, and
// never hold a part of it.
func Read(in io.Reader, registry string) (map[watch.Query]watch.Known, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, errors.New("is damaged: it is not what lictor writes")
	}
	switch {
	case f.Version != version:
		return nil, fmt.Errorf("is of version %d, this program reads version %d", f.Version, version)
	case f.Hash != f.hash():
		return nil, errors.New("is damaged: its hash does not match")
	case f.Registry != registry:
		return nil, fmt.Errorf("is about another registry: %.200q, not %.200q", f.Registry, registry)
	}
	var entries []entry
	if err := json.Unmarshal(f.Entries, &entries); err != nil {
		return nil, errors.New("is damaged: its entries can't be read")
	}
	known := map[watch.Query]watch.Known{}
	for i, e := range entries {
		q, answer, ok := e.read()
		if !ok {
			return nil, fmt.Errorf("is damaged: entry %d, of kind %.20q, can't be read", i, e.Kind)
		}
		known[q] = watch.Known{Answer: answer, Whole: e.Whole, Past: e.Past}
	}
	return known, nil
}

// hash is over all that the file says, but for its version.
func (f file) hash() string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q %s", f.Registry, f.Entries)))
}

// read takes an entry apart; ok is false when it is not what Write makes of a query and an answer.
func (e entry) read() (q watch.Query, answer any, ok bool) {
	for k := range watch.Kinds() {
		if k.Name != e.Kind || k.Name == "" {
			continue
		}
		query, value := reflect.New(k.Query), reflect.New(plain[k.Answer])
		if !decode(e.Query, query.Interface()) || !decode(e.Answer, value.Interface()) || !whole(value.Elem(), true) {
			return nil, nil, false
		}
		return query.Elem().Interface().(watch.Query), convert(value.Elem(), k.Answer).Interface(), true
	}
	return nil, nil, false
}

// decode reads text into v, and tells whether that is all that text says, and text all that v can hold: no field is lacking,
// unknown or there twice.
func decode(text json.RawMessage, v any) bool {
	if json.Unmarshal(text, v) != nil {
		return false
	}
	again, err := json.Marshal(v)
	return err == nil && bytes.Equal(again, text)
}

// whole tells whether nothing in an answer is missing that templates rely on: only an answer itself, and a time or a number,
// may be nil.
func whole(v reflect.Value, top bool) bool {
	if v.Type() == timeType {
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem() == timeType || v.Type().Elem().Kind() != reflect.Struct {
			return true
		}
		return v.IsNil() && top || !v.IsNil() && whole(v.Elem(), false)
	case reflect.Slice:
		for i := range v.Len() {
			if !whole(v.Index(i), false) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !whole(v.Field(i), false) {
				return false
			}
		}
	}
	return true
}
