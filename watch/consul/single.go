package consul

import (
	"context"
	"time"

	"lictor/watch"
)

// A single holds one query open.
type single struct {
	p    *planner
	seat *watch.Seat
}

func (c *single) change(add []*watch.Seat, _ []watch.Query) { c.seat = add[0] } // it has one member, for good
func (c *single) allot(int)                                 {}

func (c *single) run(ctx context.Context) {
	c.p.attempt(ctx, func(ctx context.Context) error {
		return c.p.hold(ctx, c.seat.Query, c.seat.Report)
	}, func() []*watch.Seat { return []*watch.Seat{c.seat} })
}

// canary holds a query open, in one datacenter, that Consul does not answer out of its event stream and that nothing ever changes: checks of a
// state that does not exist. When it ends before its time, the server was restored; when it fails, it is in trouble, of which
// streamed answers don't tell, and when that is over, another may have taken its place. Streamed queries start over then,
// ever more seldom where that is the rule. When the server has gone silent they notice so themselves, and start over once it
// answers: started over before, they would be silent for as long again before anybody is told.
func (p *planner) canary(ctx context.Context, dc string) {
	scope := scopeQuery(watch.Scope{Datacenter: dc})
	e := endpoint{path: "health/state/none", query: scope, decode: discard, wait: restoreWait}
	streams := holds{dc, true}
	since := p.restores.now(streams) // when it last had an answer
	restarts := 0                    // in a row, with hardly any time between
	last := time.Time{}              // when they last started over
	restart := func(err error) {
		if since != p.restores.now(streams) { // they do that already
			return
		}
		if restarts++; time.Since(last) > max(time.Minute, p.client.wait) {
			restarts = 0
		} else {
			sleep(ctx, backoff(restarts))
		}
		last = time.Now()
		p.log.Debug("consul was restored or lost, queries on services start over", "datacenter", dc, "error", err)
		p.restores.notice(streams, since)
	}
	lost := false // whether it failed when it last asked
	for failures := 1; ctx.Err() == nil; failures++ {
		var seen uint64
		begin, back := time.Now(), p.client.lookout.next()
		err := p.follow(ctx, e, func(r result) error {
			back := lost || r.index <= seen
			seen, lost = r.index, false
			if back {
				restart(nil)
			}
			since = p.restores.now(streams)
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		if !silent(err) && !lost && !refusal(err) {
			restart(err)
			since = p.restores.now(streams)
		}
		lost = !refusal(err)
		if time.Since(begin) > 10*time.Second {
			failures = 1
		}
		if rest(ctx, backoff(failures), back) {
			failures = 0
		}
	}
}
