package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// In a PID namespace of its own the program is PID 1. It must reap what is orphaned there, and still learn how its own
// child ended.
func TestInitReapsOrphans(t *testing.T) {
	note := filepath.Join(t.TempDir(), "note")
	namespace := []string{"--pid", "--fork", "--mount-proc", "--kill-child"}
	if os.Geteuid() != 0 {
		namespace = append(namespace, "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(namespace, "true")...).CombinedOutput(); err != nil {
		text := fmt.Sprintf("no PID namespace on this machine: %v: %s", err, bytes.TrimSpace(out))
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	cmd := exec.Command("unshare", append(namespace, os.Args[0])...)
	cmd.Env = childEnv("pid1", note)
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 42 {
		told, _ := os.ReadFile(note)
		t.Fatalf("ended with %v, want exit code 42; output %q, told %q", err, out, told)
	}
	told, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	if want := "parent 1, 30 orphans, zombies in the end 0\n"; string(told) != want {
		t.Errorf("told %q, want %q", told, want)
	}
}

// makeZombies is the child of PID 1: it leaves 30 programs to PID 1 that end soon, and counts the zombies.
func makeZombies() int {
	const orphans = 30
	script := fmt.Sprintf("for i in $(seq %d); do (sleep 0.2 &) ; done", orphans)
	if err := exec.Command("/bin/sh", "-c", script).Run(); err != nil {
		tell("error %s", err)
		return 1
	}
	zombies, sleepers := -1, orphans
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && (zombies != 0 || sleepers > 0); time.Sleep(10 * time.Millisecond) {
		zombies, sleepers = countProcesses()
	}
	tell("parent %d, %d orphans, zombies in the end %d", os.Getppid(), orphans, zombies)
	return 42
}

// countProcesses counts the zombies, and the sleep programs, of this PID namespace.
func countProcesses() (zombies, sleepers int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		name, state, _ := strings.Cut(string(stat), ") ")
		if strings.HasPrefix(state, "Z") {
			zombies++
		} else if strings.HasSuffix(name, "(sleep") {
			sleepers++
		}
	}
	return zombies, sleepers
}
