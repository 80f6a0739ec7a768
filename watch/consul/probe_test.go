package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

// A line is a cable that may lead to a server which speaks TLS, and HTTP/2.
type line struct {
	*cable
	dials  atomic.Int64
	silent atomic.Bool // who is called says nothing
}

// newLine makes a line and a source on it, in a bubble.
func newLine(t *testing.T, c Config, p protocol) (*line, *Source) {
	l := &line{cable: &cable{fake: blankFake(), accepted: make(chan net.Conn)}}
	server := httptest.NewUnstartedServer(l.cable)
	server.Listener.Close()
	server.Listener, server.EnableHTTP2 = l.cable, p == http2
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	c.Address = "consul.test:8501"
	if p != plain {
		c.TLS = TLS{Enabled: true, SkipVerify: true}
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		l.away(true)
		server.Close()
		time.Sleep(time.Second) // what it answers just now ends
	})
	c.Transport.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		l.dials.Add(1)
		if !l.silent.Load() {
			return l.dial(ctx, network, address)
		}
		ours, its := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, its); its.Close() }()
		return ours, nil
	}
	return l, open(t, c)
}

// TestSilentTLS has a peer that is connected to and says nothing: all queries hear of it when the first attempt to speak TLS is
// over, however many they are, and are answered when it speaks.
func TestSilentTLS(t *testing.T) {
	for _, c := range []struct {
		protocol
		plan string
	}{{http2, PlanSingle}, {http2, PlanShared}, {http1, PlanSingle}, {http1, PlanShared}} {
		t.Run(fmt.Sprintf("%s, %s", c.protocol, c.plan), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, s := newLine(t, Config{Plan: c.plan}, c.protocol)
				want := watch.Set{}
				for i := range 500 {
					line.keys[fmt.Sprint("app/", i)], line.services[fmt.Sprint("s", i)] = "dg==", 80
					want.Add(watch.Key{Path: fmt.Sprint("app/", i)})
					want.Add(watch.Service{Name: fmt.Sprint("s", i)})
				}
				line.silent.Store(true)
				ctx, cancel := context.WithCancel(t.Context())
				w := watch.New(s, slog.New(slog.DiscardHandler))
				w.Sync(ctx, want)
				time.Sleep(9 * time.Second)
				if n := line.dials.Load(); n != 1 {
					t.Errorf("%d connections for one attempt", n)
				}
				within(t, time.Second, func() string {
					for q := range want {
						if err := w.Err(q); err == nil {
							return fmt.Sprintf("%s has no error", q)
						}
					}
					return ""
				})
				time.Sleep(10 * time.Minute)
				if n := line.dials.Load(); n > 200 { // one after the other, of which the shortest, the recovery probe, takes two seconds
					t.Errorf("%d connections in ten minutes", n)
				}
				line.silent.Store(false)
				within(t, 12*time.Second, func() string { return current(w, want, 80) }) // when the attempt that is under way is over
				cancel()
				w.Wait()
			})
		})
	}
}

// TestWhoWaitsForAProbe has callers that leave while they wait for what another does, or do it themselves: they return at once,
// and those who stay hear of the peer, and not of them.
func TestWhoWaitsForAProbe(t *testing.T) {
	for i, p := range []protocol{http2, http2, http1, http1} {
		impatient := i % 2 // who comes first makes the attempt
		synctest.Test(t, func(t *testing.T) {
			line, s := newLine(t, Config{}, p)
			line.silent.Store(true)
			gone := errors.New("gone")
			begin := time.Now()
			var after [3]time.Duration
			var errs [3]error
			for i := range errs {
				ctx, leave := context.WithCancelCause(t.Context())
				defer leave(nil)
				if i == impatient {
					time.AfterFunc(3*time.Second, func() { leave(gone) })
				}
				go func() { errs[i] = s.client.probe(ctx); after[i] = time.Since(begin) }()
				synctest.Wait()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			for i, err := range errs {
				left, most := i == impatient, 10*time.Second
				if left {
					most = 3 * time.Second
				} else if impatient == 0 { // another began anew
					most = 13 * time.Second
				}
				if err == nil || errors.Is(err, gone) != left || after[i] != most {
					t.Errorf("%d leaves, %d hears %v after %s, want an error after %s", impatient, i, err, after[i], most)
				}
			}
			line.silent.Store(false)
			if err := s.client.probe(t.Context()); err != nil {
				t.Errorf("a failure is kept: %v", err)
			}
			s.client.http.CloseIdleConnections()
		})
	}
}
