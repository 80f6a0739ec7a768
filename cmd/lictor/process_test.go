package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests look at the running program from outside. Their registry is a data file, which the daemon follows.

const (
	keyTemplate = "k.ctmpl"
	keyText     = "k={{ key \"k\" }}\n"
)

// keyFiles is a folder with a template of one key, and its data.
func keyFiles() map[string]string {
	return map[string]string{keyTemplate: keyText, "data.yaml": "kv: {k: 1}\n"}
}

func TestDaemonFollowsDataFile(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	d := start(t, dir, "lictor", "-data", "data.yaml", "-template", "k.ctmpl:out:cat out >> seen")
	d.file("seen", "k=1\n")
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("seen", "k=1\nk=2\n")
	write(t, dir, "data.yaml", "kv: [broken\n")
	d.waitPrinted("data.yaml:1", 1)
	write(t, dir, "data.yaml", "kv: {k: 2, other: 3}\n") // good again, and the same for the template
	write(t, dir, "data.yaml", "kv: {k: 4}\n")
	d.file("seen", "k=1\nk=2\nk=4\n")
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestReloadOfConfiguration(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	config := func(dest string) string {
		return "data = [\"data.yaml\"]\npid_file = \"pid\"\ntemplate {\n  source = \"k.ctmpl\"\n  destination = \"" + dest + "\"\n}\n"
	}
	write(t, dir, "lictor.hcl", config("one"))
	if err := os.Mkdir(filepath.Join(dir, ".two.lictor-state"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("one", "k=1\n")

	for i, broken := range []struct{ text, says string }{
		{"template {\n", "lictor.hcl:"},
		{"templat { }\n", `did you mean \"template\"`},
		{"# Somebody has emptied the file.\n", "so there is nothing to do"},
		{"set = [\"x=1\"]\n" + config("two"), "lictor.hcl:1: can't set"},
		{config("two") + "template {\n  source = \"nowhere\"\n  destination = \"x\"\n}\n", "open nowhere: no such file"},
		{strings.Replace(config("two"), "\"pid\"", "\"no/such/pid\"", 1), `process file \"no/such/pid\": parent directory is missing`},
		{strings.Replace(config("two"), "source =", "check = \"true\"\n  source =", 1), `two.lictor-state\": is a directory`},
	} {
		write(t, dir, "lictor.hcl", broken.text)
		d.signal(syscall.SIGHUP)
		d.waitPrinted("the new configuration is refused, the old one goes on", i+1)
		d.waitPrinted(broken.says, 1)
	}
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("one", "k=2\n")
	if read(t, dir, "two") != "" {
		t.Error("a refused configuration was rendered")
	}

	pid, err := os.Stat(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "lictor.hcl", config("three"))
	d.signal(syscall.SIGHUP)
	d.file("three", "k=2\n")
	if after, err := os.Stat(filepath.Join(dir, "pid")); err != nil || !os.SameFile(pid, after) || after.ModTime() != pid.ModTime() {
		t.Errorf("a reload has written the process file anew: there was a moment without it (%v)", err)
	}
	write(t, dir, "data.yaml", "kv: {k: 3}\n")
	d.file("three", "k=3\n")
	if got := read(t, dir, "one"); got != "k=2\n" {
		t.Errorf("the old configuration still renders: %q", got)
	}
	if got := read(t, dir, "pid"); got != strconv.Itoa(d.cmd.Process.Pid) {
		t.Errorf("the process file holds %q after a reload", got)
	}
	d.signal(syscall.SIGINT)
	if code := d.exit(patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if read(t, dir, "pid") != "" {
		t.Error("the process file is still there")
	}
}

// A reload of the configuration while the registry can't answer goes on with what was known.
func TestReloadKeepsTheAnswers(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	config := "data = [\"data.yaml\"]\n"
	one, two := "template {\n  source = \"k.ctmpl\"\n  destination = \"one\"\n}\n", "template {\n  source = \"k.ctmpl\"\n  destination = \"two\"\n}\n"
	write(t, dir, "lictor.hcl", config+one)
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("one", "k=1\n")
	write(t, dir, "data.yaml", "kv: [\n")
	d.waitPrinted("data.yaml:", 1)
	write(t, dir, "lictor.hcl", config+one+two)
	d.signal(syscall.SIGHUP)
	d.file("two", "k=1\n")
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("two", "k=2\n")
}

// A reload that is asked for before we are ready, as here before the template has come from standard input, ends nothing.
func TestReloadWhileStarting(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	in, template, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	d := startFrom(t, dir, in, nil, "lictor", "-data", "data.yaml", "-template", "-:out")
	if _, err := template.WriteString(keyText[:3]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it reads the template", func() bool {
		unread, err := unix.IoctlGetInt(int(in.Fd()), unix.TIOCINQ)
		return err == nil && unread == 0
	})
	d.signal(syscall.SIGHUP)
	if _, err := template.WriteString(keyText[3:]); err != nil {
		t.Fatal(err)
	}
	template.Close()
	d.file("out", "k=1\n")
	d.waitPrinted("reloading the configuration", 1)
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("out", "k=2\n")
}

func TestReloadKeepsStandardInput(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	in, err := os.Open(filepath.Join(dir, keyTemplate))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	d := startFrom(t, dir, in, nil, "lictor", "-data", "data.yaml", "-template", "-:out")
	d.file("out", "k=1\n")
	d.signal(syscall.SIGHUP)
	d.waitPrinted("reloading the configuration", 1)
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("out", "k=2\n")
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t, nil)
	d := start(t, dir, "lictor", "-data", "/dev/null", "-exec-kill-timeout", "1h",
		"-exec", `trap "" TERM INT; echo up > up; while :; do sleep 0.1; done`)
	d.file("up", "up\n")
	d.signal(syscall.SIGINT)
	d.waitPrinted("stopping", 1)
	if !d.alive() {
		t.Fatal("it did not wait for its child")
	}
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != -int(syscall.SIGTERM) {
		t.Errorf("ended with %d, want the signal", code)
	}
}

// eventsScript is a shell program that notes its signals, and ends with the code in the file "code" by TERM or INT.
const eventsScript = `
echo start >> events
for s in HUP USR1 USR2 WINCH; do trap "echo $s >> events" $s; done
trap 'echo TERM >> events; exit 7' TERM
trap 'echo INT >> events; exit 0' INT
while :; do sleep 0.02; done`

func TestSignalsReachTheChild(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"child.sh": eventsScript})
	d := start(t, dir, "lictor", "-data", "/dev/null", "-kill-signal", "SIGQUIT", "-exec-kill-signal", "SIGTERM", "-exec", "exec sh child.sh")
	d.file("events", "start\n")
	want := "start\n"
	for _, sig := range []struct {
		syscall.Signal
		name string
	}{{syscall.SIGUSR1, "USR1"}, {syscall.SIGUSR2, "USR2"}, {syscall.SIGWINCH, "WINCH"}} {
		d.signal(sig.Signal)
		want += sig.name + "\n"
		d.file("events", want)
	}
	d.signal(syscall.SIGQUIT)
	if code := d.exit(patience); code != 7 {
		t.Errorf("exit code %d, want the child's 7", code)
	}
	if got := read(t, dir, "events"); got != want+"TERM\n" {
		t.Errorf("the child saw %q", got)
	}
}

func TestChildIsToldOfChanges(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	write(t, dir, "child.sh", eventsScript)
	d := start(t, dir, "lictor", "-data", "data.yaml", "-template", "k.ctmpl:out",
		"-exec", "exec sh child.sh", "-exec-reload-signal", "SIGHUP", "-exec-kill-signal", "SIGINT")
	d.file("events", "start\n")
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("events", "start\nHUP\n")
	d.file("out", "k=2\n")
	d.signal(syscall.SIGHUP) // reads the configuration again: the child is replaced
	d.file("events", "start\nHUP\nINT\nstart\n")
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != 0 {
		t.Errorf("exit code %d, want the child's 0", code)
	}
}

func TestChildIsReplacedOnChange(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	write(t, dir, "child.sh", eventsScript)
	d := start(t, dir, "lictor", "-data", "data.yaml", "-template", "k.ctmpl:out", "-exec", "exec sh child.sh", "-exec-kill-signal", "SIGINT")
	d.file("events", "start\n")
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.file("events", "start\nINT\nstart\n")
	d.signal(syscall.SIGKILL) // even then the child does not stay behind
	d.exit(patience)
	eventually(t, "no child is left", func() bool { return !processWith(t, dir) })
}

// processWith tells whether a process runs whose working directory is dir.
func processWith(t *testing.T, dir string) bool {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && at == dir {
			return true
		}
	}
	return false
}

func TestStubbornChildIsKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t, nil)
	d := start(t, dir, "lictor", "-data", "/dev/null", "-exec-kill-timeout", "200ms",
		"-exec", `trap "" TERM INT; echo up > up; while :; do sleep 0.02; done`)
	d.file("up", "up\n")
	d.signal(syscall.SIGTERM)
	d.exit(20 * time.Second) // it would be 30 s by default
	if processWith(t, dir) {
		t.Error("something of the child is left")
	}
}

func TestChildIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := folder(t, nil)
	d := start(t, dir, "lictor", "-data", "/dev/null", "-exec-restart", "on-failure", "-exec", `echo start >> events; [ "$(wc -l < events)" -ge 2 ]`)
	if code := d.exit(patience); code != 0 { // fails, and is started again after a second
		t.Errorf("exit code %d, want 0", code)
	}
	if got := read(t, dir, "events"); got != "start\nstart\n" {
		t.Errorf("it started as %q", got)
	}
}

func TestSlowCommandDelaysNobody(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"data.yaml": "kv: {a: 1, b: 1}\n"})
	write(t, dir, "a.ctmpl", `{{ key "a" }}`)
	write(t, dir, "b.ctmpl", `{{ key "b" }}`)
	d := start(t, dir, "lictor", "-data", "data.yaml",
		"-template", "a.ctmpl:a:[ -e release ] || echo slow >> slow; until [ -e release ]; do sleep 0.02; done",
		"-template", "b.ctmpl:b:cat b >> quick")
	d.file("slow", "slow\n")
	d.file("quick", "1")
	write(t, dir, "data.yaml", "kv: {a: 1, b: 2}\n")
	d.file("quick", "12") // while the other still runs
	write(t, dir, "data.yaml", "kv: {a: 2, b: 3}\n")
	d.file("a", "2")
	d.file("quick", "123")
	write(t, dir, "release", "")
	d.signal(syscall.SIGTERM)
	d.exit(patience)
}

func TestTimeoutEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	for _, limit := range []string{"300ms", "3s", "30s"} { // until the command has the time to begin
		write(t, dir, "lictor.hcl", `
template {
  source          = "k.ctmpl"
  destination     = "out"
  command         = "sleep 1000 & sleep 1000 & echo up > up; wait"
  command_timeout = "`+limit+`"
}`)
		d := start(t, dir, "lictor", "-once", "-config", "lictor.hcl", "-data", "data.yaml")
		if code := d.exit(patience); code != 14 {
			t.Errorf("exit code %d, want 14", code)
		}
		d.waitPrinted("did not end within "+limit+" and was stopped", 1)
		if isThere(dir, "up") {
			break
		}
	}
	if !isThere(dir, "up") {
		t.Fatal("the command did not run")
	}
	if processWith(t, dir) {
		t.Error("something of the command is left")
	}
}

func TestFailedReloadIsOwed(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	d := start(t, dir, "lictor", "-data", "data.yaml", "-template", "k.ctmpl:out:echo try >> tries; [ -e allowed ]")
	d.waitPrinted("ended with exit code 1", 1)
	d.waitPrinted("ended with exit code 1", 2) // tried again though nothing changed
	if !d.alive() {
		t.Fatal("a failed command has ended the daemon")
	}
	write(t, dir, "allowed", "")
	eventually(t, "the command ran after it was allowed to succeed", func() bool {
		return strings.Count(read(t, dir, "tries"), "try") == 1+strings.Count(d.printed(), "ended with exit code 1")
	})
	d.signal(syscall.SIGTERM)
	d.exit(patience)
	if tries, failures := strings.Count(read(t, dir, "tries"), "try"), strings.Count(d.printed(), "ended with exit code 1"); tries != failures+1 {
		t.Errorf("%d runs, of which %d failed", tries, failures)
	}
}

// Answers come one by one, so a burst may be many rounds, and the command waits until the last of them; what is submitted
// meanwhile is one more run, and so is what the last round submits.
func TestSharedCommandIsCoalesced(t *testing.T) {
	t.Parallel()
	files, args := map[string]string{}, []string{"-data", "data.yaml"}
	data := func(value string) string {
		var b strings.Builder
		b.WriteString("kv:\n")
		for i := range 20 {
			fmt.Fprintf(&b, "  k%d: %s\n", i, value)
		}
		return b.String()
	}
	for i := range 20 {
		files[fmt.Sprintf("%d.ctmpl", i)] = fmt.Sprintf(`{{ key "k%d" }}`, i)
		args = append(args, "-template", fmt.Sprintf("%d.ctmpl:out/%d:until cat out/* | grep -qEx '1{20}|2{20}'; do sleep 0.01; done; cat out/* >> seen; echo >> seen", i, i))
	}
	files["data.yaml"] = data("1")
	dir := folder(t, files)
	d := start(t, dir, "lictor", args...)
	last := func(want string) {
		t.Helper()
		want = strings.Repeat(want, 20) + "\n"
		eventually(t, "the command has seen all files as "+want, func() bool { return strings.HasSuffix(read(t, dir, "seen"), want) })
	}
	last("1")
	write(t, dir, "data.yaml", data("2"))
	last("2")
	d.signal(syscall.SIGTERM)
	d.exit(patience)
	if runs := strings.Count(read(t, dir, "seen"), "\n"); runs > 6 {
		t.Errorf("the command of 20 templates ran %d times for two changes", runs)
	}
}

// systemd is told when everything is rendered for the first time, and how things stand, whenever that changes.
func TestReadyAndStateAreToldToSystemd(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	write(t, dir, "lictor.hcl", `
data = ["data.yaml"]
template {
  source      = "k.ctmpl"
  destination = "out"
  check       = "! grep bad {{.Staged}}"
}`)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	d := startWith(t, dir, []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "notify")}, "lictor", "-config", "lictor.hcl")
	told := func(want string) {
		t.Helper()
		message := make([]byte, 1000)
		for got := ""; got != want; {
			if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			n, err := socket.Read(message)
			if err != nil {
				t.Fatalf("systemd was last told %q, and not %q: %v", got, want, err)
			}
			got = string(message[:n])
		}
	}
	told("READY=1")
	if read(t, dir, "out") != "k=1\n" {
		t.Error("it said that it is ready before the file stood")
	}
	told("STATUS=1 file current")
	write(t, dir, "data.yaml", "kv: {k: bad}\n")
	told("STATUS=1 of 1 file refused by a check: out")
	write(t, dir, "data.yaml", "kv: {k: 1}\n")
	told("STATUS=1 file current")
	d.waitPrinted(`msg=recovered destination=out was="refused by a check"`, 1)

	write(t, dir, "data.yaml", "kv: {k: bad}\n")
	told("STATUS=1 of 1 file refused by a check: out")
	d.signal(syscall.SIGUSR1)
	d.waitPrinted(`level=INFO msg=state now="1 of 1 file refused by a check: out"`, 1)
	d.signal(syscall.SIGTERM)
	d.exit(patience)
}

// A value that is refused at the start does not keep a program from starting with the good file of an earlier run; without
// such a file it waits.
func TestRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ template, earlier, says, starts string }{
		"check, good file": {"k={{ key \"k\" }}\n", "k=1\n", "check failed", "k=1\nk=2\n"},
		"check, no file":   {"k={{ key \"k\" }}\n", "", "check failed", "k=2\n"},
		"template fails":   {"k={{ key \"k\" | parseInt }}\n", "k=1\n", "template failed", "k=1\nk=2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"k.ctmpl": c.template, "data.yaml": "kv: {k: bad}\n"})
			if c.earlier != "" {
				write(t, dir, "out", c.earlier)
			}
			write(t, dir, "lictor.hcl", `
template {
  source      = "k.ctmpl"
  destination = "out"
  check       = "! grep bad {{.Staged}}"
}
exec {
  command = "cat out >> started; exec sleep 1000"
}`)
			d := start(t, dir, "lictor", "-config", "lictor.hcl", "-data", "data.yaml")
			d.waitPrinted(c.says, 1)
			if c.earlier != "" {
				d.file("started", c.earlier)
			}
			write(t, dir, "data.yaml", "kv: {k: 2}\n")
			d.file("started", c.starts)
			d.file("out", "k=2\n")
		})
	}
}
