package consul

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lictor/watch"
)

// A fake answers as Consul does, as far as keys and services need it, and can be made to answer otherwise: for what no real
// Consul does at the moment when a test needs it.
type fake struct {
	*httptest.Server
	requests

	mu       sync.Mutex
	index    uint64
	changed  chan struct{}     // closed at the next change
	keys     map[string]string // values of Consul's, so in base64
	services map[string]int    // ports; each has one critical instance, on the node n
	passing  map[string]bool   // services whose instance passes
	sick     bool              // the node n has a check of its own that warns
	ghost    string            // what is more in the answers on services than any list tells: see ghosts

	// instead answers a request in place of the fake; it is false where it does not. It is called when a blocking query is
	// over. Set it with set.
	instead func(w http.ResponseWriter, r *http.Request) bool
}

func blankFake() *fake {
	return &fake{index: 9, changed: make(chan struct{}), keys: map[string]string{}, services: map[string]int{}, passing: map[string]bool{}}
}

func newFake(t *testing.T) *fake {
	f := blankFake()
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f
}

// set changes what the fake answers, and ends the blocking queries.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f.note(r)
	f.wait(r)
	f.mu.Lock()
	index, instead := f.index, f.instead
	body, ok := f.body(r)
	f.mu.Unlock()
	w.Header().Set("X-Consul-Index", strconv.FormatUint(index, 10))
	switch {
	case instead != nil && instead(w, r):
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		fmt.Fprint(w, body)
	}
}

// wait holds a blocking query until there is something new.
func (f *fake) wait(r *http.Request) {
	beyond, _ := strconv.ParseUint(r.FormValue("index"), 10, 64)
	wait, _ := time.ParseDuration(r.FormValue("wait"))
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	for beyond > 0 {
		f.mu.Lock()
		index, changed := f.index, f.changed
		f.mu.Unlock()
		if index > beyond {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// body is what there is at a path. It runs under the lock.
func (f *fake) body(r *http.Request) (string, bool) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	if kind != "kv" {
		kind, name, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"+kind+"/"), "/")
	}
	var out []string
	switch kind {
	case "kv":
		for _, key := range slices.Sorted(maps.Keys(f.keys)) {
			switch {
			case r.Form.Has("keys") && strings.HasPrefix(key, name):
				out = append(out, strconv.Quote(key))
			case key == name, r.Form.Has("recurse") && strings.HasPrefix(key, name):
				out = append(out, fmt.Sprintf(`{"Key":%q,"Value":%q,"ModifyIndex":5}`, key, f.keys[key]))
			}
		}
		return "[" + strings.Join(out, ",") + "]", len(out) > 0
	case "state":
		for _, service := range slices.Sorted(maps.Keys(f.services)) {
			if name == watch.StatusAny || name == watch.StatusCritical && !f.passing[service] {
				out = append(out, f.check(service))
			}
		}
		if f.sick && (name == watch.StatusAny || name == watch.StatusWarning) {
			out = append(out, sickness)
		}
	case "service":
		for service, port := range f.services {
			if strings.EqualFold(service, name) {
				checks := f.check(service)
				if f.sick {
					checks += "," + sickness
				}
				if f.ghost == "check" {
					checks += "," + ghosts["check"]
				}
				out = append(out, fmt.Sprintf(`{"Node":{"Node":"n"},"Service":%s,"Checks":[%s]}`, instance(service, port), checks))
				if f.ghost == "instance" {
					out = append(out, ghosts[f.ghost])
				}
			}
		}
	case "node":
		for _, service := range slices.Sorted(maps.Keys(f.services)) {
			out = append(out, f.check(service))
		}
		if f.sick {
			out = append(out, sickness)
		}
		if f.ghost == "check" {
			out = append(out, ghosts["check"])
		}
	case "nodes":
		out = []string{`{"Node":"n"}`}
	case "node-services":
		for _, service := range slices.Sorted(maps.Keys(f.services)) {
			out = append(out, instance(service, f.services[service]))
		}
		if f.ghost == "instance" {
			out = append(out, `{"ID":"ghost","Service":"s1"}`)
		}
		return `{"Node":{"Node":"n"},"Services":[` + strings.Join(out, ",") + "]}", true
	case "services":
		for service := range f.services {
			out = append(out, fmt.Sprintf("%q:[]", service))
		}
		return "{" + strings.Join(out, ",") + "}", true
	}
	return "[" + strings.Join(out, ",") + "]", true
}

func instance(service string, port int) string {
	return fmt.Sprintf(`{"ID":%q,"Service":%q,"Port":%d}`, cmp.Or(service, "x")+"-1", service, port)
}

func (f *fake) check(service string) string {
	status := watch.StatusCritical
	if f.passing[service] {
		status = watch.StatusPassing
	}
	return fmt.Sprintf(`{"Node":"n","CheckID":"c-%s","Status":%q,"ServiceID":"%s-1","ServiceName":%q}`, service, status, service, service)
}

const sickness = `{"Node":"n","CheckID":"sick","Status":"warning"}`

// ghosts are what came and went between two looks at the lists.
var ghosts = map[string]string{
	"check":    `{"Node":"n","CheckID":"ghost","Status":"passing"}`,
	"instance": `{"Node":{"Node":"n"},"Service":{"ID":"ghost","Service":"s1"}}`,
}

// portOf is the port of the one instance of a service that w knows, 0 without any.
func portOf(w *watch.Watcher, q watch.Service) int {
	v, _ := w.Get(q)
	if list, _ := v.([]*watch.ServiceInstance); len(list) == 1 {
		return list[0].Port
	}
	return 0
}
