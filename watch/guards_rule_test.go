package watch

import (
	"bytes"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func minutes(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// nodes is an answer of this size.
func nodes(n int) []*Node { return make([]*Node, n) }

// everything is what is known of all queries.
func everything(known map[Query]Known) iter.Seq2[Query, Known] { return maps.All(known) }

func TestRule(t *testing.T) {
	hour := guards{{MaxShrink: 0.5, Hold: time.Hour}}
	for _, c := range []struct {
		what    string
		guards  guards
		last    Known
		answer  any
		again   bool
		now     time.Time
		given   int // the size of what readers are given
		until   time.Time
		past    Past
		letGo   string
		objects bool
	}{
		{what: "no guards", last: Known{Answer: nodes(4)}, answer: nodes(1), now: noon, given: 1},
		{what: "growth", guards: hour, last: Known{Answer: nodes(1)}, answer: nodes(4), now: noon, given: 4},
		{what: "a small fall is remembered", guards: hour, last: Known{Answer: nodes(4)}, answer: nodes(2), now: noon, given: 2,
			past: Past{Peaks: []Peak{{4, minutes(1)}}}},
		{what: "a great fall", guards: hour, last: Known{Answer: nodes(4)}, answer: nodes(1), now: noon, given: 4, objects: true, until: minutes(60),
			past: Past{HeldSince: noon}},
		{what: "many small steps", guards: hour, last: Known{Answer: nodes(2), Past: Past{Peaks: []Peak{{4, minutes(-30)}}}}, answer: nodes(1), now: noon,
			given: 2, objects: true, until: minutes(60), past: Past{HeldSince: noon, Peaks: []Peak{{4, minutes(-30)}}}},
		{what: "small steps over a long time", guards: hour, last: Known{Answer: nodes(2), Past: Past{Peaks: []Peak{{4, minutes(-60)}}}}, answer: nodes(1), now: noon,
			given: 1, past: Past{Peaks: []Peak{{2, minutes(1)}}}},
		{what: "withheld for a while", guards: hour, last: Known{Answer: nodes(4), Past: Past{HeldSince: noon}}, answer: nodes(1), again: true, now: minutes(59),
			given: 4, objects: true, until: minutes(60), past: Past{HeldSince: noon}},
		{what: "withheld for long enough", guards: hour, last: Known{Answer: nodes(4), Past: Past{HeldSince: noon, Peaks: []Peak{{6, noon}}}}, answer: nodes(1), again: true,
			now: minutes(60), given: 1, letGo: heldLongEnough},
		{what: "withheld for ever", guards: guards{{MaxShrink: 0.5}}, last: Known{Answer: nodes(4), Past: Past{HeldSince: noon}}, answer: nodes(1), again: true,
			now: minutes(99999), given: 4, objects: true, past: Past{HeldSince: noon}},
		{what: "recovered", guards: hour, last: Known{Answer: nodes(4), Past: Past{HeldSince: noon}}, answer: nodes(3), now: minutes(1), given: 3,
			past: Past{Peaks: []Peak{{4, minutes(2)}}}},
		{what: "no guard any more", last: Known{Answer: nodes(4), Past: Past{HeldSince: noon}}, answer: nodes(1), again: true, now: minutes(1), given: 1, letGo: noObjection},
		{what: "a failure", guards: hour, last: Known{Answer: nodes(4)}, answer: Failure{errors.New("no")}, now: noon, given: -1,
			past: Past{Peaks: []Peak{{4, minutes(1)}}}},
		{what: "the one with the longest hold", guards: guards{{MaxShrink: 0.1, Hold: time.Minute}, {MaxShrink: 0.5, Hold: time.Hour}},
			last: Known{Answer: nodes(4), Past: Past{HeldSince: noon}}, answer: nodes(1), again: true, now: minutes(2), given: 4, objects: true, until: minutes(60), past: Past{HeldSince: noon}},
	} {
		t.Run(c.what, func(t *testing.T) {
			before := c.last.asOf(minutes(1e6))
			r := c.guards.rule(Nodes{}, c.last, c.answer, c.again, everything(nil), c.now)
			if given, ok := r.given.([]*Node); ok != (c.given >= 0) || ok && len(given) != c.given {
				t.Errorf("readers are given %v", r.given)
			}
			if len(r.past.GoneSince) == 0 {
				r.past.GoneSince = nil
			}
			if len(r.past.Peaks) == 0 {
				r.past.Peaks = nil
			}
			if o, objects := r.objections[""]; objects != c.objects || !o.until.Equal(c.until) || r.letGo != c.letGo || !reflect.DeepEqual(r.past, c.past) {
				t.Errorf("got %+v", r)
			}
			if !c.last.withholdsAs(before) || !slices.Equal(c.last.Peaks, before.Peaks) {
				t.Error("what was remembered is changed in place")
			}
		})
	}
}

// Each service stays in a list of names since the moment it left it, as long as a guard would object to its falling to nothing.
func TestRuleOfListsOfNames(t *testing.T) {
	list := func(names string) (all []*ServiceName) {
		for name := range strings.FieldsSeq(names) {
			all = append(all, &ServiceName{Name: name})
		}
		return all
	}
	up := Known{Answer: []*ServiceInstance{{Status: StatusPassing}}}
	down := Known{Answer: []*ServiceInstance{{Status: StatusCritical}}}
	two := guards{{MinInstances: 2, Hold: time.Hour}}
	api, web := Service{Name: "api"}, Service{Name: "web"}
	for _, c := range []struct {
		what   string
		guards guards
		gone   map[string]time.Time // services that stay so far
		known  map[Query]Known
		answer any
		given  string
		stays  map[string]time.Time // until when
		letGo  string
	}{
		{"none has gone", two, nil, map[Query]Known{web: up}, list("api web"), "api web", nil, ""},
		{"one has gone", two, nil, map[Query]Known{web: up}, list("api"), "api web", map[string]time.Time{"web": minutes(60)}, ""},
		{"nobody asks for it", two, nil, map[Query]Known{api: up}, list("api"), "api", nil, ""},
		{"it is asked for elsewhere", two, nil, map[Query]Known{Service{Name: "web", Scope: Scope{Datacenter: "x"}}: up}, list("api"), "api", nil, ""},
		{"none of it was passing", two, nil, map[Query]Known{web: down}, list("api"), "api", nil, ""},
		{"no guards", nil, nil, map[Query]Known{web: up}, list("api"), "api", nil, ""},
		{"each by itself", two, map[string]time.Time{"web": minutes(-30)}, map[Query]Known{api: up, web: up}, list("new"), "api new web",
			map[string]time.Time{"api": minutes(60), "web": minutes(30)}, ""},
		{"one has stayed for long enough", two, map[string]time.Time{"web": minutes(-60)}, map[Query]Known{api: up, web: up}, list(""), "api", map[string]time.Time{"api": minutes(60)}, heldLongEnough},
		{"all have", two, map[string]time.Time{"web": minutes(-60)}, map[Query]Known{web: up}, list("api"), "api", nil, heldLongEnough},
		{"as long as its instances are withheld", two, nil, map[Query]Known{web: {Answer: up.Answer, Past: Past{HeldSince: minutes(-50)}}}, list("api"), "api web",
			map[string]time.Time{"web": minutes(10)}, ""},
		{"a failure", two, nil, map[Query]Known{web: up}, Failure{}, "a failure", nil, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			last := Known{Answer: list("api web"), Past: Past{GoneSince: c.gone}}
			r := c.guards.rule(Services{}, last, c.answer, false, everything(c.known), noon)
			given := "a failure"
			if names, ok := r.given.([]*ServiceName); ok {
				var all []string
				for _, s := range names {
					all = append(all, s.Name)
				}
				given = strings.Join(all, " ")
			}
			stays, since := map[string]time.Time{}, map[string]time.Time{}
			for name, o := range r.objections {
				stays[name], since[name] = o.until, noon
				if began, ok := c.gone[name]; ok {
					since[name] = began
				}
			}
			if given != c.given || !maps.Equal(stays, c.stays) || r.letGo != c.letGo || !maps.Equal(r.past.GoneSince, since) {
				t.Errorf("readers are given %q, and %+v", given, r)
			}
		})
	}
}

// A ruling is told as far as it is news.
func TestTellingOfRulings(t *testing.T) {
	whole := func(guard int) objections { return objections{"": {why: "few", guard: guard}} }
	stay := func(names ...string) objections {
		all := objections{}
		for _, name := range names {
			all[name] = objection{why: "few", until: noon}
		}
		return all
	}
	names := []*ServiceName{{Name: "back"}}
	for _, c := range []struct {
		what   string
		guards guards
		last   Past
		before objections
		ruling ruling
		want   string // of the log, without the query; "" for nothing
	}{
		{"nothing", guards{{}}, Past{}, nil, ruling{}, ""},
		{"withheld", guards{{}}, Past{}, nil, ruling{objections: whole(0)}, `ERROR "GUARD: an answer is held back, the last good one stands" why=few until="it recovers or is released"`},
		{"still withheld", guards{{}}, Past{}, whole(0), ruling{objections: whole(0)}, ""},
		{"by another guard", guards{{}}, Past{}, whole(0), ruling{objections: whole(1)}, `ERROR "GUARD: an answer is held back, the last good one stands" why=few until="it recovers or is released"`},
		{"recovered", guards{{}}, Past{HeldSince: noon}, whole(0), ruling{}, `WARN "GUARD: the answer has recovered"`},
		{"no guards any more", nil, Past{HeldSince: noon}, nil, ruling{}, ""},
		{"let go", guards{{}}, Past{HeldSince: noon}, whole(0), ruling{letGo: released}, `WARN "GUARD: an answer is let go" why=released`},
		{"services stay", guards{{}}, Past{}, nil, ruling{objections: stay("b", "a")},
			`ERROR "GUARD: services that have left a list of names stay in it" services="a, b" why=few until="it recovers or is released, or 2026-01-01 12:00:00"`},
		{"one leaves, one is back", guards{{}}, Past{}, stay("a", "b", "back"), ruling{objections: stay("a")}, `WARN "GUARD: services are let go out of a list of names" services=b`},
		{"only services", guards{{}}, Past{}, whole(0), ruling{objections: stay("a")}, `WARN "GUARD: an answer is held back no more, but for services that stay in it"` + "\n" +
			`ERROR "GUARD: services that have left a list of names stay in it" services=a why=few until="it recovers or is released, or 2026-01-01 12:00:00"`},
	} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "query" {
				return slog.Attr{}
			}
			return a
		}}))
		c.guards.tell(log, Services{}, Known{Past: c.last}, c.before, c.ruling, names)
		got := strings.NewReplacer("level=", "", "msg=", "").Replace(strings.TrimSpace(out.String()))
		if got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, got, c.want)
		}
	}
}
