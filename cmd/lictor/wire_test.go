package main

import (
	"net"
	"sync"
	"testing"
)

// A wire is a way to a server that can be cut: connections stay open, new ones are accepted, and nothing comes through. What
// was sent meanwhile arrives when it is healed.
type wire struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup

	mu    sync.Mutex
	open  *sync.Cond
	isCut bool
	ended bool
	conns []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, to: to}
	w.open = sync.NewCond(&w.mu)
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		w.mu.Lock()
		w.ended = true
		w.listener.Close()
		for _, c := range w.conns {
			c.Close()
		}
		w.open.Broadcast()
		w.mu.Unlock()
		w.wg.Wait()
	})
	return w
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			near.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, near, far)
		if w.ended {
			near.Close()
			far.Close()
		}
		w.mu.Unlock()
		w.wg.Go(func() { w.carry(near, far) })
		w.wg.Go(func() { w.carry(far, near) })
	}
}

// carry carries what from says to to, while the link is not cut.
func (w *wire) carry(from, to net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		for w.isCut && !w.ended {
			w.open.Wait()
		}
		w.mu.Unlock()
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			from.Close()
			to.Close()
			return
		}
	}
}

func (w *wire) cut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = cut
	w.open.Broadcast()
}
