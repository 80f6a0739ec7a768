package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lictor/internal/consultest"
)

// An execRun is lictor exec (or envconsul) at work in a folder of its own.
type execRun struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	err lockedBuffer
}

// newExecRun prepares a run of this test binary under a name that makes it lictor; prefix is what it is started by.
func newExecRun(t *testing.T, name string, prefix ...string) *execRun {
	t.Helper()
	r := &execRun{t: t, dir: t.TempDir()}
	tool := filepath.Join(r.dir, "bin", name)
	if err := os.Mkdir(filepath.Dir(tool), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.Args[0], tool); err != nil {
		t.Fatal(err)
	}
	argv := append(prefix, tool)
	r.cmd = exec.Command(argv[0], argv[1:]...)
	r.cmd.Dir = r.dir
	r.cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent", "GORACE=atexit_sleep_ms=0"}
	r.cmd.Stderr = &r.err
	t.Cleanup(func() {
		if r.cmd.Process != nil && r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Signal(syscall.SIGTERM)
			stuck := time.AfterFunc(10*time.Second, func() { _ = r.cmd.Process.Kill() })
			_ = r.cmd.Wait()
			stuck.Stop()
		}
		if t.Failed() {
			t.Logf("standard error of %s:\n%s", name, &r.err)
		}
	})
	return r
}

func (r *execRun) start(args ...string) {
	r.t.Helper()
	r.cmd.Args = append(r.cmd.Args, args...)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *execRun) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

func (r *execRun) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(r.dir, name))
	return string(b)
}

func (r *execRun) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code.
func (r *execRun) exit() int {
	r.t.Helper()
	stuck := time.AfterFunc(20*time.Second, func() { _ = r.cmd.Process.Kill() })
	defer stuck.Stop()
	err := r.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		r.t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

// until waits for something to become true.
func (r *execRun) until(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never came true: %s", what)
		}
	}
}

// untilLog waits until the child's log is want.
func (r *execRun) untilLog(want string) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); r.read("log") != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("the child's log is %q, want %q", r.read("log"), want)
		}
	}
}

// childScript is a program that logs how it was started and which signals it got, and ends with TERM.
const childScript = `#!/bin/sh
trap 'echo HUP >> log' HUP
trap 'echo USR1 >> log' USR1
trap 'echo TERM >> log; exit 3' TERM
echo $$ > pid
echo "start $x $(cat out 2> /dev/null)" >> log
while :; do sleep 0.02; done
`

const dataFile = "kv:\n  app: {x: %s}\n  file: %s\n"

// A change of a variable replaces the program, a change of a file tells it by the reload signal, other signals are passed
// on, and SIGTERM stops both. A write that changes nothing does nothing.
func TestExecFollowsChanges(t *testing.T) {
	r := newExecRun(t, "lictor")
	r.write("child", childScript)
	r.write("data.yaml", fmt.Sprintf(dataFile, "1", "one"))
	r.write("in.ctmpl", `{{ key "file" }}`)
	r.start("exec", "-data=data.yaml", "-prefix=app/", "-template=in.ctmpl:out", "-exec-reload-signal=SIGHUP", "-exec-kill-signal=SIGTERM", "--", "./child")
	r.untilLog("start 1 one\n")
	first := r.read("pid")
	r.write("data.yaml", fmt.Sprintf(dataFile, "1", "two"))
	r.untilLog("start 1 one\nHUP\n")
	r.write("data.yaml", "# a comment\n"+fmt.Sprintf(dataFile, "1", "two"))
	r.signal(syscall.SIGUSR1)
	r.untilLog("start 1 one\nHUP\nUSR1\n")
	if r.read("pid") != first {
		t.Error("it was replaced")
	}
	r.write("data.yaml", fmt.Sprintf(dataFile, "2", "two"))
	r.untilLog("start 1 one\nHUP\nUSR1\nTERM\nstart 2 two\n")
	r.signal(syscall.SIGTERM)
	if code := r.exit(); code != 3 {
		t.Errorf("exit code %d, want the child's", code)
	}
	r.untilLog("start 1 one\nHUP\nUSR1\nTERM\nstart 2 two\nTERM\n")
}

// Data that fits no environment does not end the program that runs; the next good data replaces it.
func TestExecSurvivesBadData(t *testing.T) {
	r := newExecRun(t, "lictor")
	r.write("child", childScript)
	r.write("data.yaml", fmt.Sprintf(dataFile, "1", "one"))
	r.start("exec", "-data=data.yaml", "-prefix=app/", "-exec-kill-signal=SIGTERM", "--", "./child")
	r.untilLog("start 1 \n")
	r.write("data.yaml", fmt.Sprintf(dataFile, `"\0"`, "one"))
	r.until("the bad value is told", func() bool { return strings.Contains(r.err.String(), "key app/x: its value has a NUL byte") })
	r.write("data.yaml", fmt.Sprintf(dataFile, "2", "one"))
	r.untilLog("start 1 \nTERM\nstart 2 \n")
}

func gone(pid string) bool {
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(pid) + "/stat")
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

// Whoever kills us kills the program too, and a second SIGTERM does not wait for the program.
func TestExecLeavesNoOrphan(t *testing.T) {
	for _, signals := range [][]syscall.Signal{{syscall.SIGKILL}, {syscall.SIGTERM, syscall.SIGTERM}} {
		r := newExecRun(t, "lictor")
		r.write("child", "#!/bin/sh\ntrap '' TERM INT\necho $$ > pid\nwhile :; do sleep 0.02; done\n")
		r.start("exec", "-set=a=b", "-exec-kill-timeout=1h", "-log-level=info", "--", "./child")
		r.until("the child runs", func() bool { return strings.HasSuffix(r.read("pid"), "\n") })
		for i, sig := range signals {
			if i > 0 {
				r.until("the first signal was taken", func() bool { return strings.Contains(r.err.String(), "stopping") })
			}
			r.signal(sig)
		}
		r.exit()
		r.until("the child is gone", func() bool { return gone(r.read("pid")) })
	}
}

func TestExecRestarts(t *testing.T) {
	r := newExecRun(t, "lictor")
	r.write("child", "#!/bin/sh\necho run >> log\nexit 1\n")
	r.start("exec", "-set=a=b", "-restart=on-failure", "--", "./child")
	r.until("it ran three times", func() bool { return strings.Count(r.read("log"), "run") >= 3 })
	if text := r.err.String(); !strings.Contains(text, `the child ended, starting it again`) {
		t.Errorf("not told: %s", text)
	}
}

// As PID 1 of a namespace, lictor reaps what is orphaned, passes signals on, and ends with the program's code.
func TestExecAsPID1(t *testing.T) {
	unshare := []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	if out, err := exec.Command(unshare[0], append(unshare[1:], "true")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatalf("no PID namespace: %v: %s", err, out)
		}
		t.Skipf("no PID namespace on this machine: %v: %s", err, bytes.TrimSpace(out))
	}
	r := newExecRun(t, "lictor", unshare...)
	r.write("child", `#!/bin/sh
trap 'echo USR1 >> log; exit 9' USR1
for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.05 &); done
until [ $(cat /proc/[0-9]*/stat 2> /dev/null | grep -c '(sleep) [SRD] 1 ') = 0 ]; do sleep 0.01; done
zombies() { cat /proc/[0-9]*/stat 2> /dev/null | grep -c ') Z '; }
n=0; until [ $(zombies) = 0 ] || [ $n = 500 ]; do n=$((n+1)); sleep 0.01; done
echo "zombies $(zombies), first process $(tr '\0' ' ' < /proc/1/cmdline | cut -d' ' -f2)" > log
while :; do sleep 0.02; done
`)
	r.start("exec", "-set=a=b", "--", "./child")
	r.untilLog("zombies 0, first process exec\n")
	// Signals for the first process of the namespace: unshare itself passes none on.
	pid, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", r.cmd.Process.Pid, r.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(first, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if code := r.exit(); code != 9 {
		t.Errorf("exit code %d, want 9", code)
	}
}

// With the registry down at the start lictor waits and says so; when it goes away later the program runs on, and changes
// arrive once it is back.
func TestExecWhileConsulIsAway(t *testing.T) {
	server := consultest.Start(t, consultest.Options{Persist: true})
	server.Put(t, "app/x", "1")
	server.Stop()

	r := newExecRun(t, "lictor")
	r.write("child", childScript)
	r.start("exec", "-consul-addr="+server.Addr, "-prefix=app/", "-consul-retry-max-backoff=200ms", "-exec-kill-signal=SIGTERM", "--", "./child")
	r.until("it says that it can't reach the registry", func() bool { return strings.Contains(r.err.String(), "prefix(app/)") })
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.untilLog("start 1 \n")
	said := len(r.err.String())
	server.Stop()
	r.until("it says so again", func() bool { return strings.Contains(r.err.String()[said:], "prefix(app/)") })
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Put(t, "app/x", "2")
	r.untilLog("start 1 \nTERM\nstart 2 \n")
}

// A lockedBuffer may be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
