package record

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// near notes in which order nodes came by their distance from one.
func (r *recorder) near(dc, from string, nodes []string) {
	if from == "" || len(nodes) == 0 {
		return
	}
	p := place{dc, from}
	r.order[p] = append(r.order[p], slices.Compact(nodes))
}

// placeDistances gives the nodes made-up round-trip times that put them into the order in which they came.
func (r *recorder) placeDistances() {
	places := slices.SortedFunc(maps.Keys(r.order), func(a, b place) int {
		return cmp.Or(strings.Compare(a.datacenter, b.datacenter), strings.Compare(a.node, b.node))
	})
	for _, p := range places {
		to, nodes := r.registry(p.datacenter), merge(r.order[p])
		from := p.node
		if from == "_agent" {
			// The nearest may stand for the agent, which nothing else needs to know.
			r.data.Agent = cmp.Or(r.data.Agent, nodes[0])
			from = r.data.Agent
		}
		n := to.Nodes[from]
		if n == nil {
			n = r.node(to, from, "", "127.0.0.1", nil, nil)
		}
		n.RTT = distances(from, nodes)
	}
}

// distances are a millisecond from one node to the next.
func distances(from string, nodes []string) map[string]time.Duration {
	rtt := map[string]time.Duration{}
	for i, name := range nodes {
		if name != from {
			rtt[name] = time.Duration(i+1) * time.Millisecond
		}
	}
	return rtt
}

// merge makes one order of several, as far as they agree: it takes the first node that no list has another one before.
func merge(lists [][]string) []string {
	var merged []string
	lists = slices.Clone(lists)
	for {
		lists = slices.DeleteFunc(lists, func(l []string) bool { return len(l) == 0 })
		if len(lists) == 0 {
			return merged
		}
		next := lists[0][0]
		for _, l := range lists {
			first := l[0]
			if !slices.ContainsFunc(lists, func(other []string) bool { return slices.Index(other, first) > 0 }) {
				next = first
				break
			}
		}
		merged = append(merged, next)
		for i, l := range lists {
			lists[i] = slices.DeleteFunc(slices.Clone(l), func(n string) bool { return n == next })
		}
	}
}
