package consul

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// A cable leads from a source to a fake without a network, so that both can be in a bubble with a clock of its own. It may be cut.
type cable struct {
	*fake
	accepted chan net.Conn
	closing  sync.Once

	cutting sync.Mutex
	down    bool
	silence time.Duration                                     // connections end when they are silent for this long; 0 never
	refuse  func(w http.ResponseWriter, r *http.Request) bool // answers in place of the fake, before anything is waited for
	conns   []net.Conn
}

func (w *cable) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	w.cutting.Lock()
	refuse := w.refuse
	w.cutting.Unlock()
	if _ = r.ParseForm(); refuse != nil && refuse(to, r) {
		w.note(r)
		return
	}
	w.fake.ServeHTTP(to, r)
}

func (w *cable) Accept() (net.Conn, error) {
	if conn, ok := <-w.accepted; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (w *cable) Close() error   { w.closing.Do(func() { close(w.accepted) }); return nil }
func (w *cable) Addr() net.Addr { return &net.TCPAddr{} }

func (w *cable) dial(context.Context, string, string) (net.Conn, error) {
	w.cutting.Lock()
	defer w.cutting.Unlock()
	if w.down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ours, its := net.Pipe()
	w.conns = append(w.conns, its)
	if w.silence > 0 {
		its = &balanced{its, time.AfterFunc(w.silence, func() { its.Close() }), w.silence}
	}
	w.accepted <- its
	return ours, nil
}

// balanced is a connection that ends when it is silent for too long.
type balanced struct {
	net.Conn
	timer *time.Timer
	most  time.Duration
}

func (b *balanced) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	b.timer.Reset(b.most)
	return n, err
}

func (b *balanced) Write(p []byte) (int, error) {
	b.timer.Reset(b.most)
	return b.Conn.Write(p)
}

func (b *balanced) Close() error {
	b.timer.Stop()
	return b.Conn.Close()
}

// away makes Consul go away, or come back.
func (w *cable) away(down bool) {
	w.cutting.Lock()
	defer w.cutting.Unlock()
	w.down = down
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// wired is a test in a bubble: of a source on a cable to a fake that has sixty keys and sixty services, with queries that are
// answered in each way.
func wired(t *testing.T, test func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, log *lockedBuffer)) {
	for name, plan := range ways() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &lockedBuffer{}
				logger := slog.New(slog.NewTextHandler(log, nil))
				line, s := newLine(t, Config{Plan: plan.plan, Log: logger}, plain)
				for i := range 60 {
					line.keys[fmt.Sprintf("app/%d", i)] = "dg=="
					line.services[fmt.Sprintf("s%d", i)] = 80
				}
				want := plan.want
				if plan.plan != "" { // of all kinds those that the fake knows
					want = watch.Set{watch.Key{Path: "app/1"}: {}, watch.Service{Name: "s1"}: {}, watch.Prefix{Path: "app"}: {}, watch.Services{}: {}, watch.Nodes{}: {}}
				}
				ctx, cancel := context.WithCancel(t.Context())
				w := watch.New(s, logger)
				w.Sync(ctx, want)
				test(t, line.cable, w, want, log)
				cancel()
				w.Wait()
			})
		})
	}
}

// within waits for a time on the clock of the bubble, and says what is not so then.
func within(t *testing.T, d time.Duration, wrong func() string) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if what := wrong(); what != "" {
		t.Errorf("after %s: %s", d, what)
	}
}

// next makes a change to what each query reads.
func (f *fake) next(port int) {
	f.set(func() {
		for name := range f.services {
			f.services[name] = port
		}
		for key := range f.keys {
			f.keys[key] = []string{"dg==", "bmV3", "dw=="}[(port-80)%3] // v, new, w
		}
	})
}

// current says which query does not have the answer of the last change, or has an error.
func current(w *watch.Watcher, want watch.Set, port int) string {
	for q := range want {
		if err := w.Err(q); err != nil {
			return fmt.Sprintf("%s: %v", q, err)
		}
	}
	return values(w, want, port)
}

// values says which query does not have the answer of the last change.
func values(w *watch.Watcher, want watch.Set, port int) string {
	for q := range want {
		v, ok := w.Get(q)
		if !ok {
			return fmt.Sprintf("%s has no answer", q)
		}
		switch q := q.(type) {
		case watch.Service:
			if portOf(w, q) != port {
				return fmt.Sprintf("%s has port %d, want %d", q, portOf(w, q), port)
			}
		case watch.Key:
			if p, _ := v.(*watch.KeyPair); p == nil || p.Value != []string{"v", "new", "w"}[(port-80)%3] {
				return fmt.Sprintf("%s is %v after change %d", q, p, port)
			}
		}
	}
	return ""
}

// TestBackAfterLong has a Consul that is away for ten minutes, however the queries are answered: a second after it is back all
// of them have what changed meanwhile.
func TestBackAfterLong(t *testing.T) {
	wired(t, func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, _ *lockedBuffer) {
		within(t, 5*time.Second, func() string { return current(w, want, 80) })
		cable.away(true)
		cable.next(81)
		within(t, 10*time.Minute, func() string {
			for q := range want {
				if w.Err(q) == nil {
					return fmt.Sprintf("%s has no error", q)
				}
			}
			return ""
		})
		cable.away(false)
		within(t, time.Second, func() string { return current(w, want, 81) })
	})
}

// TestLeaderAfterLong has servers without a leader for ten minutes.
func TestLeaderAfterLong(t *testing.T) {
	wired(t, func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, _ *lockedBuffer) {
		within(t, 5*time.Second, func() string { return current(w, want, 80) })
		cable.set(func() {
			cable.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v1/status/leader" {
					fmt.Fprint(w, `""`)
					return true
				}
				http.Error(w, "No cluster leader", http.StatusInternalServerError)
				return true
			}
		})
		cable.next(81)
		time.Sleep(10 * time.Minute)
		cable.fake.mu.Lock()
		cable.instead = nil
		cable.fake.mu.Unlock()
		within(t, time.Second, func() string { return current(w, want, 81) })
	})
}

// TestImpatientBalancer has something between us and Consul that ends what is silent for half a minute, as load balancers do.
// That is nobody's trouble: it is not said, and changes are seen as ever.
func TestImpatientBalancer(t *testing.T) {
	wired(t, func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, log *lockedBuffer) {
		cable.cutting.Lock()
		cable.silence = 30 * time.Second
		cable.cutting.Unlock()
		within(t, 5*time.Second, func() string { return current(w, want, 80) })
		cable.away(false) // from now on connections end early
		time.Sleep(5 * time.Second)
		said := log.String()
		for port := 81; port < 111; port++ {
			time.Sleep(time.Duration(port) * 500 * time.Millisecond)
			cable.next(port)
			within(t, 2500*time.Millisecond, func() string { return current(w, want, port) })
		}
		if more := strings.TrimPrefix(log.String(), said); more != "" {
			t.Errorf("was said:\n%s", more)
		}
	})
}

// TestHoldsThatFail has something between us and Consul that lets reads through, and fails all that waits. We go on asking, but
// not all the time.
func TestHoldsThatFail(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"400": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) },
		"404": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"cut": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			wired(t, func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, log *lockedBuffer) {
				within(t, 5*time.Second, func() string { return current(w, want, 80) })
				cable.cutting.Lock()
				cable.refuse = func(w http.ResponseWriter, r *http.Request) bool {
					if waits(r) {
						fail(w)
					}
					return waits(r)
				}
				cable.cutting.Unlock()
				cable.away(false)
				time.Sleep(time.Minute)
				before := cable.count("/v1/")
				time.Sleep(10 * time.Minute)
				// A query of its own comes back every three seconds, in two requests; a mirror has all its services polled every two.
				if n, most := cable.count("/v1/")-before, 600*(len(want)+5); n > most || n < 100 {
					t.Errorf("%d requests in ten minutes, want at most %d", n, most)
				}
				cable.next(81)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if wrong := values(w, want, 81); wrong != "" {
					t.Error(wrong)
				}
			})
		})
	}
}

// TestOneThingFails has a Consul that fails one query for good, and is well otherwise: that is not asked for more often for
// looking whether Consul is back.
func TestOneThingFails(t *testing.T) {
	wired(t, func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, _ *lockedBuffer) {
		const path = "/v1/health/service/s1"
		if q := (watch.Service{Name: "s1"}); !want.Has(q) || len(want) > 50 {
			return // among many it is not asked for by itself: see TestLoadThatNeverWorks
		}
		within(t, 5*time.Second, func() string { return current(w, want, 80) })
		cable.set(func() {
			cable.services["s1"] = 81 // so that it is asked for
			cable.instead = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					http.Error(w, "no path to datacenter", http.StatusInternalServerError)
				}
				return r.URL.Path == path
			}
		})
		time.Sleep(5 * time.Minute)
		before := cable.count(path)
		time.Sleep(10 * time.Minute)
		if n := cable.count(path) - before; n < 10 || n > 50 {
			t.Errorf("%d requests in ten minutes for what fails", n)
		}
		if err := w.Err(watch.Service{Name: "s1"}); err == nil || !strings.Contains(err.Error(), "no path") {
			t.Errorf("the query was told of %v", errors.Unwrap(err))
		}
	})
}

// TestHeldIsToldAgain has an outage while a guard holds an answer back: when it is over nothing is said to fail any more.
func TestHeldIsToldAgain(t *testing.T) {
	for _, plan := range []string{PlanSingle, PlanShared} {
		t.Run(plan, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, s := newLine(t, Config{Plan: plan}, plain)
				for i := range 30 {
					line.services[fmt.Sprintf("s%d", i)], line.passing[fmt.Sprintf("s%d", i)] = 80, true
				}
				want := services(30)
				ctx, cancel := context.WithCancel(t.Context())
				w := watch.New(s, slog.New(slog.DiscardHandler))
				w.Guards = []watch.Guard{{MinInstances: 1}}
				w.Sync(ctx, want)
				within(t, 10*time.Second, func() string { return current(w, want, 80) })
				line.set(func() { delete(line.services, "s1") })
				within(t, 10*time.Second, func() string { return map[bool]string{false: "nothing is held"}[w.Withheld() == 1] })
				line.away(true)
				within(t, time.Minute, func() string { return map[bool]string{false: "nothing fails"}[w.Failing()] })
				line.away(false)
				within(t, time.Minute, func() string {
					if w.Failing() || w.Withheld() != 1 || portOf(w, watch.Service{Name: "s1"}) != 80 {
						return fmt.Sprintf("%v, %d held", w.Err(watch.Service{Name: "s1"}), w.Withheld())
					}
					return ""
				})
				cancel()
				w.Wait()
			})
		})
	}
}
