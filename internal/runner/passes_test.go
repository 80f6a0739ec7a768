package runner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/command"
	"lictor/internal/engine"
	"lictor/watch"
)

// A template that fails over and over does not go on watching what each of its passes read.
func TestErrorsDoNotCollectQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "good"}}{{$name := key "name"}}{{if $name}}{{key $name}}{{end}}{{if ne $name "x0"}}{{number "x"}}{{end}}`)
		b.key("good", "1")
		b.key("name", "x0")
		for i := range 20 {
			b.key(fmt.Sprint("x", i), "1")
		}
		b.during(t, func() {
			for i := range 20 {
				b.key("name", fmt.Sprint("x", i))
				synctest.Wait()
			}
			if n := b.store.watching(); n != 4 {
				t.Errorf("%d queries are watched, want what the last pass read, and the last good one", n)
			}
		})
	})
}

// Whatever keeps the first render from being complete is named when the time is up.
func TestGaveUpSaysWhatElse(t *testing.T) {
	t.Parallel()
	want := []string{"refused: check failed", "failed:1:", "checked: its check has not ended"}
	for limit := 200 * time.Millisecond; ; limit *= 2 { // until the check that fails has time to
		w := newWorkshop(t)
		w.file(t, "refused", `{{key "v"}}`, `false`, "")
		w.add(t, "failed", `{{number (key "v")}}`)
		w.file(t, "checked", `{{key "v"}}`, `sleep 3600`, "")
		w.key("v", "secret")
		w.Timeout = limit
		err := w.Run(t.Context())
		if err == nil {
			t.Fatal("it did not give up")
		}
		missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return strings.Contains(err.Error(), s) })
		if len(missing) == 0 {
			return
		}
		if limit > 10*time.Second {
			t.Fatalf("got %v, want %q", err, missing)
		}
	}
}

// Templates that are executed in one round see the same data, also where that changes meanwhile, and none is executed twice for
// one change.
func TestARoundSeesOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		var read [2][]string
		var jobs []*Job
		for i := range read {
			j := b.add(t, fmt.Sprint("out", i), `{{key "v"}}`)
			pass := j.Execute
			j.Execute = func(known watch.Lookup) (engine.Result, error) {
				r, err := pass(known)
				if read[i] = append(read[i], string(r.Output)); i == 0 && r.Complete() && len(read[i]) < 5 {
					b.key("v", fmt.Sprint(len(read[i])))
					time.Sleep(time.Millisecond) // until the watcher knows it
				}
				return r, err
			}
			jobs = append(jobs, j)
		}
		b.key("v", "first")
		b.during(t, func() { time.Sleep(time.Minute) })
		if want := []string{"", "first", "2", "3", "4"}; !slices.Equal(read[0], want) || !slices.Equal(read[1], want) {
			t.Errorf("they have read %q and %q, want %q", read[0], read[1], want)
		}
		for _, j := range jobs {
			if j.passes != 5 {
				t.Errorf("%s was executed %d times", j.Name, j.passes)
			}
		}
	})
}

// A query that is only asked because another answer is missing, and that nobody can answer, keeps nothing from being
// rendered.
func TestQueryThatComesOfAMissingAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{if eq (key "mode") "on"}}{{key (printf "web@%s" (key "dc"))}}{{end}}`)
		b.store.set(watch.Key{Path: "web@"}, errors.New("no path to datacenter"))
		b.key("web@here", "1")
		b.key("mode", "off")
		b.during(t, func() {
			synctest.Wait()
			b.key("mode", "on")
			synctest.Wait()
			b.key("dc", "here")
			time.Sleep(2 * lull)
			synctest.Wait()
			if b.disk.read("out") != "1" || b.store.watching() != 3 {
				t.Errorf("rendered %q, %d queries", b.disk.read("out"), b.store.watching())
			}
		})
	})
}

// With Once nothing is rendered again while the child runs.
func TestOnceWithAChildRendersOnce(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, "", "")
	w.key("v", "1")
	w.Once = true
	w.Child = &command.Child{Command: shell("while ! test -e " + w.path("go") + "; do sleep 0.01; done; exit 3")}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	w.is(t, "out", "1")
	w.key("v", "2")
	eventually(t, func() string { // the runner has taken note of it
		v, _ := w.Watcher.Get(watch.Key{Path: "v"})
		return fmt.Sprint(v, " ", len(w.Watcher.Changed()))
	}, "2 0")
	w.write(t, "go")
	if exit, ok := errors.AsType[ChildExit](<-ended); !ok || exit.Code != 3 {
		t.Error("it has not ended with the child")
	}
	if got := w.read("out"); got != "1" {
		t.Errorf("rendered %q", got)
	}
}

// A template that fails for good ends the run before others are committed: their commands would not be run.
func TestFatalErrorCommitsNothingMore(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "good", `{{key "a"}}`, "", "")
	w.add(t, "bad", `{{number (key "a")}}`).Fatal = true
	w.key("a", "x")
	if err := w.Run(t.Context()); err == nil || w.read("good") != "(none)" {
		t.Errorf("%v, and wrote %q", err, w.read("good"))
	}
}

func TestQueriesThatTemplatesShareAreWatchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		const templates, queries = 200, 50
		var text strings.Builder
		for i := range queries {
			fmt.Fprintf(&text, "{{key \"k%d\"}}", i)
		}
		var jobs []*Job
		for i := range templates {
			jobs = append(jobs, b.add(t, fmt.Sprint("out", i), text.String()))
		}
		b.during(t, func() {
			synctest.Wait()
			if n := b.store.watching(); n != queries {
				t.Errorf("%d queries are watched, want %d", n, queries)
			}
			for i := range queries {
				time.Sleep(time.Millisecond)
				b.key(fmt.Sprint("k", i), "x")
			}
			synctest.Wait()
		})
		for _, j := range jobs {
			if j.passes > 3 {
				t.Fatalf("%s took %d passes to start", j.Name, j.passes)
			}
		}
		if len(b.disk.files) != templates {
			t.Errorf("%d files, want %d", len(b.disk.files), templates)
		}
	})
}

func TestBusyTemplateRests(t *testing.T) {
	g := &Group{}
	now := time.Now()
	start, worked := now, time.Duration(0)
	for range 1000 { // passes of 100 ms, as soon as they may be
		if g.rested.After(now) {
			now = g.rested
		}
		began := now
		now = now.Add(100 * time.Millisecond)
		g.rest(began, now)
		worked += 100 * time.Millisecond
	}
	if most := now.Sub(start)/restPart + 2*burst; worked > most {
		t.Errorf("passes took %s of %s, want %s at most", worked, now.Sub(start), most)
	}
	g = &Group{}
	for range 100 { // now and then
		g.rest(now, now.Add(10*time.Millisecond))
		if g.rested.After(now.Add(10 * time.Millisecond)) {
			t.Fatal("a template that changes now and then has to rest")
		}
		now = now.Add(time.Second)
	}
}
