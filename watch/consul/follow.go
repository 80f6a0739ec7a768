package consul

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"lictor/watch"
)

// A follower is one run of [Source.Follow]. All of it belongs to the goroutine that runs it.
type follower struct {
	*scheduler
	want    map[watch.Query]*watch.Subscription
	groupOf map[watch.Query]groupKey // which one answers each query now
	groups  map[groupKey]group
	grouped bool

	fit     map[watch.Scope][]string // prefixes that surveys found fit
	alone   watch.Set                // keys and prefixes that surveys found none for
	pending watch.Set                // what a survey looks at now
	surveys chan func()              // what a survey found, to be called by Follow
	outgrew []groupKey               // prefixes that hold too much for their members by now
	heavy   map[groupKey]bool        // those of them whose keys are too large, which surveys do not see

	restoreViews map[string]*view // by datacenter
}

// A group answers some queries.
type group interface {
	// change says which queries join, and which leave.
	change(add []*watch.Subscription, drop []watch.Query)
	// recovered has all read again that is only read when hinted at, after Consul was away: the server that was asked then may have been
	// one that had only just become the leader, and was behind what hinted.
	recovered()
	// close ends it. Its queries have left or are answered elsewhere.
	close()
}

func newFollower(ctx context.Context, s *Source) *follower {
	return &follower{
		scheduler: newScheduler(ctx, s), want: map[watch.Query]*watch.Subscription{}, groupOf: map[watch.Query]groupKey{}, groups: map[groupKey]group{},
		fit: map[watch.Scope][]string{}, alone: watch.Set{}, pending: watch.Set{}, surveys: make(chan func()), heavy: map[groupKey]bool{},
		restoreViews: map[string]*view{},
	}
}

// Follow is the [watch.Source]'s.
func (s *Source) Follow(ctx context.Context, changes <-chan watch.Change) {
	s.enter()
	defer s.leave()
	f := newFollower(ctx, s)
	defer f.wg.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		f.start()
		timer.Reset(f.nextDue())
		select {
		case c := <-changes:
			f.accept(c)
			f.arrange()
		case o := <-f.results:
			f.receive(o)
			f.replaceOutgrown()
		case found := <-f.surveys:
			found()
			f.arrange()
		case <-f.client.budget.changed:
			f.arrange()
			f.grant()
		case <-f.away():
			f.recovery.probe.absent = true
		case <-f.back():
			if f.recovered() {
				f.callAfter(rand.N(time.Second), func() { // many programs may have to read at this moment
					for _, g := range f.groups {
						g.recovered()
					}
				})
			}
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// accept takes in a change of what is wanted.
func (f *follower) accept(c watch.Change) {
	gone := watch.Set{}
	for _, s := range c.Drop {
		gone.Add(s.Query)
		delete(f.want, s.Query)
		delete(f.alone, s.Query)
	}
	f.drop(gone)
	for _, s := range c.Add {
		f.want[s.Query] = s
	}
}

// nextDue is how long it is until a resting view is due.
func (s *scheduler) nextDue() time.Duration {
	if len(s.rests) == 0 {
		return time.Hour
	}
	return max(0, time.Until(s.rests[0].due))
}

// replaceOutgrown finds other groups for what was answered by prefixes that hold too much by now.
func (f *follower) replaceOutgrown() {
	if len(f.outgrew) == 0 {
		return
	}
	for _, at := range f.outgrew {
		f.forget(at)
	}
	f.outgrew = nil
	f.arrange()
}

// forget takes back that a prefix was found fit.
func (f *follower) forget(at groupKey) {
	if at.kind == byPrefix {
		f.fit[at.scope] = slices.DeleteFunc(f.fit[at.scope], func(prefix string) bool { return prefix == at.prefix })
	}
}

// drop takes queries out of their groups.
func (f *follower) drop(queries watch.Set) {
	dropped := map[groupKey][]watch.Query{}
	for q := range queries {
		if at, ok := f.groupOf[q]; ok {
			dropped[at] = append(dropped[at], q)
			delete(f.groupOf, q)
		}
	}
	for at, drop := range dropped {
		f.groups[at].change(nil, drop)
		if at.kind == byItself {
			f.end(at)
		}
	}
}

func (f *follower) end(at groupKey) {
	f.groups[at].close()
	delete(f.groups, at)
}

// arrange has each query answered by the group that the plan says, and moves those that another one answered.
func (f *follower) arrange() {
	slots := f.client.budget.slots.limit()
	plan, grouped := planning{
		queries: slices.Collect(maps.Keys(f.want)), slots: slots, once: f.once, force: f.force, grouped: f.grouped, fit: f.fit, alone: f.alone,
	}.plan()
	f.grouped = grouped
	f.startSurveys(plan)
	add, moved, used := map[groupKey][]*watch.Subscription{}, watch.Set{}, map[groupKey]int{}
	for q, at := range plan {
		was, ok := f.groupOf[q]
		if at.kind != unsurveyed {
			used[at]++
		}
		if ok && was == at || at.kind == unsurveyed && !ok {
			continue
		}
		if ok {
			moved.Add(q)
		}
		if at.kind != unsurveyed {
			add[at] = append(add[at], f.want[q])
		}
	}
	f.drop(moved)
	for at := range f.groups {
		if used[at] == 0 {
			f.end(at)
			f.forget(at) // what its prefix holds is not looked at any more
		}
	}
	f.openRestoreViews(plan)
	for _, at := range slices.SortedFunc(maps.Keys(add), byName) {
		for _, sub := range add[at] {
			f.groupOf[sub.Query] = at
		}
		g := f.groups[at]
		if g == nil {
			g = f.newGroup(at)
			f.groups[at] = g
		}
		g.change(add[at], nil)
	}
	for _, g := range f.groups {
		if c, ok := g.(*catalogMirror); ok {
			c.openNames() // nodes may have lost their slots to what has joined
		}
	}
	if len(add) > 0 && f.grouped {
		f.show(slots)
	}
}

func (f *follower) newGroup(at groupKey) group {
	switch at.kind {
	case byPrefix:
		return newPrefixView(f.scheduler, at, func(heavy bool) {
			if heavy {
				f.heavy[at] = true
			}
			f.outgrew = append(f.outgrew, at)
		})
	case byCatalog:
		return newCatalogMirror(f.scheduler, at.scope)
	}
	return &ownView{s: f.scheduler, poll: f.force == PlanPoll}
}

// An ownView is a group of one query, which is read by itself.
type ownView struct {
	s    *scheduler
	poll bool
	view *view
}

func (g *ownView) change(add []*watch.Subscription, _ []watch.Query) {
	for _, sub := range add {
		g.view = g.s.newQueryView(sub, policy{hold: !g.poll, poll: true, rank: rankQuery})
		g.s.add(g.view)
	}
}

func (g *ownView) recovered() {} // it is held or polled

func (g *ownView) close() { g.s.remove(g.view) }

// openRestoreViews has a restore view in each datacenter of which streamed queries are held open.
func (f *follower) openRestoreViews(plan map[watch.Query]groupKey) {
	need := map[string]bool{}
	if !f.once && f.force != PlanPoll {
		for q, at := range plan {
			if at.kind == byItself && streamed(q) {
				need[watch.ScopeOf(q).Datacenter] = true
			}
		}
	}
	for datacenter := range need {
		if f.restoreViews[datacenter] == nil {
			f.restoreViews[datacenter] = f.newRestoreView(datacenter)
			f.add(f.restoreViews[datacenter])
		}
	}
	for datacenter, v := range f.restoreViews {
		if !need[datacenter] {
			f.remove(v)
			delete(f.restoreViews, datacenter)
		}
	}
}

// show shows the plan to who debugs.
func (f *follower) show(slots int) {
	groups, queries := map[groupKind]int{}, map[groupKind]int{}
	for at := range f.groups {
		groups[at.kind]++
	}
	for _, at := range f.groupOf {
		queries[at.kind]++
	}
	args := []any{"slots", slots}
	for _, kind := range []groupKind{byItself, byPrefix, byCatalog} {
		if groups[kind] > 0 {
			args = append(args, string(kind), fmt.Sprintf("%d for %d queries", groups[kind], queries[kind]))
		}
	}
	f.log.Debug("consul plan", args...)
}
