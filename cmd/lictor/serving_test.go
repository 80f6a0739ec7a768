package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lictor/internal/consultest"
)

// The tests of this file are the rows of "While HAProxy serves" in docs/failure-modes.md. Where a row has a figure, run its
// test with -v to measure it.

func TestServesWhileConsulIsStopped(t *testing.T) {
	t.Parallel()
	v := serve(t, consultest.Start(t, consultest.Options{Persist: true}), 2, servingSetup{})
	before := v.snapshot()
	v.consul.Stop()
	v.lictor.waitPrinted("query failed, will retry", 1)
	v.clients.goOn(500)
	if err := v.consul.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.lictor.waitPrinted("all queries answer again", 1)
	v.clients.goOn(100)
	v.untouched(before, "Consul stopped and came back")
	begin := time.Now()
	v.register("web-2", "passing")
	v.serves("web-0", "web-1", "web-2")
	t.Logf("a change afterwards: served after %s", time.Since(begin))
	v.clients.goOn(100)
	v.clients.allServed()
}

// restartEmpty restarts a Consul that keeps nothing.
func (v *serving) restartEmpty() {
	v.t.Helper()
	v.consul.Kill()
	v.lictor.waitPrinted("query failed, will retry", 1)
	if err := v.consul.Start(v.t.Context()); err != nil {
		v.t.Fatal(err)
	}
}

func TestServesNothingWhenConsulIsEmptied(t *testing.T) {
	t.Parallel()
	v := serve(t, consultest.Start(t, consultest.Options{}), 3, servingSetup{})
	from := time.Now()
	v.restartEmpty()
	up := time.Now()
	v.serves()
	t.Logf("HAProxy has no instance %s after Consul was ready again", time.Since(up))
	v.clients.goOn(100)
	again := time.Now()
	for _, name := range v.names() {
		v.register(name, "passing")
	}
	v.serves(v.names()...)
	to := time.Now()
	t.Logf("HAProxy has all instances %s after they were registered", to.Sub(again))
	v.clients.goOn(100)
	if v.clients.servedBut(from, to, "503 Service Unavailable") == 0 {
		t.Error("no request got 503, though HAProxy had no instance")
	}
}

func TestServesBehindAGuardWhenConsulIsEmptied(t *testing.T) {
	t.Parallel()
	v := serve(t, consultest.Start(t, consultest.Options{}), 3, servingSetup{config: `
guard {
  max_shrink = "10%"
  hold       = "10m"
}`})
	before := v.snapshot()
	v.restartEmpty()
	v.lictor.waitPrinted("GUARD: an answer is held back", 1)
	v.clients.goOn(300)
	v.untouched(before, "a guard holds an empty answer back")
	for _, name := range v.names() {
		v.register(name, "passing")
	}
	v.lictor.waitPrinted("GUARD: the answer has recovered", 1)
	v.clients.goOn(100)
	v.untouched(before, "the instances have registered again")
	v.clients.allServed()

	from := time.Now()
	v.restartEmpty()
	v.lictor.waitPrinted("GUARD: an answer is held back", 2)
	v.clients.goOn(100)
	v.untouched(before, "a guard holds an empty answer back again")
	v.clients.allServed()
	v.lictor.signal(syscall.SIGUSR1)
	v.serves()
	v.register("web-0", "passing")
	v.serves("web-0")
	to := time.Now()
	v.clients.goOn(100)
	v.clients.servedBut(from, to, "503 Service Unavailable")
}

func TestServesWhileConsulFlaps(t *testing.T) {
	t.Parallel()
	v := serve(t, consultest.Start(t, consultest.Options{Persist: true}), 2, servingSetup{})
	before := v.snapshot()
	for i := range 3 {
		v.consul.Kill()
		eventually(t, "lictor notices", func() bool {
			log := v.lictor.printed()
			return strings.LastIndex(log, "query failed, will retry") > strings.LastIndex(log, "all queries answer again")
		})
		if err := v.consul.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.lictor.waitPrinted("all queries answer again", i+1)
	}
	v.untouched(before, "Consul was killed and came back three times")
	// It is killed right after a change, which is rendered once, before or after that.
	v.register("web-2", "passing")
	v.consul.Kill()
	if err := v.consul.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.serves("web-0", "web-1", "web-2")
	v.clients.goOn(100)
	if got, want := v.reloads(), before.reloads+1; got != want {
		t.Errorf("%d reloads, want %d", got, want)
	}
	v.clients.allServed()
}

func TestServesWhileChecksFlap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, pace string
		least      time.Duration // between reloads
	}{
		{"min_interval", `min_interval = "1s"`, time.Second},
		{"wait", "wait {\n min = \"500ms\"\n max = \"1s\"\n }", 500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			v := serve(t, consultest.Start(t, consultest.Options{}), 4, servingSetup{template: test.pace})
			flaps := 0
			flap := func(status string) {
				flaps++
				v.register(fmt.Sprint("web-", 1+flaps%3), status) // web-0 is always there
			}
			eventually(t, "three more reloads", func() bool {
				flap([]string{"critical", "passing"}[flaps/2%2])
				return v.reloads() >= 4
			})
			v.register("web-1", "critical") // the last state of all
			v.register("web-2", "passing")
			v.register("web-3", "passing")
			v.serves("web-0", "web-2", "web-3")
			elapsed, reloads := time.Since(begin), v.reloads()
			t.Logf("%d reloads for %d changes in %s", reloads, flaps, elapsed)
			if most := 1 + int(elapsed/test.least); reloads > most {
				t.Errorf("%d reloads in %s, want at most %d", reloads, elapsed, most)
			}
			v.clients.goOn(100)
			v.clients.allServed()
		})
	}
}

func TestServesDuringAPartition(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{})
	w := newWire(t, s.Addr)
	v := serve(t, s, 2, servingSetup{address: w.listener.Addr().String(), config: `block_query_wait = "1s"`})
	w.cut(true)
	before := v.snapshot()
	v.register("web-2", "passing")
	v.clients.goOn(100)
	v.untouched(before, "a partition that is short")
	w.cut(false)
	healed := time.Now()
	v.serves("web-0", "web-1", "web-2")
	t.Logf("what changed during a short partition is served %s after its end", time.Since(healed))

	v.clients.goOn(300) // so that lictor waits for changes again: a plain read may take 30 s
	const silence = "no answer within"
	noticed := strings.Count(v.lictor.printed(), silence)
	w.cut(true)
	begin := time.Now()
	before = v.snapshot()
	v.register("web-1", "critical")
	for strings.Count(v.lictor.printed(), silence) == noticed {
		v.clients.goOn(10)
		if time.Since(begin) > time.Minute {
			t.Fatalf("%q was not printed within a minute", silence)
		}
	}
	t.Logf("a partition is noticed after %s", time.Since(begin))
	v.clients.goOn(300)
	v.untouched(before, "a partition that is long")
	w.cut(false)
	healed = time.Now()
	v.serves("web-0", "web-2")
	t.Logf("what changed during a long partition is served %s after its end", time.Since(healed))
	v.lictor.waitPrinted("all queries answer again", noticed+1)
	v.clients.goOn(100)
	v.clients.allServed()
}

func TestServesWhenLictorIsRestartedWithoutConsul(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
	}{{"no cache", nil}, {"cache", []string{"-cache", "cache"}}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := serve(t, consultest.Start(t, consultest.Options{Persist: true}), 2, servingSetup{args: test.args})
			before := v.snapshot()
			v.consul.Stop()
			v.lictor.signal(syscall.SIGTERM)
			v.lictor.exit(patience)
			v.startLictor()
			v.lictor.waitPrinted("query failed, will retry", 1)
			if test.args != nil {
				v.lictor.waitPrinted("the last known data stands in", 1)
			}
			v.clients.goOn(300)
			v.untouched(before, "lictor was restarted while Consul was away")

			// The file may have gone as well, as below /run when the machine was restarted.
			if err := os.Remove(filepath.Join(v.dir, "haproxy.cfg")); err != nil {
				t.Fatal(err)
			}
			v.lictor.signal(syscall.SIGTERM)
			v.lictor.exit(patience)
			v.startLictor()
			if test.args == nil {
				v.lictor.waitPrinted("query failed, will retry", 1)
				v.clients.goOn(100)
				if read(t, v.dir, "haproxy.cfg") != "" {
					t.Error("a file was rendered of nothing")
				}
			} else {
				v.lictor.file("haproxy.cfg", before.cfg)
			}
			if err := v.consul.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.lictor.file("haproxy.cfg", before.cfg)
			v.register("web-2", "passing")
			v.serves("web-0", "web-1", "web-2")
			v.clients.goOn(100)
			v.clients.allServed()
		})
	}
}

// written is when a file was last written, in nanoseconds.
func written(t *testing.T, dir, name string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().UnixNano()
}
