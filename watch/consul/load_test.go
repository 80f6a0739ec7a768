package consul

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// TestChangeDuringALoad changes something while sixty services join a mirror that is at work, after their checks were read, and
// either before or after the services of their node were: no answer is a mixture of two moments, none is missing, and none
// that is older replaces a newer one.
func TestChangeDuringALoad(t *testing.T) {
	for _, c := range []struct {
		name   string
		before bool // before the checks of the node are read
		change func(f *fake)
	}{
		{"port", false, func(f *fake) { f.services["s100"] = 2 }},
		{"port and status", true, func(f *fake) { f.services["s100"] = 2; f.passing["s100"] = true }},
		{"check of the node", true, func(f *fake) { f.services["s100"] = 2; f.sick = true }},
		{"check of the node, too late", false, func(f *fake) { f.services["s100"] = 2; f.sick = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, s := newLine(t, Config{}, plain)
				for i := range 120 {
					f.services[fmt.Sprintf("s%d", i)] = 1
				}
				want := ways()["mirror"].want
				w := follow(t, s, want)
				answered(t, w, want)
				loading, load, read := make(chan struct{}, 100), make(chan struct{}), make(chan struct{})
				f.fake.mu.Lock()
				f.instead = func(w http.ResponseWriter, r *http.Request) bool {
					switch {
					case r.URL.Path == "/v1/health/node/n":
						loading <- struct{}{}
						<-load
						if c.before { // what there is now, and not when it was asked for
							f.fake.mu.Lock()
							body, _ := f.body(r)
							f.fake.mu.Unlock()
							fmt.Fprint(w, body)
							return true
						}
					case r.URL.Path == "/v1/health/service/s100" && c.before:
						<-read
					}
					return false
				}
				f.fake.mu.Unlock()
				all := watch.Set{}
				all.AddAll(want)
				for i := range 60 {
					all.Add(watch.Service{Name: fmt.Sprintf("s%d", 60+i)})
				}
				w.Sync(t.Context(), all)
				<-loading
				f.set(func() { c.change(f.fake) })
				synctest.Wait() // whoever could read s100 now has done so
				close(load)
				synctest.Wait()
				q := watch.Service{Name: "s100"}
				if v, ok := w.Get(q); ok && c.before { // there is none before it is read again, or all of it is new
					if s := text(v); portOf(w, q) != 2 || !strings.Contains(s, "Status:passing") && !strings.Contains(s, "sick") {
						t.Errorf("a mixture of two moments: %s", s)
					}
				}
				close(read)
				right := func() string {
					if p := portOf(w, q); p != 2 {
						return fmt.Sprintf("the port of s100 is %d, want 2", p)
					}
					for q := range all {
						v, ok := w.Get(q)
						if !ok {
							return fmt.Sprintf("%s has no answer: %v", q, w.Err(q))
						}
						if f.sick && !strings.Contains(text(v), "sick") {
							return fmt.Sprintf("%s does not have the check of its node", q)
						}
					}
					return ""
				}
				within(t, 0, right) // at once, and nothing older comes later
				within(t, time.Hour, right)
			})
		})
	}
}
