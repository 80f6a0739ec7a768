package watch

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"time"
)

// A cache file holds answers as they were known once, to start with while the registry is away. It is JSON: a version, and
// for each query its kind, itself, and its answer. The values of keys are base64, since they may be any bytes.

const cacheVersion = 1

type cacheFile struct {
	Version int
	Entries []cacheEntry
}

type cacheEntry struct {
	Kind          string
	Query, Answer json.RawMessage
}

// cached are the kinds that are kept, each with its answer. Files are not: they are as near as the cache is.
var cached = map[string]struct{ query, answer reflect.Type }{
	"key":               {reflect.TypeFor[Key](), reflect.TypeFor[*cachedPair]()},
	"prefix":            {reflect.TypeFor[Prefix](), reflect.TypeFor[[]*cachedPair]()},
	"service":           {reflect.TypeFor[Service](), reflect.TypeFor[[]*ServiceInstance]()},
	"services":          {reflect.TypeFor[Services](), reflect.TypeFor[[]*ServiceName]()},
	"catalog-service":   {reflect.TypeFor[CatalogService](), reflect.TypeFor[[]*CatalogInstance]()},
	"nodes":             {reflect.TypeFor[Nodes](), reflect.TypeFor[[]*Node]()},
	"node":              {reflect.TypeFor[NodeServices](), reflect.TypeFor[*CatalogNode]()},
	"datacenters":       {reflect.TypeFor[Datacenters](), reflect.TypeFor[[]string]()},
	"ca-roots":          {reflect.TypeFor[CARoots](), reflect.TypeFor[[]*CARoot]()},
	"partitions":        {reflect.TypeFor[Partitions](), reflect.TypeFor[[]*Partition]()},
	"peerings":          {reflect.TypeFor[Peerings](), reflect.TypeFor[[]*Peering]()},
	"exported-services": {reflect.TypeFor[ExportedServices](), reflect.TypeFor[[]*ExportedService]()},
	"imported-services": {reflect.TypeFor[ImportedServices](), reflect.TypeFor[[]*ImportedService]()},
}

// cachedPair is a KeyPair whose value survives JSON whatever its bytes are.
type cachedPair struct {
	*KeyPair
	Value []byte
}

func pack(p *KeyPair) *cachedPair {
	if p == nil {
		return nil
	}
	return &cachedPair{p, []byte(p.Value)}
}

func (p *cachedPair) unpack() *KeyPair {
	if p == nil {
		return nil
	}
	pair := KeyPair{}
	if p.KeyPair != nil {
		pair = *p.KeyPair
	}
	pair.Value = string(p.Value)
	return &pair
}

// Answers are everything that is known, but for failures, for the Fallback of a Watcher that takes this one's place. It may be
// called from anywhere, also after Wait.
func (w *Watcher) Answers() map[Query]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := map[Query]any{}
	for q, e := range w.entries {
		if _, failure := e.answer.(Failure); e.known && !failure {
			known[q] = e.answer
		}
	}
	return known
}

// WriteAnswers writes everything that is known, for a later [ReadAnswers]; what came from the fallback is still the last
// that is known, and is written again. What it writes holds secrets: KV values among them.
func (w *Watcher) WriteAnswers(out io.Writer) error {
	kinds := map[reflect.Type]string{}
	for kind, types := range cached {
		kinds[types.query] = kind
	}
	file := cacheFile{Version: cacheVersion}
	known := w.Answers()
	all := Set{}
	for q := range known {
		if kinds[reflect.TypeOf(q)] != "" {
			all.Add(q)
		}
	}
	for _, q := range all.Sorted() {
		answer := known[q]
		switch a := answer.(type) {
		case *KeyPair:
			answer = pack(a)
		case []*KeyPair:
			pairs := make([]*cachedPair, len(a))
			for i, p := range a {
				pairs[i] = pack(p)
			}
			answer = pairs
		}
		entry := cacheEntry{Kind: kinds[reflect.TypeOf(q)]}
		var err error
		if entry.Query, err = json.Marshal(q); err != nil {
			return err
		}
		if entry.Answer, err = json.Marshal(answer); err != nil {
			return err
		}
		file.Entries = append(file.Entries, entry)
	}
	return json.NewEncoder(out).Encode(file)
}

// ReadAnswers reads what [Watcher.WriteAnswers] wrote, for [Watcher.Fallback].
func ReadAnswers(in io.Reader) (map[Query]any, error) {
	var file cacheFile
	if err := json.NewDecoder(in).Decode(&file); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if file.Version != cacheVersion {
		return nil, fmt.Errorf("it is of version %d, this program reads version %d", file.Version, cacheVersion)
	}
	answers := map[Query]any{}
	for _, entry := range file.Entries {
		types, ok := cached[entry.Kind]
		if !ok {
			return nil, fmt.Errorf("it is damaged: there is no kind %q", entry.Kind)
		}
		q, answer := reflect.New(types.query), reflect.New(types.answer)
		if err := json.Unmarshal(entry.Query, q.Interface()); err != nil {
			return nil, fmt.Errorf("it is damaged: %w", err)
		}
		if err := json.Unmarshal(entry.Answer, answer.Interface()); err != nil {
			return nil, fmt.Errorf("it is damaged: %w", err)
		}
		query := q.Elem().Interface().(Query)
		switch a := answer.Elem().Interface().(type) {
		case *cachedPair:
			answers[query] = a.unpack()
		case []*cachedPair:
			pairs := make([]*KeyPair, len(a))
			for i, p := range a {
				pairs[i] = p.unpack()
			}
			answers[query] = pairs
		default:
			answers[query] = a
		}
	}
	return answers, nil
}

// fallbackAfter is how long a registry may say nothing new at all before the fallback answers in its stead what is still not
// known. When it says that it can't answer, the fallback does so at once.
const fallbackAfter = 2 * time.Second

// fallBack lets the fallback answer q, if it can and nothing else has. It runs under the lock.
func (w *Watcher) fallBack(q Query, e *entry) {
	answer, ok := w.Fallback[q]
	if !ok || e.known {
		return
	}
	e.stale = true
	if !w.fellBack {
		w.fellBack = true
		w.log.Warn("the registry gives no answer to believe: the last known data stands in until it does", "query", q.String())
	}
	w.accept(q, e, answer)
}

// expectAnswers has the fallback answer what still has no answer after a while of silence, which begins anew. It runs under
// the lock.
func (w *Watcher) expectAnswers() {
	if w.timer != nil {
		w.timer.Reset(fallbackAfter)
		return
	}
	w.timer = time.AfterFunc(fallbackAfter, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for q, e := range w.entries {
			w.fallBack(q, e)
		}
	})
}

// Stale counts the watched queries whose answer is from the fallback.
func (w *Watcher) Stale() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.entries {
		if e.stale {
			n++
		}
	}
	return n
}
