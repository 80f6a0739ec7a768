package consul

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// TestSentDuringRestore has queries that were sent at the moment of a restore and wait for an index that is far away again. Where
// another tells of the restore they are answered anew at once, and else soon, not after the wait.
func TestSentDuringRestore(t *testing.T) {
	for name, c := range map[string]struct {
		plan   string
		asked  watch.Query
		others watch.Query // told at once if not nil
		within time.Duration
	}{
		"key beside another":       {PlanSingle, watch.Key{Path: "late"}, watch.Key{Path: "told"}, 5 * time.Second},
		"streamed, beside another": {PlanSingle, watch.Service{Name: "late"}, watch.Nodes{}, 5 * time.Second},
		"streamed, all at once":    {PlanSingle, watch.Service{Name: "late"}, nil, 15 * time.Second},
		"nodes, all at once":       {PlanNodes, watch.Service{Name: "late"}, nil, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var restored atomic.Bool
			server := func(w http.ResponseWriter, r *http.Request) {
				if waits(r) {
					told := c.others != nil && !strings.HasSuffix(r.URL.Path, "late")
					wait, _ := time.ParseDuration(r.FormValue("wait"))
					for end := time.Now().Add(wait); time.Now().Before(end) && r.Context().Err() == nil && !(told && restored.Load()); {
						sleep(r.Context(), 100*time.Millisecond)
					}
				}
				index, port := "100", 1
				if restored.Load() {
					index, port = "10", 2
				}
				w.Header().Set("X-Consul-Index", index)
				switch path := r.URL.Path; {
				case strings.Contains(path, "/kv/"):
					fmt.Fprintf(w, `[{"Key":"late","Value":"dg==","Flags":%d}]`, port)
				case strings.HasPrefix(path, "/v1/health/service/"):
					fmt.Fprintf(w, `[{"Node":{"Node":"n"},"Service":{"ID":"late","Service":"late","Port":%d},"Checks":[]}]`, port)
				case strings.HasPrefix(path, "/v1/catalog/node-services/"):
					fmt.Fprintf(w, `{"Node":{"Node":"n"},"Services":[{"ID":"late","Service":"late","Port":%d}]}`, port)
				case path == "/v1/catalog/nodes":
					fmt.Fprint(w, `[{"Node":"n"}]`)
				default:
					fmt.Fprint(w, `[]`)
				}
			}
			want := watch.Set{}
			want.Add(c.asked)
			if c.others != nil {
				want.Add(c.others)
			}
			bubble(t, Config{Plan: c.plan}, want, server, func(w *watch.Watcher) {
				port := func() string {
					switch v, _ := w.Get(c.asked); v := v.(type) {
					case *watch.KeyPair:
						return strconv.FormatUint(v.Flags, 10)
					case []*watch.ServiceInstance:
						return strconv.Itoa(v[0].Port)
					}
					return "none"
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if got := port(); got != "1" {
					t.Fatalf("before the restore it is %s, want 1", got)
				}
				restored.Store(true)
				time.Sleep(c.within)
				synctest.Wait()
				if got := port(); got != "2" {
					t.Errorf("%v after the restore it is %s, want 2: %v", c.within, got, w.Err(c.asked))
				}
			})
		})
	}
}

// TestBehindIsNoRestore has answers to one query that come from servers behind the leader, again and again: the others go on waiting.
func TestBehindIsNoRestore(t *testing.T) {
	var asked, answers atomic.Int64
	server := func(w http.ResponseWriter, r *http.Request) {
		index := "100"
		if strings.HasSuffix(r.URL.Path, "behind") {
			if waits(r) {
				sleep(r.Context(), time.Second)
			}
			if !r.Form.Has("consistent") && answers.Add(1)%2 == 0 {
				index = "50"
			}
		} else {
			asked.Add(1)
			if waits(r) {
				hold(r)
			}
		}
		w.Header().Set("X-Consul-Index", index)
		fmt.Fprint(w, aKey)
	}
	bubble(t, Config{Plan: PlanSingle, Stale: true}, keySet([]string{"behind", "other"}), server, func(*watch.Watcher) {
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := asked.Load(); n > 15 {
			t.Errorf("%d requests for the other key in 10 minutes, want one a minute", n)
		}
	})
}

// TestForgottenDeletion has a prefix whose index falls every minute, since Consul forgets that keys were deleted: the others go on
// waiting.
func TestForgottenDeletion(t *testing.T) {
	var asked atomic.Int64
	begun := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a bubble begins
	server := func(w http.ResponseWriter, r *http.Request) {
		index := "100"
		if waits(r) {
			hold(r)
		}
		if r.URL.Query().Has("recurse") {
			index = strconv.Itoa(100 - int(time.Since(begun)/time.Minute))
		} else {
			asked.Add(1)
		}
		w.Header().Set("X-Consul-Index", index)
		fmt.Fprint(w, aKey)
	}
	want := keySet([]string{"other"})
	want.Add(watch.Prefix{Path: ""})
	bubble(t, Config{Plan: PlanSingle}, want, server, func(*watch.Watcher) {
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := asked.Load(); n > 12 {
			t.Errorf("%d requests for the other key in 10 minutes, want one a minute", n)
		}
	})
}
