package runner

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/watch"
)

func TestPassesCostDepthNotNumber(t *testing.T) {
	t.Run("5000 keys that answer over 2 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			const n = 5000
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, "{{key \"k%d\"}}", i)
			}
			job := b.add(t, "out", text.String())
			b.during(t, func() {
				for i := range n {
					time.Sleep(2 * time.Second / n)
					b.key(fmt.Sprintf("k%d", i), "x")
				}
				synctest.Wait()
			})
			if job.passes != 2 || b.disk.writes["out"] != 1 || len(b.disk.read("out")) != n {
				t.Errorf("%d passes and %d writes of %d bytes, want 2, 1 and %d", job.passes, b.disk.writes["out"], len(b.disk.read("out")), n)
			}
		})
	})
	t.Run("range services, then service", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			job := b.add(t, "out", `{{range services}}{{range service .}}{{.}} {{end}}{{end}}`)
			b.during(t, func() {
				var names []string
				for i := range 100 {
					names = append(names, fmt.Sprintf("s%02d", i))
				}
				b.store.set(watch.Services{}, names)
				for _, name := range names {
					time.Sleep(time.Millisecond)
					b.store.set(watch.Service{Name: name}, []string{name})
				}
				synctest.Wait()
			})
			if job.passes != 3 || b.disk.writes["out"] != 1 {
				t.Errorf("%d passes and %d writes, want 3 and 1", job.passes, b.disk.writes["out"])
			}
		})
	})
}

func TestListThatShrinksStopsItsQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{range services}}{{range service .}}{{.}}{{end}}{{end}}`)
		b.store.set(watch.Services{}, []string{"a", "b", "c"})
		for _, name := range []string{"a", "b", "c"} {
			b.store.set(watch.Service{Name: name}, []string{name})
		}
		b.during(t, func() {
			synctest.Wait()
			if n := b.store.watching(); n != 4 || b.disk.read("out") != "abc" {
				t.Errorf("%d queries are watched for %q, want 4", n, b.disk.read("out"))
			}
			b.store.set(watch.Services{}, []string{"b"})
			synctest.Wait()
			if n := b.store.watching(); n != 2 || b.disk.read("out") != "b" {
				t.Errorf("%d queries are watched for %q, want 2", n, b.disk.read("out"))
			}
		})
	})
}

func TestErrorsAndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{number (key "n")}}`)
		b.key("n", "1")
		err := b.during(t, func() {
			synctest.Wait()
			b.key("n", "secret")
			synctest.Wait()
			if got := b.disk.read("out"); got != "1" {
				t.Errorf("a failed template changed its destination to %q", got)
			}
			b.key("n", "none")
			synctest.Wait()
			b.key("n", "3")
			synctest.Wait()
			if got := b.disk.read("out"); got != "3" {
				t.Errorf("after the fix the destination has %q", got)
			}
		})
		if err != nil || !strings.Contains(b.log.String(), "template failed") {
			t.Errorf("err %v, log:\n%s", err, b.log)
		}
	})
}

func TestFatalErrorEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{number (key "n")}}`).Fatal = true
		b.key("n", "x")
		if err := b.during(t, synctest.Wait); err == nil || !strings.Contains(err.Error(), "out:1:3") {
			t.Errorf("got %v", err)
		}
	})
}

// TestOnceWaitsForBetterData has a template fail that need not be an error, and others that are done meanwhile.
func TestOnceWaitsForBetterData(t *testing.T) {
	for _, patient := range []bool{true, false} {
		t.Run(fmt.Sprintf("patient %v", patient), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.add(t, "bad", `{{number (key "n")}}`)
				b.add(t, "good", `{{key "n"}}`)
				b.key("n", "x")
				b.Once, b.Patient = true, patient
				err := b.during(t, func() {
					synctest.Wait()
					if b.disk.read("good") != "x" {
						t.Errorf("good has %q", b.disk.read("good"))
					}
					time.Sleep(time.Hour)
					b.key("n", "1")
					synctest.Wait()
				})
				if told := strings.Count(b.log.String(), "template failed"); patient && (err != nil || b.disk.read("bad") != "1" || told != 1) {
					t.Errorf("%v, bad has %q, told %d times", err, b.disk.read("bad"), told)
				}
				if !patient && (err == nil || !strings.Contains(err.Error(), "bad:1:3")) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	t.Run("without data", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			b.add(t, "bad", `{{number "x"}}`)
			b.Once, b.Patient = true, true
			if err := b.during(t, synctest.Wait); err == nil || !strings.Contains(err.Error(), "bad:1:3") {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "one", `{{key "a"}}`)
		b.add(t, "two", `{{key "b"}}`)
		b.key("a", "1")
		b.Once = true
		err := b.during(t, func() {
			synctest.Wait()
			if b.disk.read("one") != "1" {
				t.Error("a finished template waits for another one")
			}
			b.key("b", "2")
			synctest.Wait()
		})
		if err != nil || b.disk.read("two") != "2" {
			t.Errorf("%v, two = %q", err, b.disk.read("two"))
		}
	})
}

// What a run has rendered is stale also when a guard lets go before it ends, and is not when one lets go before it is rendered.
func TestOnceTellsWhatItHasRendered(t *testing.T) {
	for _, late := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			web := watch.Service{Name: "web"}
			b.Once, b.Watcher.Guards = true, []watch.Guard{{MaxShrink: 0.5}}
			b.Watcher.Fallback = map[watch.Query]watch.Known{web: {Answer: []string{"x", "y", "z"}}}
			b.store.set(web, []string{"x"})
			job := b.add(t, "out", `{{range service "web"}}{{.}}{{end}}{{key "end"}}`)
			stage := job.Stage
			job.Stage = func(output []byte) (Staged, error) { b.Watcher.Release(); return stage(output) }
			err := b.during(t, func() {
				synctest.Wait() // the guard holds the answer back, and the template waits for the key
				if !late {
					b.Watcher.Release()
				}
				b.key("end", ".")
				synctest.Wait()
			})
			want := map[bool]string{true: "xyz.", false: "x."}[late]
			if got := b.disk.read("out"); got != want || errors.Is(err, ErrStale) != late {
				t.Errorf("let go late: %v; %q was rendered, and the run ended with %v", late, got, err)
			}
		})
	}
}

// What a template fails with beside what it waits for is said, too: who adds the key would only meet it then.
func TestErrorBesideWhatIsMissingIsSaid(t *testing.T) {
	for _, once := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			b.add(t, "out", `{{key "a"}}{{index "xy" 7}}`)
			b.key("a", "none")
			b.Once, b.Timeout = once, time.Minute
			err := b.during(t, func() { time.Sleep(2 * time.Minute) })
			const want = `out: waiting for key(a) (there is no such key); with what is there so far it fails: out:1:14: at <index "xy" 7>: error calling index: index out of range: 7`
			if err == nil || err.Error() != "gave up after 1m0s: "+want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if logged := strings.ReplaceAll(b.log.String(), `\"`, `"`); !strings.Contains(logged, "still not rendered: "+want) {
				t.Errorf("not logged: %s\n%s", want, logged)
			}
		})
	}
}

func TestOnceGivesUpAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}{{key "b"}}{{key "c"}}`)
		b.key("a", "none")
		b.store.set(watch.Key{Path: "b"}, errors.New("connection refused"))
		b.Once, b.Timeout = true, time.Minute
		err := b.during(t, func() { time.Sleep(2 * time.Minute) })
		const want = "gave up after 1m0s: out: waiting for key(a) (there is no such key), key(b) (connection refused), key(c) (no answer yet)"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if !strings.Contains(b.log.String(), "still not rendered") {
			t.Errorf("nothing was logged while it waited:\n%s", b.log)
		}
	})
}

func TestAttemptsUsedUpEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}`)
		b.Watcher.Retry.Attempts = 3
		b.store.set(watch.Key{Path: "a"}, errors.New("connection refused"))
		err := b.during(t, func() { time.Sleep(time.Minute) })
		if err == nil || err.Error() != "key(a): connection refused" {
			t.Errorf("got %v", err)
		}
	})
}

func TestWaitIsQuiescence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}`)
		b.Groups[0].Wait = Wait{Min: time.Second, Max: 3 * time.Second}
		b.key("a", "0")
		b.during(t, func() {
			synctest.Wait()
			if b.disk.read("out") != "0" {
				t.Fatal("the first render waits")
			}
			start := time.Now()
			b.key("a", "1")
			time.Sleep(900 * time.Millisecond)
			b.key("a", "2")
			time.Sleep(900 * time.Millisecond)
			synctest.Wait()
			if b.disk.read("out") != "0" {
				t.Errorf("rendered after %s without a quiet second", time.Since(start))
			}
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
			if b.disk.read("out") != "2" {
				t.Error("not rendered after a quiet second")
			}
			for i := range 10 { // never quiet: the maximum counts
				b.key("a", fmt.Sprint("busy", i))
				time.Sleep(500 * time.Millisecond)
			}
			synctest.Wait()
			if n := b.disk.writes["out"]; n < 3 || n > 4 {
				t.Errorf("%d writes, want one each 3 s at the most", n)
			}
		})
	})
}

func TestCommitThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "out", `{{key "a"}}`)
		b.key("a", "1")
		b.disk.broken = errors.New("no space left on device")
		b.during(t, func() {
			synctest.Wait()
			b.disk.mu.Lock()
			b.disk.broken = nil
			b.disk.mu.Unlock()
			time.Sleep(retryCommit + time.Second)
			synctest.Wait()
			if b.disk.read("out") != "1" {
				t.Error("not tried again")
			}
		})
	})
}

func TestGroupIsCommittedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.add(t, "one", `{{key "a"}}`)
		b.add(t, "two", `{{key "b"}}`)
		b.Groups = []*Group{{Name: "pair", Jobs: []*Job{b.Groups[0].Jobs[0], b.Groups[1].Jobs[0]}}}
		b.key("a", "1")
		b.during(t, func() {
			synctest.Wait()
			if len(maps.Collect(maps.All(b.disk.files))) != 0 {
				t.Error("one was written while two waits for data")
			}
			b.key("b", "2")
			synctest.Wait()
			if b.disk.read("one")+b.disk.read("two") != "12" {
				t.Errorf("got %v", b.disk.files)
			}
		})
	})
}
