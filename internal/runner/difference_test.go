package runner

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lictor/internal/engine"
	"lictor/internal/retry"
	"lictor/watch"
)

// lists renders what the catalog lists; a change of the service "other" makes a pass and changes nothing.
const lists = `{{range services}}{{.}}
{{end}}{{$x := service "other"}}`

// list makes a file of lists whose check refuses what holds "bad", and counts its checks.
func (w *workshop) list(t *testing.T, reload string) *Job {
	t.Helper()
	w.other()
	return w.file(t, "out", lists, `echo >> `+w.path("checks")+`; ! grep -q bad "$STAGED"`, reload).Jobs[0]
}

func (w *workshop) services(names ...string) { w.store.set(watch.Services{}, names) }

func (w *workshop) other() {
	w.store.set(watch.Service{Name: "other"}, []string{fmt.Sprint(time.Now().UnixNano())})
}

// both reads a key as well where the catalog lists "keys".
const both = lists + `{{range services}}{{if eq . "keys"}}{{key "k"}}{{end}}{{end}}`

// checks waits until so many checks have begun.
func (w *workshop) checks(t *testing.T, n int) {
	t.Helper()
	eventually(t, func() string { return fmt.Sprint(strings.Count(w.read("checks"), "\n")) }, fmt.Sprint(n))
}

// logs fails the test unless the log holds text so many times.
func (w *workshop) logs(t *testing.T, times int, text string) {
	t.Helper()
	if n := strings.Count(w.log.String(), text); n != times {
		t.Errorf("%d times, not %d, it logged %s:\n%s", n, times, text, w.log)
	}
}

func TestDifferenceOfTheCatalogIsLoggedOnce(t *testing.T) {
	w := newWorkshop(t)
	w.list(t, "")
	w.services("a", "b")
	w.during(t, func() {
		w.is(t, "out", "a\nb\n")
		w.services("a", "bad")
		w.is(t, "out.rejected", "a\nbad\n")
		w.checks(t, 2)
		w.other()
		w.checks(t, 3) // the same again
		w.services("a", "worse, bad")
		w.is(t, "out.rejected", "a\nworse, bad\n")
		w.services("a")
		w.is(t, "out", "a\n")
		w.services("a", "worse, bad") // news again, since all was well meanwhile
		w.checks(t, 6)
		w.services()
		w.is(t, "out", "")
	})
	w.logs(t, 3, "check failed")
	w.logs(t, 1, fmt.Sprintf(`diff="--- %[1]s\n+++ %[1]s (refused)\n@@ -1,2 +1,2 @@\n a\n-b\n+bad"`, w.path("out")))
	w.logs(t, 1, `\n a\n-b\n+worse, bad"`)
	w.logs(t, 1, `\n a\n+worse, bad"`)
	w.logs(t, 0, "diff -u")
}

// Nothing is logged of what may hold a secret, on either side; the log says how to see it.
func TestDifferenceThatMayHoldASecretIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		set  func(*workshop, *Job)
		do   func(*testing.T, *workshop)
		see  bool
	}{
		"a key": {text: both, see: true, do: func(t *testing.T, w *workshop) {
			w.services("bad", "keys")
			w.is(t, "out.rejected", "bad\nkeys\nhunter2")
		}},
		"a key in what there is now": {text: both, see: true, do: func(t *testing.T, w *workshop) {
			w.services("keys")
			w.is(t, "out", "keys\nhunter2")
			w.services("bad")
			w.is(t, "out.rejected", "bad\n")
		}},
		"a file that somebody has edited": {text: lists, see: true, do: func(t *testing.T, w *workshop) {
			if err := os.WriteFile(w.path("out"), []byte("hunter2\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			w.services("bad")
			w.is(t, "out.rejected", "bad\n")
		}},
		"the environment": {text: lists, see: true, set: func(_ *workshop, j *Job) {
			execute := j.Execute
			j.Execute = func(known watch.Lookup) (engine.Result, error) {
				r, err := execute(known)
				r.Output = append(r.Output, "hunter2\n"...)
				j.Sensitive = true
				return r, err
			}
		}, do: func(t *testing.T, w *workshop) {
			w.services("bad")
			w.is(t, "out.rejected", "bad\nhunter2\n")
		}},
		"never": {text: lists, see: true, set: func(_ *workshop, j *Job) { j.LogDiff = LogDiffNever }, do: func(t *testing.T, w *workshop) {
			w.services("bad hunter2")
			w.is(t, "out.rejected", "bad hunter2\n")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			g := w.file(t, "out", c.text, `! grep -q bad "$STAGED"`, "")
			if c.set != nil {
				c.set(w, g.Jobs[0])
			}
			w.other()
			w.key("k", "hunter2")
			w.services("a")
			w.during(t, func() {
				eventually(t, func() string { return fmt.Sprint(strings.HasPrefix(w.read("out"), "a\n")) }, "true")
				c.do(t, w)
				w.services("good")
				eventually(t, func() string { return fmt.Sprint(strings.HasPrefix(w.read("out"), "good\n")) }, "true")
			})
			w.logs(t, 0, "hunter2")
			w.logs(t, 0, "diff=")
			w.logs(t, 1, fmt.Sprintf(`see="diff -u %[1]s %[1]s.rejected"`, w.path("out")))
		})
	}
}

// What is there when we start is somebody else's, until it is what we render.
func TestDifferenceFromAnEarlierRun(t *testing.T) {
	for there, shown := range map[string]int{"hunter2\n": 0, "": 1} {
		w := newWorkshop(t)
		w.list(t, "")
		if there != "" {
			if err := os.WriteFile(w.path("out"), []byte(there), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.services("bad")
		w.during(t, func() {
			w.is(t, "out.rejected", "bad\n")
			w.services("good")
			w.is(t, "out", "good\n")
			w.services("bad", "good")
			w.is(t, "out.rejected", "bad\ngood\n")
			w.services()
			w.is(t, "out", "")
		})
		w.logs(t, 0, "hunter2")
		w.logs(t, shown, `@@ -0,0 +1 @@\n+bad"`)
		w.logs(t, 1, `\n+bad\n good"`)
	}
}

func TestDifferenceIsLoggedAlwaysWhereAskedFor(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "k"}}`, `! grep -q bad "$STAGED"`, "").Jobs[0].LogDiff = LogDiffAlways
	w.key("k", "good")
	w.during(t, func() {
		w.is(t, "out", "good")
		w.key("k", "bad")
		w.is(t, "out.rejected", "bad")
		w.key("k", "better")
		w.is(t, "out", "better")
	})
	w.logs(t, 1, `-good\n\\ No newline at end of file\n+bad\n`)
}

func TestDifferenceOfARollback(t *testing.T) {
	w := newWorkshop(t)
	w.Queue.Retry = retry.Backoff{First: time.Minute}
	const reload = `echo $(cat out keyed) >> log; ! grep -q bad out`
	w.file(t, "out", lists, "", reload)
	w.file(t, "keyed", `{{key "k"}}`, "", reload)
	w.pair(t).Rollback = true
	w.other()
	w.services("good")
	w.key("k", "hunter2")
	w.during(t, func() {
		w.is(t, "log", "good hunter2\n")
		w.services("bad")
		w.is(t, "log", "good hunter2\nbad hunter2\ngood hunter2\n")
		w.key("k", "hunter3") // and again
		w.is(t, "log", "good hunter2\nbad hunter2\ngood hunter2\nbad hunter3\ngood hunter2\n")
		w.services("fine")
		w.is(t, "log", "good hunter2\nbad hunter2\ngood hunter2\nbad hunter3\ngood hunter2\nfine hunter3\n")
		w.services("bad", "fine")
		w.is(t, "out.rejected", "bad\nfine\n")
		w.is(t, "out", "fine\n")
	})
	w.logs(t, 3, "the previous files are back")
	w.logs(t, 1, `-good\n+bad"`)
	w.logs(t, 1, `\n+bad\n fine"`)
	w.logs(t, 1, fmt.Sprintf(`see="diff -u %[1]s %[1]s.rejected"`, w.path("keyed")))
	w.logs(t, 0, "hunter")
}

func TestDifferenceOfRollbacksInARow(t *testing.T) {
	w := newWorkshop(t)
	w.Queue.Retry = retry.Backoff{First: time.Minute}
	w.file(t, "out", both, "", `echo >> checks; ! grep -q bad out`).Rollback = true
	w.other()
	w.key("k", "hunter2")
	w.services("good")
	w.during(t, func() {
		w.checks(t, 1)
		for i, bad := range []string{"bad 1", "bad 2", "keys"} {
			w.services("bad", bad)
			w.checks(t, 2*i+3)
			w.is(t, "out", "good\n")
		}
	})
	w.logs(t, 1, `-good\n+bad\n+bad 1"`)
	w.logs(t, 1, `-good\n+bad\n+bad 2"`)
	w.logs(t, 3, `msg="rolled back"`)
	w.logs(t, 0, "hunter")
}

func TestLongDifferenceIsCut(t *testing.T) {
	lines := make([]string, maxDiffLines+23)
	for i := range lines {
		lines[i] = fmt.Sprintf("+%d\n", i)
	}
	lines[1] = "+" + strings.Repeat("x", maxDiffLine+99) + "\n"
	got := strings.Split(bounded(lines), "\n")
	if len(got) != maxDiffLines+1 || got[maxDiffLines-1] != "+99" || got[maxDiffLines] != "... and 23 more lines" {
		t.Errorf("%d lines, the last are %q", len(got), got[len(got)-2:])
	}
	if want := "+" + strings.Repeat("x", maxDiffLine-1) + "... and 100 more bytes"; got[1] != want {
		t.Errorf("the long line is %q", got[1])
	}
}
