package file

import (
	"context"
	"sync"
)

// shared is an activity in the background that runs while at least one caller needs it.
type shared struct {
	mu    sync.Mutex
	users int
	stop  func()
}

// join counts the caller in, and starts run in a goroutine for the first one. It returns once run has called ready. The
// caller calls leave when it no longer needs the activity; the last leave ends run's context and waits for its end.
func (s *shared) join(ctx context.Context, run func(ctx context.Context, ready func())) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		// The activity outlives the first caller when there are others, so only the last leave ends it.
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		ready := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { run(ctx, sync.OnceFunc(func() { close(ready) })) })
		s.stop = func() { cancel(); wg.Wait() }
		<-ready
	}
	s.users++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.users--; s.users == 0 {
			s.stop()
		}
	})
}
