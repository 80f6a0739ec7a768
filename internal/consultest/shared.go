package consultest

import (
	"context"
	"sync"
	"testing"
)

// A Shared agent serves all tests of a package: the first test that asks for it starts it. In TestMain, Main ends it
// after the last test:
//
//	var consul = &consultest.Shared{}
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(consul.Main(m)) }
//
// Tests keep apart by using keys and services of their own, such as ones that begin with the test's name. It takes any number
// of connections.
type Shared struct {
	Options Options

	mu     sync.Mutex
	server *Server
	err    error
}

// Server returns the shared agent, and starts it where that was not done yet. Where no Consul can be built the test is
// skipped, as by [Start].
func (s *Shared) Server(tb testing.TB) *Server {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		o := s.Options
		o.LiftLimits = true // it goes on counting the connections of earlier tests' queries until their waits are over
		s.server, s.err = New(context.Background(), o)
	}
	if s.err != nil {
		unavailable(tb, s.err)
	}
	return s.server
}

// A Runner is what *testing.M is to TestMain.
type Runner interface{ Run() int }

// Main returns a runner that runs m and then ends the shared agent.
func (s *Shared) Main(m Runner) Runner { return sharedRunner{s, m} }

type sharedRunner struct {
	shared *Shared
	m      Runner
}

func (r sharedRunner) Run() int {
	defer func() {
		r.shared.mu.Lock()
		defer r.shared.mu.Unlock()
		if r.shared.server != nil {
			r.shared.server.Close()
		}
	}()
	return r.m.Run()
}
