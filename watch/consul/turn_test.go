package consul

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// A wire answers requests without a network, so that a test can run in a bubble, where time is exact.
type wire func(w http.ResponseWriter, r *http.Request)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("X-Consul-Index", "9")
	f(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Close = w.Header().Get("Connection") == "close"
	return resp, nil
}

// overWire makes a source whose requests f answers.
func overWire(t *testing.T, c Config, f wire) *Source {
	s := open(t, c)
	client := &http.Client{Transport: f}
	s.client.http = client
	return s
}

// waits tells whether a request is to be held open.
func waits(r *http.Request) bool { return r.FormValue("index") != "" }

// hold holds a request open like Consul: until its client gives it up, or until its wait is over.
func hold(r *http.Request) {
	d, _ := time.ParseDuration(r.FormValue("wait"))
	sleep(r.Context(), d)
}

// bubble watches queries over a wire in a bubble.
func bubble(t *testing.T, c Config, want watch.Set, f wire, test func(w *watch.Watcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := watch.New(overWire(t, c, f), slog.New(slog.DiscardHandler))
		w.Sync(ctx, want)
		test(w)
		cancel()
		w.Wait()
	})
}

const aKey = `[{"Key":"k","Value":"dg=="}]`

// TestRetryAfter has a 429 that asks for three seconds: no request is made until then, they don't all come at once
// thereafter, and nobody is told of an error.
func TestRetryAfter(t *testing.T) {
	want := watch.Set{}
	for i := range 8 {
		want.Add(watch.Key{Path: fmt.Sprint(i)})
	}
	for asked, most := range map[string]time.Duration{"3": 3 * time.Second, "": 100 * time.Millisecond} {
		var mu sync.Mutex
		var begin time.Time
		first := map[string]time.Duration{} // when a key was first asked for thereafter
		server := func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if begin.IsZero() || time.Now().Equal(begin) {
				begin = time.Now()
				w.Header().Set("Retry-After", asked)
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			if _, ok := first[r.URL.Path]; !ok {
				first[r.URL.Path] = time.Since(begin)
			}
			io.WriteString(w, aKey)
		}
		bubble(t, Config{Plan: PlanPoll}, want, server, func(w *watch.Watcher) {
			time.Sleep(most / 2)
			for q := range want {
				if err := w.Err(q); err != nil {
					t.Errorf("%s has the error %v, although there is nothing wrong with it", q, err)
				}
			}
			time.Sleep(3 * most)
			mu.Lock()
			defer mu.Unlock()
			for q := range want {
				if _, ok := w.Get(q); !ok || w.Err(q) != nil {
					t.Errorf("%s is known: %v, error %v", q, ok, w.Err(q))
				}
			}
			moments := map[time.Duration]bool{}
			for _, after := range first {
				moments[after] = true
				if after < most {
					t.Errorf("Retry-After %q: a request after %v", asked, after)
				}
			}
			if len(first) < 8 || len(moments) < 3 { // who is the first to go on takes what nobody has taken yet
				t.Errorf("Retry-After %q: requests at one moment: %v", asked, first)
			}
		})
	}
}

// TestSlotsRecover has something in front that lets less be held open than we may, and later as much as we like.
func TestSlotsRecover(t *testing.T) {
	want := watch.Set{}
	for i := range 30 {
		want.Add(watch.Key{Path: fmt.Sprint(i)})
	}
	var mu sync.Mutex
	limit, held, refused, reads := 5, 0, 0, 0
	server := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !waits(r) {
			reads++
			io.WriteString(w, aKey)
			return
		}
		if held >= limit {
			refused++
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		held++
		mu.Unlock()
		hold(r)
		mu.Lock()
		held--
		io.WriteString(w, aKey)
	}
	bubble(t, Config{}, want, server, func(w *watch.Watcher) {
		look := func(d time.Duration) (int, int, int) {
			mu.Lock()
			refused, reads = 0, 0
			mu.Unlock()
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return held, refused, reads
		}
		look(time.Minute)
		if held, refused, reads := look(10 * time.Minute); held < 4 || held > 5 || refused > 11 || reads < 24*280 {
			t.Errorf("%d held of 5, %d refused and %d reads in 10 minutes, want a trial a minute, and the rest read every 2 s", held, refused, reads)
		}
		mu.Lock()
		limit = 100
		mu.Unlock()
		look(30 * time.Minute)
		if held, _, reads := look(10 * time.Minute); held != 30 || reads > 0 {
			t.Errorf("%d held of 30, %d reads, when all may be held again", held, reads)
		}
		for q := range want {
			if w.Err(q) != nil {
				t.Errorf("%s: %v", q, w.Err(q))
			}
		}
	})
}

// TestNothingWaits has a gateway that lets nothing be held open, each in its own way. Changes are seen soon, nobody is told
// of an error, and requests are few.
func TestNothingWaits(t *testing.T) {
	gateways := map[string]func(w http.ResponseWriter, r *http.Request){
		"answers at once":           func(w http.ResponseWriter, r *http.Request) {},
		"refuses at once":           func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"answers after a second":    func(w http.ResponseWriter, r *http.Request) { sleep(r.Context(), time.Second) },
		"gives up after a second":   func(w http.ResponseWriter, r *http.Request) { sleep(r.Context(), time.Second); w.WriteHeader(504) },
		"gives up after half of it": func(w http.ResponseWriter, r *http.Request) { sleep(r.Context(), 30*time.Second); w.WriteHeader(504) },
		"is never there for those":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) },
	}
	for what, gateway := range gateways {
		for _, plan := range []string{PlanSingle, PlanShared} {
			t.Run(what+" "+plan, func(t *testing.T) {
				want := watch.Set{}
				for i := range 50 {
					want.Add(watch.Service{Name: fmt.Sprint("s", i)})
				}
				var mu sync.Mutex
				version, requests := 1, 0
				server := func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					requests++
					mu.Unlock()
					if waits(r) {
						gateway(w, r)
						if r.Context().Err() != nil {
							return
						}
					}
					mu.Lock()
					defer mu.Unlock()
					w.Header().Set("X-Consul-Index", fmt.Sprint(10+version))
					port := fmt.Sprint(version)
					switch path := r.URL.Path; {
					case strings.Contains(path, "/health/service/"):
						name := path[strings.LastIndex(path, "/")+1:]
						fmt.Fprintf(w, `[{"Node":{"Node":"n"},"Service":{"ID":%q,"Service":%q,"Port":%s}}]`, name, name, port)
					case strings.HasSuffix(path, "/catalog/nodes"):
						io.WriteString(w, `[{"Node":"n"}]`)
					case strings.Contains(path, "/node-services/"):
						var all []string
						for i := range 50 {
							all = append(all, fmt.Sprintf(`{"ID":"s%d","Service":"s%d","Port":%s}`, i, i, port))
						}
						fmt.Fprintf(w, `{"Node":{"Node":"n"},"Services":[%s]}`, strings.Join(all, ","))
					default:
						io.WriteString(w, `[]`)
					}
				}
				bubble(t, Config{Plan: plan}, want, server, func(w *watch.Watcher) {
					wrong := func() string {
						for q := range want {
							v, _ := w.Get(q)
							list, _ := v.([]*watch.ServiceInstance)
							if len(list) != 1 || list[0].Port != version {
								return fmt.Sprintf("%s is %s, not version %d", q, text(list), version)
							}
							if err := w.Err(q); err != nil {
								return fmt.Sprintf("%s: %v", q, err)
							}
						}
						return ""
					}
					time.Sleep(10 * time.Minute)
					mu.Lock()
					requests = 0
					mu.Unlock()
					for range 10 {
						mu.Lock()
						version++
						mu.Unlock()
						pause := 40 * time.Second
						if !strings.Contains(what, "half") {
							pause = 4 * time.Second
						}
						time.Sleep(pause)
						synctest.Wait()
						mu.Lock()
						if what := wrong(); what != "" {
							t.Errorf("%s: %s", pause, what)
						}
						mu.Unlock()
						time.Sleep(time.Minute - pause)
					}
					mu.Lock()
					defer mu.Unlock()
					if most := 50 * 60 * 10 * 3 / 2; requests > most { // one and a half a second for each
						t.Errorf("%d requests in 10 minutes, want at most %d", requests, most)
					}
				})
			})
		}
	}
}

// TestRefusedRestoreView has a gateway that refuses only the query that tells of a restored server.
func TestRefusedRestoreView(t *testing.T) {
	want := watch.Set{}
	for i := range 50 {
		want.Add(watch.Service{Name: fmt.Sprint("s", i)})
	}
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusGatewayTimeout} {
		var mu sync.Mutex
		requests := 0
		server := func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			requests++
			mu.Unlock()
			if waits(r) {
				if strings.Contains(r.URL.Path, "state/none") {
					w.WriteHeader(status)
					return
				}
				hold(r)
			}
			io.WriteString(w, `[]`)
		}
		bubble(t, Config{}, want, server, func(w *watch.Watcher) {
			time.Sleep(10 * time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if requests > 10*60*10 { // fifty a minute are due when all is well
				t.Errorf("%d requests in 10 minutes when the restore view gets %d", requests, status)
			}
		})
	}
}

// TestSilence has peers that say nothing, or stop in the middle of what they say, and one that only takes its time.
func TestSilence(t *testing.T) {
	slow := func(stop int) io.Reader {
		in, out := io.Pipe()
		go func() {
			for i := range 10 {
				time.Sleep(20 * time.Second)
				if i == stop {
					return
				}
				_, _ = out.Write([]byte(" "))
			}
			_, _ = io.WriteString(out, aKey)
			out.Close()
		}()
		return in
	}
	for _, c := range []struct {
		what  string
		index uint64
		body  io.Reader
		after time.Duration
		err   string
	}{
		{what: "a read", after: 30 * time.Second, err: "no answer within 30s"},
		{what: "a query that is held open", index: 9, after: 73*time.Second + 750*time.Millisecond, err: "no answer within 1m13.75s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := overWire(t, Config{}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			begin := time.Now()
			_, err := s.read(t.Context(), keyEndpoint(watch.Key{Path: "k"}), ask{mode: leader, index: c.index})
			if d := time.Since(begin); err == nil || !strings.Contains(err.Error(), c.err) || d != c.after {
				t.Errorf("%s: %v after %s", c.what, err, d)
			}
		})
	}
	for _, stop := range []int{3, 99} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, Config{})
			client := &http.Client{Transport: body{slow(stop)}}
			s.client.http = client
			r, err := s.read(t.Context(), keyEndpoint(watch.Key{Path: "k"}), ask{mode: leader})
			if stop == 3 && (err == nil || !strings.Contains(err.Error(), "no answer within 30s")) {
				t.Errorf("a body that stops: %v", err)
			}
			if stop == 99 && (err != nil || r.Value.(*watch.KeyPair).Value != "v") {
				t.Errorf("a body that takes its time: %v, %v", r.Value, err)
			}
		})
	}
}

// A body is what every request is answered with.
type body struct{ io.Reader }

func (b body) RoundTrip(r *http.Request) (*http.Response, error) {
	in := b.Reader.(*io.PipeReader)
	context.AfterFunc(r.Context(), func() { in.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: 200, Header: http.Header{"X-Consul-Index": {"9"}}, Body: in, Request: r}, nil
}

// TestBackoff spreads those who failed at the same time.
func TestBackoff(t *testing.T) {
	for failures, longest := range map[int]time.Duration{1: 250 * time.Millisecond, 3: time.Second, 100: 30 * time.Second} {
		var all []time.Duration
		for range 200 {
			all = append(all, backoff(failures))
		}
		if low, high := slices.Min(all), slices.Max(all); low < longest/2 || high > longest || high-low < longest/4 {
			t.Errorf("after %d failures pauses are %s to %s", failures, low, high)
		}
	}
}
