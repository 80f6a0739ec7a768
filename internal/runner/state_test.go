package runner

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// states has what Report is told collected.
func (w *workshop) states() func() []string {
	var mu sync.Mutex
	var all []string
	w.Report = func(s State) { mu.Lock(); defer mu.Unlock(); all = append(all, s.String()) }
	return func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
}

// Whatever was wrong: that it is over is said once, also where the data has become again what the destination has, and
// what was refused is kept until then.
func TestAllIsWellAgain(t *testing.T) {
	for name, c := range map[string]struct {
		bad, good      string // values of which good is the first one
		was            string
		kept, rollback bool
	}{
		"refused, and as before":     {"refuse", "1", "refused by a check", true, false},
		"refused, and another":       {"refuse", "2", "refused by a check", true, false},
		"failed, and as before":      {"x", "1", "failed to render", false, false},
		"failed, and another":        {"x", "2", "failed to render", false, false},
		"rolled back, and as before": {"666", "1", "rolled back, since a command failed", true, true},
		"rolled back, and another":   {"666", "2", "rolled back, since a command failed", true, true},
		"reload failed, and another": {"666", "2", "a command failed", false, false},
		"never better":               {"666", "", "", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			w.again = never
			if c.rollback {
				w.Queue.Retry = slowly
			}
			said := w.states()
			w.file(t, "out", `{{if eq (key "v") "refuse"}}refuse{{else}}{{number (key "v")}}{{end}}`, `! grep -q refuse "$STAGED"`,
				`echo >> checks; ! grep -q 666 out`).Rollback = c.rollback
			w.key("v", "1")
			w.during(t, func() {
				last := func() string { s := append([]string{""}, said()...); return s[len(s)-1] }
				w.checks(t, 1)
				w.idle(t)
				eventually(t, last, "1 file current")
				w.key("v", c.bad)
				eventually(t, func() string { return fmt.Sprint(last() != "1 file current") }, "true")
				if c.rollback {
					w.checks(t, 3)
					w.idle(t)
				}
				if c.kept {
					w.is(t, "out.rejected", c.bad)
				}
				if c.good == "" {
					return
				}
				w.key("v", c.good)
				w.is(t, "out", c.good)
				eventually(t, last, "1 file current")
				w.idle(t)
				w.is(t, "out.rejected", "(none)")
				eventually(t, func() string { return fmt.Sprint(strings.Contains(w.log.String(), "msg=recovered")) }, "true")
				w.key("v", "3") // which is nothing to tell of
				w.is(t, "out", "3")
				w.idle(t)
			})
			want := 1
			if c.good == "" {
				want = 0
			}
			w.logs(t, want, "msg=recovered")
			w.logs(t, want, fmt.Sprintf(`level=INFO msg=recovered destination=%s was="%s"`, w.path("out"), c.was))
		})
	}
}

// What was refused stays beside a newer content until that has been reloaded.
func TestRejectedStaysUntilTheNextContentIsConfirmed(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, `! grep -q bad "$STAGED"`, `echo try >> log; test -e works`)
	w.write(t, "works")
	w.key("v", "1")
	w.during(t, func() {
		w.is(t, "log", "try\n")
		w.idle(t)
		w.key("v", "bad")
		w.is(t, "out.rejected", "bad")
		if err := os.Remove(w.path("works")); err != nil {
			t.Fatal(err)
		}
		w.key("v", "2")
		w.occurs(t, "try", 4)
		w.is(t, "out.rejected", "bad")
		w.logs(t, 0, "msg=recovered")
		w.write(t, "works")
		w.is(t, "out.rejected", "(none)")
	})
	w.logs(t, 1, "msg=recovered")
	w.logs(t, 1, `was="a command failed"`) // and not before that was over
}

// What an earlier run has refused is removed too, but nothing where lictor can't have put it.
func TestRejectedOfAnEarlierRun(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "checked", `{{key "v"}}`, "true", "")
	w.file(t, "plain", `{{key "v"}}`, "", "")
	for _, name := range []string{"checked.rejected", "plain.rejected"} {
		w.fill(t, name, "old")
	}
	w.key("v", "1")
	w.during(t, func() {
		w.is(t, "checked.rejected", "(none)")
		w.is(t, "plain", "1")
	})
	if w.read("plain.rejected") != "old" {
		t.Error("a file of somebody else was removed")
	}
	w.logs(t, 0, "msg=recovered")
}

// How things stand is reported when it changes.
func TestStateIsReported(t *testing.T) {
	w := newWorkshop(t)
	said := w.states()
	w.file(t, "one", `{{key "a"}}`, `! grep -q bad "$STAGED"`, `test -e works`)
	w.file(t, "two", `{{key "b"}}`, `! grep -q bad "$STAGED"`, `test -e works`)
	w.file(t, "three", `{{number (key "c")}}`, "", "")
	now := func(want ...string) {
		t.Helper()
		text := strings.NewReplacer("DIR", w.dir).Replace(strings.Join(want, "; "))
		eventually(t, func() string { s := append([]string{""}, said()...); return s[len(s)-1] }, text)
	}
	w.during(t, func() {
		now("3 of 3 files waiting for data: DIR/one, DIR/two, DIR/three")
		w.key("a", "1")
		w.key("b", "1")
		w.key("c", "1")
		now("3 files current", "1 reload pending")
		w.write(t, "works")
		now("3 files current")
		w.key("a", "bad")
		now("1 of 3 files refused by a check: DIR/one")
		w.key("c", "x")
		now("1 of 3 files failed to render: DIR/three", "1 of 3 files refused by a check: DIR/one")
		w.key("b", "bad")
		now("1 of 3 files failed to render: DIR/three", "2 of 3 files refused by a check: DIR/one, DIR/two")
		w.key("a", "2")
		w.key("b", "2")
		w.key("c", "2")
		now("3 files current")
	})
	all := said()
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("the same was reported twice in a row: %q", all)
	}
}

func TestStateInWords(t *testing.T) {
	for want, s := range map[string]State{
		"12 files current": {Files: 12},
		"current":          {},
		"1 file current; 2 reloads pending; 3 answers held back by a guard; queries fail": {Files: 1, Pending: 2, Held: 3, Failing: true},
		"5 of 6 files not committed: a, b, c, 2 more":                                     {Files: 6, Behind: map[trouble][]string{uncommitted: {"a", "b", "c", "d", "e"}}},
		"environment failed to render":                                                    {Environment: failed},
		"1 file current; environment waiting for data":                                    {Files: 1, Environment: waiting},
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
