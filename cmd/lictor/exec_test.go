package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lictor/internal/consultest"
)

// These tests are about a program with its environment from the registry; what they have in common with -exec of a
// rendering lictor (signals, kill timeout, restart policy) is in process_test.go.

// execScript notes how it was started and its signals, and ends with TERM.
const execScript = `
trap 'echo HUP >> log' HUP
trap 'echo USR1 >> log' USR1
trap 'echo TERM >> log; exit 3' TERM
echo "start $x $(cat out 2> /dev/null)" >> log
while :; do sleep 0.02; done
`

// execData is a data file with the variable x and the content of a file.
func execData(x, file string) string {
	return fmt.Sprintf("kv:\n  app: {x: %s}\n  file: %s\n", x, file)
}

// A change of a variable replaces the program, a change of a file tells it by the reload signal, and SIGTERM stops both. A
// write that changes nothing does nothing.
func TestExecFollowsChanges(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"child.sh": execScript, "data.yaml": execData("1", "one"), "in.ctmpl": `{{ key "file" }}`})
	d := start(t, dir, "lictor", "exec", "-data=data.yaml", "-prefix=app/", "-template=in.ctmpl:out", "-exec-reload-signal=SIGHUP",
		"-exec-kill-signal=SIGTERM", "--", "sh", "child.sh")
	d.file("log", "start 1 one\n")
	write(t, dir, "data.yaml", execData("1", "two"))
	d.file("log", "start 1 one\nHUP\n")
	write(t, dir, "data.yaml", "# a comment\n"+execData("1", "two"))
	d.signal(syscall.SIGUSR1)
	d.file("log", "start 1 one\nHUP\nUSR1\n")
	write(t, dir, "data.yaml", execData("2", "two"))
	d.file("log", "start 1 one\nHUP\nUSR1\nTERM\nstart 2 two\n")
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != 3 {
		t.Errorf("exit code %d, want the child's", code)
	}
	d.file("log", "start 1 one\nHUP\nUSR1\nTERM\nstart 2 two\nTERM\n")
}

// Whoever asks how things stand is told, though the log of lictor exec shows warnings only; an environment is no file.
func TestExecTellsHowThingsStand(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"in.ctmpl": `{{ key "a" }}`, "guard.hcl": "guard {\n max_shrink = \"50%\"\n}"})
	d := start(t, dir, "lictor", "exec", "-consul=127.0.0.1:1", "-config=guard.hcl", "-prefix=app/", "-template=in.ctmpl:out", "-template=guard.hcl:ready", "--", "true")
	eventually(t, "the other file is there", func() bool { return read(t, dir, "ready") != "" })
	d.waitPrinted("query failed, will retry", 1)
	d.signal(syscall.SIGUSR1)
	d.waitPrinted(`level=INFO msg=state now="1 of 2 files waiting for data: out; environment waiting for data; queries fail"`, 1)
}

// A program that ignores the kill signal dies with us all the same, when we are killed.
func TestExecLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"child.sh": "trap '' TERM INT\necho up > up\nwhile :; do sleep 0.02; done\n"})
	d := start(t, dir, "lictor", "exec", "-set=kv/a=b", "--", "sh", "child.sh")
	d.file("up", "up\n")
	d.signal(syscall.SIGKILL)
	d.exit(patience)
	eventually(t, "no child is left", func() bool { return !processWith(t, dir) })
}

// Data that fits no environment does not end the program that runs; the next good data replaces it.
func TestExecSurvivesBadData(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"child.sh": execScript, "data.yaml": execData("1", "one")})
	d := start(t, dir, "lictor", "exec", "-data=data.yaml", "-prefix=app/", "-exec-kill-signal=SIGTERM", "--", "sh", "child.sh")
	d.file("log", "start 1 \n")
	write(t, dir, "data.yaml", execData(`"sec\0ret"`, "one"))
	d.waitPrinted("key app/x: its value has a NUL byte", 1)
	write(t, dir, "data.yaml", execData("2", "one"))
	d.file("log", "start 1 \nTERM\nstart 2 \n")
	if strings.Contains(d.printed(), "sec") {
		t.Error("the value is in the log")
	}
}

// As PID 1 of a namespace, lictor reaps what is orphaned, passes signals on, and ends with the program's code.
func TestExecAsPID1(t *testing.T) {
	t.Parallel()
	unshare := []string{"--pid", "--fork", "--mount-proc", "--kill-child"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatalf("no PID namespace: %v: %s", err, out)
		}
		t.Skipf("no PID namespace on this machine: %v: %s", err, bytes.TrimSpace(out))
	}
	dir := folder(t, map[string]string{"child.sh": `
trap 'echo USR1 >> log; exit 9' USR1
for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.05 &); done
until [ $(cat /proc/[0-9]*/stat 2> /dev/null | grep -c '(sleep) [SRD] 1 ') = 0 ]; do sleep 0.01; done
zombies() { cat /proc/[0-9]*/stat 2> /dev/null | grep -c ') Z '; }
n=0; until [ $(zombies) = 0 ] || [ $n = 5000 ]; do n=$((n+1)); sleep 0.01; done
echo "zombies $(zombies), first process $(tr '\0' ' ' < /proc/1/cmdline | cut -d' ' -f2)" > log
while :; do sleep 0.02; done
`})
	d := start(t, dir, "unshare", append(unshare, "lictor", "exec", "-set=kv/a=b", "--", "sh", "child.sh")...)
	d.file("log", "zombies 0, first process exec\n")
	// The namespace's first process gets the signal: unshare itself passes none on.
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(first, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if code := d.exit(patience); code != 9 {
		t.Errorf("exit code %d, want 9", code)
	}
}

// With the registry down at the start lictor waits and says so, or ends at a deadline; when it goes away later the program
// runs on, and changes arrive once it is back.
func TestExecWhileConsulIsAway(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{Persist: true})
	server.Put(t, "app/x", "1")
	server.Stop()

	dir := folder(t, map[string]string{"child.sh": execScript})
	args := []string{"exec", "-consul-addr=" + server.Addr, "-prefix=app/", "-consul-retry-max-backoff=200ms", "-exec-kill-signal=SIGTERM"}
	impatient := start(t, dir, "lictor", append(args, "-start-timeout=300ms", "--", "touch", "ran")...)
	if code := impatient.exit(patience); code != exitRuntime || read(t, dir, "ran") != "" {
		t.Errorf("exit code %d, want %d", code, exitRuntime)
	}
	impatient.waitPrinted("gave up after 300ms: environment: waiting for prefix(app/)", 1)

	d := start(t, dir, "lictor", append(args, "--", "sh", "child.sh")...)
	d.waitPrinted("prefix(app/)", 1)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.file("log", "start 1 \n")
	said := strings.Count(d.printed(), "prefix(app/)")
	server.Stop()
	d.waitPrinted("prefix(app/)", said+1)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Put(t, "app/x", "2")
	d.file("log", "start 1 \nTERM\nstart 2 \n")
}

// Each recorded configuration of envconsul gives the program the environment that its README tells.
func TestEnvconsulConfigurations(t *testing.T) {
	t.Parallel()
	configs, err := filepath.Abs(configsFolder + "/envconsul")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(configs); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("the recorded configurations are not here: %v", err)
	}
	server := consultest.Start(t, consultest.Options{})
	seedConfigs(t, server)
	for _, test := range []struct {
		file, site string
		want       []string
	}{
		{"01-app.hcl", "", []string{
			`FLAGS={"beta": true, "limit": 40}`, "HTTP_BIND=0.0.0.0", "HTTP_PORT=8443", "JUNK=1", "MOTD=Guten Tag", "POOL=16", "SECRET_TOKEN=t0k3n",
			"SITE_DEV_POOL=2", "SITE_PROD_POOL=64", "TWO_WORDS=spaced"}},
		{"02-layers.hcl", "prod", []string{
			"JUNK=1", `LARCH_flags={"beta": true, "limit": 40}`, "LARCH_http/bind=0.0.0.0", "LARCH_http/port=8443", "LARCH_motd=Guten Tag",
			"LARCH_pool=64", "LARCH_secret-token=t0k3n", "LARCH_site/dev/pool=2", "LARCH_site/prod/pool=64", "LARCH_two words=spaced", "SITE=prod"}},
		{"02-layers.hcl", "", nil},
		{"03-closed-environment.hcl", "", []string{"APP_MODE=closed", "http/bind=0.0.0.0", "http/port=8443", "motd=Guten Tag", "pool=16"}},
		{"04-services.hcl", "", []string{
			"BIRCH_HOST=10.2.0.1", "BIRCH_PORT=7001", "JUNK=1", "birch/address=10.2.0.2", "birch/id=birch-2", "birch/name=birch", "birch/port=7002",
			"birch/tag=eu,spare", "birch_id=birch-1"}},
		{"06-old-style.json", "", []string{"HTTP_PORT=8443", "LAST=1", "larch_site_dev_pool=2"}},
	} {
		t.Run(test.file+test.site, func(t *testing.T) {
			cmd := exec.Command("envconsul", "-consul-addr="+server.Addr, "-config", filepath.Join(configs, test.file))
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "JUNK=1"}
			if test.site != "" {
				cmd.Env = append(cmd.Env, "SITE="+test.site)
			}
			var errOut bytes.Buffer
			cmd.Stderr, cmd.Dir = &errOut, t.TempDir()
			out, err := cmd.Output()
			if test.want == nil {
				if cmd.ProcessState.ExitCode() != exitRuntime || len(out) > 0 || !strings.Contains(errOut.String(), "SITE is not set") {
					t.Errorf("%v, printed %q, and %s", err, out, &errOut)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v: %s", err, &errOut)
			}
			got := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), "\n"), func(entry string) bool {
				name, _, _ := strings.Cut(entry, "=")
				return slices.Contains([]string{"PATH", "PWD", "OLDPWD", "SHLVL", "_"}, name)
			})
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q\nwant %q", got, test.want)
			}
		})
	}
	t.Run("05-supervise.hcl", func(t *testing.T) { superviseAsRecorded(t, server, configs) })
}

// superviseAsRecorded runs the configuration of a long-running program: changes in quick succession are one restart, one
// signal reloads, one ends, the others are passed on.
func superviseAsRecorded(t *testing.T, server *consultest.Server, configs string) {
	dir := t.TempDir()
	copyFile(t, configsFolder+"/sigchild", filepath.Join(dir, "sigchild"))
	d := startWith(t, dir, []string{"CHILD_LOG=child.log"}, "envconsul", "-log-level=info", "-consul-addr="+server.Addr,
		"-config", filepath.Join(configs, "05-supervise.hcl"))
	// events is what the program noted, without times and process numbers.
	events := func() (all []string) {
		for line := range strings.Lines(read(t, dir, "child.log")) {
			if fields := strings.Fields(line); fields[2] == "start" {
				all = append(all, "start "+line[strings.Index(line, "v_larch_http_port"):strings.Index(line, "}")])
			} else {
				all = append(all, strings.Join(fields[2:], " "))
			}
		}
		return all
	}
	var want []string
	saw := func(more ...string) {
		t.Helper()
		want = append(want, more...)
		eventually(t, fmt.Sprintf("the program notes %q", want), func() bool { return slices.Equal(events(), want) })
	}
	saw("start v_larch_http_port': '8443'")
	if got := read(t, dir, "ec.pid"); got != strconv.Itoa(d.cmd.Process.Pid) {
		t.Errorf("the process file holds %q", got)
	}
	for _, port := range []string{"1", "2", "3"} {
		server.Put(t, "larch/http/port", port)
	}
	saw("got SIGTERM", "exit", "start v_larch_http_port': '3'")
	d.signal(syscall.SIGUSR1)
	saw("got SIGUSR1")
	d.signal(syscall.SIGUSR2)
	saw("got SIGTERM", "exit", "start v_larch_http_port': '3'")
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	saw("got SIGTERM", "exit")
	if _, err := os.Stat(filepath.Join(dir, "ec.pid")); err == nil {
		t.Error("the process file is still there")
	}
}
