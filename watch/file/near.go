package file

import (
	"math"
	"slices"
	"time"

	"github.com/hashicorp/serf/coordinate"
)

// distances are what is known of the round-trip times between nodes.
type distances struct {
	coordinates map[string]*coordinate.Coordinate
	rtt         map[[2]string]time.Duration
}

func (r *resolver) distances(from *Registry) distances {
	d := distances{coordinates: map[string]*coordinate.Coordinate{}, rtt: map[[2]string]time.Duration{}}
	for name, n := range from.Nodes {
		if c := n.Coordinate; c != nil {
			d.coordinates[name] = &coordinate.Coordinate{Vec: c.Vec, Height: c.Height, Adjustment: c.Adjustment}
		}
		for other, rtt := range n.RTT {
			d.rtt[[2]string{name, other}] = rtt
			if back, said := from.Nodes[other]; !said || back.RTT[name] == 0 {
				d.rtt[[2]string{other, name}] = rtt // the way back is as long, unless it is said to be otherwise
			}
			d.rtt[[2]string{name, name}] = 0
			d.rtt[[2]string{other, other}] = 0
		}
	}
	return d
}

// between is the round-trip time between two nodes in seconds, infinite where it is not known.
func (d distances) between(a, b string) float64 {
	ca, cb := d.coordinates[a], d.coordinates[b]
	if ca != nil && cb != nil && ca.IsCompatibleWith(cb) {
		return ca.DistanceTo(cb).Seconds()
	}
	if rtt, ok := d.rtt[[2]string{a, b}]; ok {
		return rtt.Seconds()
	}
	return math.Inf(1)
}

// sortNear orders list by the distance from a node, the nearest first. What is equally far, or not known to be any way off,
// keeps its order.
func sortNear[E any](d distances, near string, list []E, node func(E) string) {
	slices.SortStableFunc(list, func(a, b E) int {
		da, db := d.between(near, node(a)), d.between(near, node(b))
		switch {
		case da < db:
			return -1
		case da > db:
			return 1
		}
		return 0
	})
}
