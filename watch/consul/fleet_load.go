package consul

import (
	"context"
	"slices"
	"sync"
	"time"

	"lictor/watch"
)

// A host is a node of the registry, and what was last seen on it.
type host struct {
	mu       sync.Mutex // held while a look is taken in
	services ledger
	content  digest
	begun    time.Time // when the last look began
	seen     bool
	read     time.Time // when the last look began, but for those that waited; under the fleet's lock
	news     news
}

// A checkBook is what the list of all checks held when it was last read.
type checkBook struct {
	mu     sync.Mutex // held while the list is read, so that one look follows another
	ledger ledger
	index  uint64    // 0 before the first look
	begun  time.Time // when the last look began
}

// A crowd is what a load collects: the instances of the services that are wanted, and their checks.
type crowd struct {
	wanted map[string]bool // by folded service name

	mu        sync.Mutex
	instances []*located
	ofNode    map[string][]*watch.HealthCheck    // a node's own checks, by its folded name
	ofService map[[2]string][]*watch.HealthCheck // by folded node and service id
	watch.Evidence
}

// A located is an instance and its node.
type located struct {
	node    *rawNode
	service *rawService
}

func newCrowd() *crowd {
	return &crowd{wanted: map[string]bool{}, ofNode: map[string][]*watch.HealthCheck{}, ofService: map[[2]string][]*watch.HealthCheck{}}
}

// weigh takes the evidence of one more read into account: all is as good as its worst part.
func (c *crowd) weigh(e watch.Evidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.NoLeader = c.NoLeader || e.NoLeader
	c.Filtered = c.Filtered || e.Filtered
	c.Age = max(c.Age, e.Age)
}

// load answers all members that were never read, and those that are to be read again, from the services of each node and the list
// of all checks.
func (f *fleet) load(ctx context.Context) (err error) {
	if err := f.still.Acquire(ctx, fleetReaders); err != nil {
		return context.Cause(ctx)
	}
	defer f.still.Release(fleetReaders)
	begin := time.Now()
	c := newCrowd()
	plain, again := f.enlist(c)
	defer func() {
		f.pace.spend(time.Since(begin))
		f.loaded()
		for _, name := range again {
			if err != nil {
				f.mark(name)
			}
		}
	}()
	nodes := f.allNodes()
	checks, index, err := f.readChecks(ctx, consistent, c, f.markOwner)
	if err != nil {
		return err
	}
	if _, err := f.sweep(ctx, nodes, consistent, c); err != nil {
		return err
	}
	lists := c.assemble()
	// A service and its checks were read at two moments. What changed in between is not believed, but read by itself.
	r, err := f.p.read(ctx, f.noChecks(), leader, 0)
	if err != nil {
		return err
	}
	late := map[string]bool{}
	if r.index != index {
		now, _, err := f.readChecks(ctx, leader, nil, f.markOwner)
		if err != nil {
			return err
		}
		checks.changed(now, func(o owner) { // someone else may have read the list meanwhile, and marked what had changed
			if o.service != "" {
				late[o.service] = true
			}
			for name, list := range lists {
				if o.service == "" && slices.ContainsFunc(list, func(i *watch.ServiceInstance) bool { return fold(i.Node) == o.node }) {
					late[name] = true
				}
			}
			f.markOwner(o)
		})
	}
	looked := map[string]bool{}
	for _, name := range nodes {
		looked[name] = true
	}
	doubted := 0
	for _, a := range plain {
		name := nameOf(a.Query)
		// A read by itself may know an instance on a node that the list of nodes does not tell of yet.
		if late[name] || slices.ContainsFunc(a.nodes, func(node string) bool { return !looked[node] }) {
			f.mark(name)
			continue
		}
		list := lists[name]
		if list == nil {
			list = []*watch.ServiceInstance{}
		}
		worth := c.Evidence
		worth.Filtered = worth.Filtered && (len(list) == 0 || f.partly()) // what else is hidden is of other services
		if !a.Report(watch.Answer{Value: list, Evidence: worth}) {
			doubted++
			f.mark(name) // it is read again consistently, by itself
			continue
		}
		f.note(a, list, 0, false)
	}
	if doubted > len(plain)/2 { // the next load would be for nothing, too
		f.restLoads()
	}
	f.p.log.Debug("consul services loaded", "services", len(plain), "nodes", len(nodes), "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// enlist notes what a load is to answer, and takes out of the queue what is to be read again: what changes from now on is so once more.
func (f *fleet) enlist(c *crowd) (plain []*asked, again []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loading = true
	for name, w := range f.members {
		queued := w.queued && !w.due.After(time.Now()) && !slices.ContainsFunc(w.queries, func(a *asked) bool { return !isPlain(a.Query) })
		for _, a := range w.queries {
			if isPlain(a.Query) && (!a.read() || queued) {
				plain = append(plain, a)
				c.wanted[name] = true
			}
		}
		if queued {
			w.queued = false
			again = append(again, name)
		}
	}
	f.queue = slices.DeleteFunc(f.queue, func(name string) bool { w := f.members[name]; return w == nil || !w.queued })
	return plain, again
}

// isPlain tells whether a query is one on all instances of a service, which a load answers.
func isPlain(q watch.Query) bool {
	s, ok := q.(watch.Service)
	return ok && s.Near == "" && s.Filter == ""
}

// firstLook is for a list that was never looked at before, of the services of a node or, where node is "", of all checks. It
// marks what was answered before: that may have changed since, or have gone, of which the list does not tell.
func (f *fleet) firstLook(l ledger, node string) {
	there := map[string]bool{}
	for _, o := range l {
		there[o.service] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, w := range f.members {
		known := slices.ContainsFunc(w.queries, func(a *asked) bool { return a.known })
		if w.reading || known && (node == "" || there[name] || w.on(node)) {
			f.markLocked(name)
		}
	}
}

// loaded marks what changed while the load did not know yet which services it concerns.
func (f *fleet) loaded() {
	f.mu.Lock()
	late := f.late
	f.loading, f.late = false, nil
	if f.crowded() {
		signal(f.joined)
	}
	f.mu.Unlock()
	for _, node := range late {
		f.markOwner(owner{node: node})
	}
}

// assemble makes the answers that direct reads would give.
func (c *crowd) assemble() map[string][]*watch.ServiceInstance {
	lists := make(map[string][]*watch.ServiceInstance, len(c.wanted))
	for _, l := range c.instances {
		node, name := fold(l.node.Node), fold(l.service.Service)
		checks := slices.Concat(c.ofNode[node], c.ofService[[2]string{node, l.service.ID}])
		lists[name] = append(lists[name], newInstance(l.node, l.service, checks))
	}
	for _, list := range lists {
		slices.SortStableFunc(list, byInstance)
	}
	return lists
}
