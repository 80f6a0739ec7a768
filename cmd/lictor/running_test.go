package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A running lictor runs as an operator runs it: another process, in a folder of its own.
type running struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer // what it printed, on either stream
}

// start starts program, one of our names, with args in dir. The test ends it if it has not ended by then.
func start(t *testing.T, dir, program string, args ...string) *running {
	t.Helper()
	return startWith(t, dir, nil, program, args...)
}

// startWith is start with more environment variables.
func startWith(t *testing.T, dir string, env []string, program string, args ...string) *running {
	t.Helper()
	return startFrom(t, dir, nil, env, program, args...)
}

// startFrom is startWith with a standard input; nil is an empty one.
func startFrom(t *testing.T, dir string, in *os.File, env []string, program string, args ...string) *running {
	t.Helper()
	d := &running{t: t, dir: dir, cmd: exec.Command(program, args...), ended: make(chan struct{})}
	d.cmd.Dir, d.cmd.Env = dir, append(os.Environ(), env...)
	d.cmd.Stdout, d.cmd.Stderr = d, d
	if in != nil {
		d.cmd.Stdin = in
	}
	d.cmd.WaitDelay = 5 * time.Second
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		_ = d.cmd.Wait() // its outcome is in ProcessState
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
		if t.Failed() {
			t.Logf("%s %s printed:\n%s", program, strings.Join(args, " "), d.printed())
		}
	})
	return d
}

// Write collects what it prints.
func (d *running) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *running) printed() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// waitPrinted waits until it has printed text the given number of times.
func (d *running) waitPrinted(text string, times int) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("%q is printed %d times", text, times), func() bool { return strings.Count(d.printed(), text) >= times })
}

// signal sends sig.
func (d *running) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
}

// alive tells whether it has not ended.
func (d *running) alive() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// exit waits for the end and returns the exit code, or minus the number of the signal that ended it.
func (d *running) exit(within time.Duration) int {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(within):
		d.t.Fatalf("it has not ended within %s", within)
	}
	if ws := d.cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		return -int(ws.Signal())
	}
	return d.cmd.ProcessState.ExitCode()
}

// file waits until a file of its folder has the content.
func (d *running) file(name, content string) {
	d.t.Helper()
	var got string
	d.t.Cleanup(func() {
		if d.t.Failed() && got != content {
			d.t.Logf("%s was last seen with %q", name, got)
		}
	})
	eventually(d.t, fmt.Sprintf("%s has the content %q", name, content), func() bool {
		got = read(d.t, d.dir, name)
		return got == content
	})
}

// patience is how long a test waits for what should happen at once: long enough for the slowest machine.
const patience = time.Minute

// slowWatch is a configuration with which an end that waits for an answer of Consul takes longer than our patience.
const slowWatch = `block_query_wait = "10m"`

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// write replaces a file below dir, as an editor does.
func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// read returns a file's content, "" when there is no such file.
func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// folder makes a folder with the given files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, dir, name, content)
	}
	return dir
}
