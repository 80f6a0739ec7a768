package runner

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/command"
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
	w := newWorkshop(t)
	w.file(t, "refused", `{{key "v"}}`, `false`, "")
	w.add(t, "failed", `{{number (key "v")}}`)
	w.file(t, "checked", `{{key "v"}}`, `sleep 60`, "")
	w.key("v", "secret")
	w.Timeout = 3 * time.Second // more than it takes on a busy machine
	err := w.Run(t.Context())
	for _, want := range []string{"refused: check failed", "failed:1:", "checked: its check has not ended"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
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
	err := w.during(t, func() {
		w.is(t, "out", "1")
		w.key("v", "2")
		time.Sleep(100 * time.Millisecond)
		if got := w.read("out"); got != "1" {
			t.Errorf("rendered %q", got)
		}
		w.write(t, "go")
		time.Sleep(300 * time.Millisecond)
	})
	if exit, ok := errors.AsType[ChildExit](err); !ok || exit.Code != 3 {
		t.Errorf("ended with %v", err)
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
