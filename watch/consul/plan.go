package consul

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"lictor/watch"
)

// The plans that can be forced by [Config.Plan]. What is chosen without that:
//
//   - while the queries fit the budget, each is held open as a blocking query of its own;
//   - beyond that, keys and prefixes that lie below a common prefix are answered by a [ring], which reads that prefix, and
//     services of one scope by a [fleet], which holds a few queries open that tell what has changed; each of the rest
//     is held open as far as the budget allows;
//   - what is left over then is read in turn by a [rota].
const (
	PlanSingle = "single" // every query on its own, even beyond the budget
	PlanShared = "shared" // rings and fleets, however few the queries; a fleet chooses how it finds changes
	PlanNodes  = "nodes"  // the same, and a fleet holds one query open for each node
	PlanSweep  = "sweep"  // the same, and a fleet sweeps over nodes when something has changed
	PlanPoll   = "poll"   // every query is read in turn
)

// Plans are the plans that can be forced.
var Plans = []string{PlanSingle, PlanShared, PlanNodes, PlanSweep, PlanPoll}

// A crew answers some queries together.
type crew interface {
	// change says which queries join, with their seats, and which leave.
	change(add []*watch.Seat, drop []watch.Query)
	// allot says how many requests the crew may hold open.
	allot(slots int)
	// run works until ctx ends, and returns when all that it started has ended.
	run(ctx context.Context)
}

// A place is where a query is answered: which crew it belongs to.
type place struct {
	kind   string
	scope  watch.Scope
	prefix string      // of a ring
	query  watch.Query // of a single query
}

const (
	inSingle = "single"
	inRing   = "ring"
	inFleet  = "fleet"
	inRota   = "rota"
	nowhere  = "nowhere" // until a survey has found where
)

// A planner is one run of Follow. Only the goroutine of Follow uses what has no other comment.
type planner struct {
	*Source
	wg      sync.WaitGroup
	want    map[watch.Query]*watch.Seat // each in the seat that its crew has
	places  map[watch.Query]place
	crews   map[place]running
	grouped bool // the queries are too many for a place of its own for each

	rings   map[watch.Scope][]string // prefixes that surveys found fit
	alone   watch.Set                // keys and prefixes that surveys found none for
	pending watch.Set                // what a survey looks at now
	surveys chan func()              // what a survey found, to be called by Follow
	outgrew chan outgrowth           // rings that hold too much for their members
	heavy   map[place]bool           // those of them whose keys are too large, which surveys do not see

	canaries map[string]bool // datacenters that need one
	singing  map[string]bool // those of them that have one
}

type running struct {
	crew
	cancel context.CancelFunc
}

var _ watch.Planner = (*Source)(nil)

func newPlanner(s *Source) *planner {
	return &planner{
		Source: s, want: map[watch.Query]*watch.Seat{}, places: map[watch.Query]place{}, crews: map[place]running{},
		rings: map[watch.Scope][]string{}, alone: watch.Set{}, pending: watch.Set{},
		canaries: map[string]bool{}, singing: map[string]bool{},
		surveys: make(chan func()), outgrew: make(chan outgrowth, 16), heavy: map[place]bool{},
	}
}

// Follow is the watch.Planner's.
func (s *Source) Follow(ctx context.Context, changes <-chan watch.Change) {
	s.enter()
	defer s.leave()
	p := newPlanner(s)
	p.wg.Go(func() { s.client.lookOut(ctx) })
	for {
		select {
		case c := <-changes:
			p.drop(c.Drop)
			for q := range c.Drop {
				delete(p.want, q)
				delete(p.alone, q)
			}
			maps.Copy(p.want, c.Add)
		case found := <-p.surveys:
			found()
		case o := <-p.outgrew:
			if o.heavy {
				p.heavy[o.place] = true
			}
			p.forget(o.place)
		case <-s.client.budget.changed:
		case <-ctx.Done():
			p.wg.Wait()
			return
		}
		p.arrange(ctx)
	}
}

// forget takes back that a ring's prefix was found fit.
func (p *planner) forget(at place) {
	if at.kind == inRing {
		p.rings[at.scope] = slices.DeleteFunc(p.rings[at.scope], func(prefix string) bool { return prefix == at.prefix })
	}
}

// An outgrowth is a ring whose prefix holds too many keys by now, or too heavy ones.
type outgrowth struct {
	place
	heavy bool
}

// outgrown says that a ring's prefix holds too much by now. It may be called from any goroutine.
func (p *planner) outgrown(at place, heavy bool) {
	select {
	case p.outgrew <- outgrowth{at, heavy}:
	default: // it will be said again
	}
}

// drop takes queries out of their crews.
func (p *planner) drop(queries watch.Set) {
	dropped := map[place][]watch.Query{}
	for q := range queries {
		if at, ok := p.places[q]; ok {
			dropped[at] = append(dropped[at], q)
			delete(p.places, q)
		}
	}
	for at, drop := range dropped {
		if at.kind == inSingle { // it may be wanted again, and is then to be reported again
			p.crews[at].cancel()
			delete(p.crews, at)
			continue
		}
		p.crews[at].change(nil, drop)
	}
}

// arrange gives each query its place, moves those that were elsewhere, and shares out the slots.
func (p *planner) arrange(ctx context.Context) {
	slots := p.client.budget.slots.limit()
	plan := p.assign(slots)
	p.startSurveys(ctx, plan)
	add, moved, used := map[place][]*watch.Seat{}, watch.Set{}, map[place]int{}
	for q, at := range plan {
		was, ok := p.places[q]
		if ok && was == at || at.kind == nowhere && !ok {
			used[at]++
			continue
		}
		if ok { // what is under way for it may be older than what its new crew reads
			moved.Add(q)
			p.want[q] = p.want[q].Move()
		}
		if at.kind != nowhere {
			add[at] = append(add[at], p.want[q])
			used[at]++
		}
	}
	p.drop(moved)
	for at, r := range p.crews {
		if used[at] == 0 {
			r.cancel()
			delete(p.crews, at)
			p.forget(at) // what its prefix holds is not looked at any more
		}
	}
	var fresh []func()
	for dc := range p.canaries {
		if !p.singing[dc] {
			p.singing[dc] = true
			fresh = append(fresh, func() { p.canary(ctx, dc) })
		}
	}
	for at, seats := range add {
		r, ok := p.crews[at]
		if !ok {
			cctx, cancel := context.WithCancel(ctx)
			r = running{p.newCrew(at), cancel}
			p.crews[at] = r
			fresh = append(fresh, func() { r.run(cctx) })
		}
		for _, s := range seats {
			p.places[s.Query] = at
		}
		r.change(seats, nil)
	}
	p.share(slots)
	for _, run := range fresh {
		p.wg.Go(run)
	}
	if len(add) > 0 && p.grouped {
		p.tell(slots, used)
	}
}

func (p *planner) newCrew(at place) crew {
	switch at.kind {
	case inRing:
		return newRing(p, at)
	case inFleet:
		return newFleet(p, at.scope)
	case inRota:
		return newRota(p)
	}
	return &single{p: p}
}

// share gives fleets the slots that the others leave.
func (p *planner) share(slots int) {
	fleets := 0
	slots -= len(p.singing)
	for at := range p.crews {
		switch at.kind {
		case inSingle, inRing:
			slots--
		case inFleet:
			fleets++
		}
	}
	for at, r := range p.crews {
		if at.kind == inFleet {
			r.allot(max(1, slots/fleets))
		}
	}
}

// tell shows the plan to who debugs.
func (p *planner) tell(slots int, used map[place]int) {
	crews, queries := map[string]int{}, map[string]int{}
	for at, n := range used {
		crews[at.kind]++
		queries[at.kind] += n
	}
	args := []any{"slots", slots}
	for _, kind := range []string{inSingle, inRing, inFleet, inRota, nowhere} {
		if crews[kind] > 0 {
			args = append(args, kind, fmt.Sprintf("%d for %d queries", crews[kind], queries[kind]))
		}
	}
	p.log.Debug("consul plan", args...)
}

func queriesOf(seats []*watch.Seat) []watch.Query {
	queries := make([]watch.Query, len(seats))
	for i, s := range seats {
		queries[i] = s.Query
	}
	return queries
}
