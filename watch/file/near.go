package file

import (
	"cmp"
	"math"
	"slices"
)

// nearest is a copy of list, ordered by the distance from the node that near names, the nearest first. What is equally far, or
// not known to be any way off, keeps its order; without a name all does.
func nearest[E any](s *snapshot, c *catalog, near string, list []E, node func(E) string) []E {
	list = slices.Clone(list)
	if near == "" {
		return list
	}
	if near == "_agent" {
		near = s.agent()
	}
	slices.SortStableFunc(list, func(a, b E) int {
		return cmp.Compare(c.distances.between(near, node(a)), c.distances.between(near, node(b)))
	})
	return list
}

// distances are the nodes of a datacenter, as far as they are declared, with what they say of the ways between them.
type distances map[string]*Node

// between is the round-trip time between two nodes in seconds, infinite where it is not known.
func (d distances) between(a, b string) float64 {
	from, to := cmp.Or(d[a], &Node{}), cmp.Or(d[b], &Node{})
	if from.Coordinate != nil && to.Coordinate != nil && from.Coordinate.IsCompatibleWith(to.Coordinate) {
		return from.Coordinate.DistanceTo(to.Coordinate).Seconds()
	}
	if a == b {
		if len(from.RTT) > 0 || d.mention(a) {
			return 0
		}
		return math.Inf(1)
	}
	if there, ok := from.RTT[b]; ok {
		return there.Seconds()
	}
	if back, ok := to.RTT[a]; ok {
		return back.Seconds()
	}
	return math.Inf(1)
}

// mention tells whether any node says how far it is to the one named.
func (d distances) mention(name string) bool {
	for _, n := range d {
		if _, ok := n.RTT[name]; ok {
			return true
		}
	}
	return false
}
