package consul

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"lictor/watch"
)

// After a long time without Consul whatever failed rests for half a minute; it would be as late to see that there is a leader
// again. So one small request, the recovery probe, is sent again and again while Consul is away, and all that rests after a
// failure is tried again when it succeeds.

// While Consul is away it is probed this often. What failed is tried again within wakeSpread after that, and not all at once.
const (
	probeEvery = 500 * time.Millisecond
	wakeSpread = 250 * time.Millisecond
)

// A recovery is what the scheduler knows of Consul's absence.
type recovery struct {
	probe *recoveryProbe // nil while there is none
	at    time.Time      // when Consul came back last
}

// A recoveryProbe is one that is under way.
type recoveryProbe struct {
	away   chan struct{} // is closed when it finds that Consul is away
	ended  chan struct{} // is closed when Consul is there
	absent bool          // Consul is away, as far as the scheduler has been told
}

// suspect begins a recovery probe, where an error is one that Consul's absence causes and none is under way.
func (s *scheduler) suspect(err error) {
	if s.recovery.probe != nil || refusal(err) || watch.IsPermanent(err) || errors.Is(err, errFull) {
		return
	}
	p := &recoveryProbe{away: make(chan struct{}), ended: make(chan struct{})}
	s.recovery.probe = p
	s.wg.Go(func() {
		defer close(p.ended)
		if s.client.there(s.ctx) {
			sleep(s.ctx, probeEvery)
			return
		}
		close(p.away)
		for s.ctx.Err() == nil && !s.client.there(s.ctx) {
			sleep(s.ctx, probeEvery+rand.N(probeEvery/2))
		}
	})
}

// away and back are what the scheduler waits for while there is a recovery probe.
func (s *scheduler) away() <-chan struct{} {
	if s.recovery.probe == nil || s.recovery.probe.absent {
		return nil
	}
	return s.recovery.probe.away
}

func (s *scheduler) back() <-chan struct{} {
	if s.recovery.probe == nil {
		return nil
	}
	return s.recovery.probe.ended
}

// absent tells whether Consul is known to be away now.
func (s *scheduler) absent() bool { return s.recovery.probe != nil && s.recovery.probe.absent }

// recovered takes in that a recovery probe ended, and tells whether Consul was away. Nothing is tried again when Consul was there all the time: what fails then fails
// for a reason of its own.
func (s *scheduler) recovered() bool {
	absent := s.recovery.probe.absent
	select {
	case <-s.recovery.probe.away:
		absent = true
	default:
	}
	s.recovery.probe = nil
	if !absent || s.ctx.Err() != nil {
		return false
	}
	s.log.Debug("consul has recovered, what failed is tried again")
	s.recovery.at = time.Now()
	for _, v := range slices.Clone(s.rests) {
		if v.failures.row == 0 || !v.failures.workingSince.IsZero() {
			continue
		}
		v.failures.row = 1
		if soon := rand.N(wakeSpread); time.Until(v.due) > soon {
			s.stop(v)
			s.pause(v, soon)
		}
	}
	return true
}

// there tells whether Consul answers, and knows a leader.
func (c *client) there(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := c.probe(ctx); err != nil {
		return false
	}
	known := true
	_, err := c.ask(ctx, call{path: "status/leader"}, func(r io.Reader) error {
		text, err := io.ReadAll(io.LimitReader(r, 1<<10))
		known = strings.TrimSpace(string(text)) != `""`
		return err
	})
	return known && (err == nil || refusal(err) || watch.IsPermanent(err))
}

// refusal tells whether Consul, or what is between, does not want to answer, rather than being unable to.
func refusal(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.status < http.StatusInternalServerError
}
