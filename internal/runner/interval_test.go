package runner

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/command"
	"lictor/internal/retry"
)

// A diary notes when a command ran, in the time of the bubble that it is made in, and what was on disk then.
type diary struct {
	mu    sync.Mutex
	begun time.Time
	runs  []time.Duration
	saw   []string
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs, d.saw = append(d.runs, time.Since(d.begun)), append(d.saw, string(p))
	return len(p), nil
}

func (d *diary) times() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.runs)
}

func (d *diary) last() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.saw[len(d.saw)-1]
}

// keep has the reload command of all templates be one that writes into the diary what the files hold.
func (d *diary) keep(w *workshop, text string) {
	d.begun = time.Now()
	for _, g := range w.Groups {
		for _, j := range g.Jobs {
			j.Command = command.Command{Args: []string{"cd " + w.dir + "; " + text}, Shell: true, Stdout: d}
		}
	}
}

// apart fails the test unless between any two runs there is the least time.
func (d *diary) apart(t *testing.T, least time.Duration) {
	t.Helper()
	runs := d.times()
	for i := 1; i < len(runs); i++ {
		if runs[i]-runs[i-1] < least {
			t.Errorf("two runs are %s apart, want %s at least: %s", runs[i]-runs[i-1], least, runs)
			return
		}
	}
}

// The interval bounds the runs of a command, however many templates share it, and not only the commits of each. What is last
// is always reloaded, and what is committed is reloaded soon.
func TestMinIntervalBoundsASharedCommand(t *testing.T) {
	for name, check := range map[string]string{"at once": "", "after a check": "true"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const interval = 3 * time.Second
				w, d := newWorkshop(t), &diary{}
				var names []string
				for i := range 4 {
					names = append(names, fmt.Sprint("out", i))
					g := w.file(t, names[i], fmt.Sprintf(`{{key "k%d"}}.`, i), check, "")
					w.key(fmt.Sprint("k", i), "0")
					if i == 2 { // the longest is what counts
						g.MinInterval = interval
					}
				}
				d.keep(w, "echo $(cat out0 out1 out2 out3)")
				w.during(t, func() {
					w.is(t, "out3", "0.")
					for n := range 40 { // one after the other, all the time
						time.Sleep(90 * time.Millisecond)
						w.key(fmt.Sprint("k", n%4), fmt.Sprint(n))
					}
					time.Sleep(5 * interval)
					synctest.Wait()
				})
				d.apart(t, interval)
				if got, want := d.last(), "36.37.38.39.\n"; got != want {
					t.Errorf("the last reload saw %q, want %q", got, want)
				}
				if n := len(d.times()); n < 2 || n > 4 {
					t.Errorf("%d reloads", n)
				}
			})
		})
	}
}

// Also those runs are bounded that follow a failure, but the one that a rollback asks for is not held up.
func TestMinIntervalBoundsRetriesAndNoRollback(t *testing.T) {
	for rollback, want := range map[bool][]time.Duration{
		false: {time.Second, 61 * time.Second, 121 * time.Second},
		true:  {time.Second, time.Second, 61 * time.Second, 61 * time.Second, 121 * time.Second, 121 * time.Second},
	} {
		t.Run(fmt.Sprint("rollback ", rollback), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := newWorkshop(t), &diary{}
				w.again, w.Queue.Retry = quickly, retry.Backoff{First: time.Second, Most: 5 * time.Second}
				w.fill(t, "out", "good")
				g := w.file(t, "out", `{{key "v"}}`, "", "")
				g.Rollback, g.MinInterval = rollback, time.Minute
				d.keep(w, "cat out; grep -q good out")
				w.key("v", "good")
				w.during(t, func() {
					time.Sleep(time.Hour) // so that the file is old
					synctest.Wait()
					d.begun = time.Now().Add(-time.Second)
					w.key("v", "bad")
					time.Sleep(3*time.Minute - 2*time.Second)
					synctest.Wait()
				})
				if got := d.times(); !slices.Equal(got, want) {
					t.Errorf("ran at %s, want %s", got, want)
				}
			})
		})
	}
}

// A commit that comes while its command may not run yet is pending, also when we are stopped before it may.
func TestCommandThatIsPutOffIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := newWorkshop(t), &diary{}
		w.file(t, "one", `{{key "a"}}`, "", "").MinInterval = time.Hour
		two := w.file(t, "two", `{{key "b"}}`, "", "")
		d.keep(w, "echo $(cat one two)")
		w.key("a", "1")
		ready := w.awaitReady()
		w.during(t, func() {
			w.is(t, "one", "1")
			time.Sleep(2 * startHold)
			w.key("b", "2") // there is no such file yet, so it does not wait
			w.is(t, "two", "2")
			await(t, "ready", ready)
			time.Sleep(time.Minute)
		})
		if n := len(d.times()); n != 1 || !two.Files.Pending() {
			t.Errorf("%d runs, pending %v", n, two.Files.Pending())
		}
		next := newWorkshop(t)
		next.dir = w.dir
		g := next.file(t, "two", `{{key "b"}}`, "", "")
		g.MinInterval = time.Hour
		d.keep(next, "echo $(cat one two)")
		next.key("b", "2")
		next.during(t, func() { time.Sleep(time.Second); synctest.Wait() })
		if d.last() != "12\n" || g.Files.Pending() {
			t.Errorf("the next run reloaded %q, pending %v", d.last(), g.Files.Pending())
		}
	})
}
