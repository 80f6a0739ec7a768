package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lictor/internal/glob"
	"lictor/internal/spell"
)

// A Guard holds back answers that have shrunk too much; see docs/failure-modes.md for what that costs.
type Guard struct {
	Services     []string `opt:"services" own:"yes" doc:"Names of the services whose instances are guarded; * and ? patterns. Neither services nor queries: every list is guarded, also of names, nodes and keys."`
	Queries      []string `opt:"queries" own:"yes" doc:"Lists that are guarded, as the log shows them, such as service(web), nodes() or prefix(app/); * stands for any text."`
	MaxShrink    Percent  `opt:"max_shrink" own:"yes" doc:"Largest part, such as \"50%\", that may go of the most that there was within the last hold, or the last minute where that is longer."`
	MinInstances int      `opt:"min_instances" own:"yes" doc:"Least number of passing instances that a service may fall to."`
	Hold         Duration `opt:"hold" own:"yes" doc:"How long an answer is held back, by the clock. 0 or unset: until the registry recovers or SIGUSR1 comes."`
	// Pos is where the guard was configured.
	Pos Pos `opt:"-"`
}

// counted are the kinds of lists that are of instances, and guardable all, as the log shows their queries.
var (
	counted   = []string{"service", "connect", "catalog-service"}
	guardable = append(counted[:len(counted):len(counted)],
		"services", "nodes", "prefix", "datacenters", "partitions", "peerings", "exportedServices", "importedServices")
)

func (g Guard) check() error {
	var errs []error
	if g.MaxShrink == 0 && g.MinInstances == 0 {
		errs = append(errs, errors.New("guard: it guards nothing: want max_shrink or min_instances"))
	}
	if g.MaxShrink == 1 && g.MinInstances == 0 {
		errs = append(errs, errors.New("guard: max_shrink: where 100% may go, nothing is ever held back: want less, or min_instances"))
	}
	if g.MinInstances < 0 {
		errs = append(errs, fmt.Errorf("guard: min_instances: %d is negative", g.MinInstances))
	}
	for _, pattern := range g.Services {
		if glob.Malformed(pattern) || pattern == "" {
			errs = append(errs, fmt.Errorf("guard: services: bad pattern %q", pattern))
		}
	}
	for _, pattern := range g.Queries {
		kind, rest, _ := strings.Cut(pattern, "(")
		if near := spell.Closest(kind, guardable); !slices.Contains(guardable, kind) && near != "" {
			errs = append(errs, fmt.Errorf("guard: queries: bad pattern %q: there is no list %q: did you mean %q?", pattern, kind, near))
		} else if !slices.Contains(guardable, kind) || !strings.HasSuffix(rest, ")") && !strings.HasSuffix(rest, "*") {
			errs = append(errs, fmt.Errorf("guard: queries: bad pattern %q: want a list as the log shows it, KIND(...), such as prefix(app/*) or nodes(*); the kinds are %s", pattern, strings.Join(guardable, ", ")))
		} else if g.MinInstances > 0 && (g.MaxShrink == 0 || g.MaxShrink == 1) && !slices.Contains(counted, kind) {
			errs = append(errs, fmt.Errorf("guard: queries: %s is no list of instances, of which min_instances is the least number: want max_shrink, less than 100%%", pattern))
		}
	}
	for i, err := range errs {
		errs[i] = &Error{g.Pos, err}
	}
	return errors.Join(errs...)
}

// A Percent is a part of a whole, from 0 to 1; 0 is unset.
type Percent float64

// String is the part as one writes it, such as 50%, and "" for unset.
func (p Percent) String() string {
	if p == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(p)*100, 'g', -1, 64) + "%"
}

func (p *Percent) decodeNode(n node) error {
	digits, ok := strings.CutSuffix(strings.TrimSpace(n.text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	const wanted = `a part such as "50%", more than 0% and at most 100%`
	if n.kind != text {
		return n.want(wanted)
	}
	if !ok || err != nil || !(v > 0 && v <= 100) {
		return n.errorf("want %s, found %q", wanted, n.text)
	}
	*p = Percent(v / 100)
	return nil
}
