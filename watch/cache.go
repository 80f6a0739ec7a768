package watch

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// A cache file holds answers as they were known once, to start with while the registry is away. It is JSON: a version, which
// registry it is about, a hash, and for each query its kind, itself, its answer, whether that is known to be whole, and what
// guards remember. The values of keys are base64, since they may be any bytes. The version changes when an older or newer file
// would be misread. What is only lacking in an older one, as Whole and all that guards remember may be, says nothing instead.

const cacheVersion = 3

type cacheFile struct {
	Version        int
	Registry, Hash string
	Entries        json.RawMessage // of []cacheEntry
}

type cacheEntry struct {
	Kind          string
	Query, Answer json.RawMessage
	Whole         bool
	Past
}

// freshEntry is a cacheEntry that is yet to be written.
type freshEntry struct {
	Kind          string
	Query, Answer any
	Whole         bool `json:",omitempty"`
	Past
}

// kept are the kinds whose answers are kept, by their names.
var kept = func() map[string]kind {
	byName := map[string]kind{}
	for _, k := range kinds {
		if k.name != "" {
			byName[k.name] = k
		}
	}
	return byName
}()

// keptType is the type of what JSON is made of for answers of a type.
func keptType(answer reflect.Type) reflect.Type {
	switch answer {
	case reflect.TypeFor[*KeyPair]():
		return reflect.TypeFor[*cachedPair]()
	case reflect.TypeFor[[]*KeyPair]():
		return reflect.TypeFor[[]*cachedPair]()
	}
	return plainType(answer)
}

// cachedPair is a KeyPair whose value survives JSON whatever its bytes are.
type cachedPair struct {
	*KeyPair
	Value []byte
}

// pack makes an answer of a kind ready for JSON.
func (k kind) pack(answer any) any {
	switch a := answer.(type) {
	case *KeyPair:
		return packPair(a)
	case []*KeyPair:
		pairs := make([]*cachedPair, len(a))
		for i, p := range a {
			pairs[i] = packPair(p)
		}
		return pairs
	}
	return convert(reflect.ValueOf(answer), k.kept).Interface()
}

func packPair(p *KeyPair) *cachedPair {
	if p == nil {
		return nil
	}
	return &cachedPair{p, []byte(p.Value)}
}

// unpack undoes pack.
func (k kind) unpack(packed reflect.Value) any {
	switch a := packed.Interface().(type) {
	case *cachedPair:
		return a.unpack()
	case []*cachedPair:
		pairs := make([]*KeyPair, len(a))
		for i, p := range a {
			pairs[i] = p.unpack()
		}
		return pairs
	}
	return convert(packed, k.answer).Interface()
}

func (p *cachedPair) unpack() *KeyPair {
	if p == nil {
		return nil
	}
	pair := *p.KeyPair
	pair.Value = string(p.Value)
	return &pair
}

// WriteAnswers writes everything that is known, for a later [ReadAnswers]; what came from the fallback is still the last
// that is known, and is written again. registry says whose answers they are. What it writes holds secrets: KV values among
// them.
func (w *Watcher) WriteAnswers(out io.Writer, registry string) error {
	known := w.Known()
	all := Set{}
	for q := range known {
		if kindOf(q).name != "" {
			all.Add(q)
		}
	}
	entries := []byte("[")
	for _, q := range all.Sorted() {
		k := kindOf(q)
		if reflect.TypeOf(known[q].Answer) != k.answer {
			continue
		}
		entry, err := json.Marshal(freshEntry{k.name, q, k.pack(known[q].Answer), known[q].Whole, known[q].Past})
		if err != nil {
			return err
		}
		if bytes.Contains(entry, notUTF8) {
			continue
		}
		if len(entries) > 1 {
			entries = append(entries, ',')
		}
		entries = append(entries, entry...)
	}
	file := cacheFile{Version: cacheVersion, Registry: registry, Entries: append(entries, ']')}
	file.Hash = file.hash()
	return json.NewEncoder(out).Encode(file)
}

// notUTF8 is what becomes of a text that JSON has no way to write. Such an entry is not kept, lest it stand for another.
var notUTF8 = []byte(`\ufffd`)

// ReadAnswers reads what [Watcher.WriteAnswers] wrote about the same registry, for [Watcher.Fallback]. Its errors follow the
// name of the file, and never hold a part of it.
func ReadAnswers(in io.Reader, registry string) (map[Query]Known, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	var file cacheFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, errors.New("is damaged: it is not what lictor writes")
	}
	switch {
	case file.Version != cacheVersion:
		return nil, fmt.Errorf("is of version %d, this program reads version %d", file.Version, cacheVersion)
	case file.Hash != file.hash():
		return nil, errors.New("is damaged: its hash does not match")
	case file.Registry != registry:
		return nil, fmt.Errorf("is about another registry: %.200q, not %.200q", file.Registry, registry)
	}
	var entries []cacheEntry
	if err := json.Unmarshal(file.Entries, &entries); err != nil {
		return nil, errors.New("is damaged: its entries can't be read")
	}
	known := map[Query]Known{}
	for i, entry := range entries {
		q, answer, ok := entry.read()
		if !ok {
			return nil, fmt.Errorf("is damaged: entry %d, of kind %.20q, can't be read", i, entry.Kind)
		}
		known[q] = Known{answer, entry.Whole, entry.Past}
	}
	return known, nil
}

// hash is over all that the file says, but for its version.
func (f cacheFile) hash() string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q %s", f.Registry, f.Entries)))
}

// read takes an entry apart; ok is false when it is not what WriteAnswers makes of a query and an answer.
func (entry cacheEntry) read() (q Query, answer any, ok bool) {
	types, ok := kept[entry.Kind]
	if !ok {
		return nil, nil, false
	}
	query, value := reflect.New(types.query), reflect.New(types.kept)
	if !decode(entry.Query, query.Interface()) || !decode(entry.Answer, value.Interface()) || !whole(value.Elem(), true) {
		return nil, nil, false
	}
	return query.Elem().Interface().(Query), types.unpack(value.Elem()), true
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
