package consul

import (
	"time"

	"lictor/watch"
)

// Two looks at a list tell what has changed between them, but not what came and went in between: the list is as it was. An
// answer that was read in between may hold it still, and nothing would ever say that it is gone. So each look is also
// compared with the answers that are new since the one before. Changes of a thing that stays leave a trace, its index.

// News are the answers that were read and are new to a list. They are under the fleet's lock.
type news map[*asked]struct{}

// behind is by how much a server may be behind others that answers came from: what it lists is that much older.
const behind = time.Minute

// noteNew has a new answer compared with the next looks at the lists that tell of its parts.
func (f *fleet) noteNew(a *asked) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.gone {
		return
	}
	a.changed = time.Now()
	f.checkNews[a], f.nodeNews[a] = struct{}{}, struct{}{}
	for _, name := range a.nodes {
		if h := f.nodes[name]; h != nil {
			h.news[a] = struct{}{}
		}
	}
}

// forgetNew is for an answer that nobody wants any more. It runs under the lock.
func (f *fleet) forgetNew(a *asked) {
	delete(f.checkNews, a)
	delete(f.nodeNews, a)
	for _, h := range f.nodes {
		delete(h.news, a)
	}
}

// compareAnswers marks the services of which an answer, new since the last look at a list, holds what the list does not. What is
// being read now, and turns out to be new, is read again by whoever reads it.
func (f *fleet) compareAnswers(l ledger, n news, lastLook time.Time, parts func(answer any, each func(identity))) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	missing := map[identity]string{} // the services, by what their answers hold
	for a := range n {
		if a.changed.Before(lastLook.Add(-behind)) {
			delete(n, a)
			continue
		}
		parts(a.answer, func(part identity) { missing[part] = nameOf(a.Query) })
	}
	if len(missing) == 0 {
		return
	}
	for _, o := range l {
		delete(missing, o.which)
	}
	for _, name := range missing {
		f.markLocked(name)
	}
}

// checksOf calls each with the checks that an answer holds.
func (f *fleet) checksOf(answer any, each func(identity)) {
	list, _ := answer.([]*watch.ServiceInstance)
	for _, i := range list {
		for _, c := range i.Checks {
			each(f.digests.name(c.Node, c.CheckID))
		}
	}
}

// nodesOf calls each with the nodes of an answer's instances.
func (f *fleet) nodesOf(answer any, each func(identity)) {
	instances(answer, func(node, _ string) { each(f.digests.name(node, "")) })
}

// instancesOn makes a function that calls each with an answer's instances on a node, whose name is folded.
func (f *fleet) instancesOn(node string) func(answer any, each func(identity)) {
	return func(answer any, each func(identity)) {
		instances(answer, func(on, id string) {
			if fold(on) == node {
				each(f.digests.name(on, id))
			}
		})
	}
}

// instances calls each with the nodes and ids of the instances of an answer.
func instances(answer any, each func(node, id string)) {
	switch list := answer.(type) {
	case []*watch.ServiceInstance:
		for _, i := range list {
			each(i.Node, i.ID)
		}
	case []*watch.CatalogInstance:
		for _, i := range list {
			each(i.Node, i.ServiceID)
		}
	}
}
