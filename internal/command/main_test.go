package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The programs that the tests run are this very test binary: with childMode set it becomes one of them.
const childMode = "LICTOR_COMMAND_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		os.Exit(beChild(mode, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

func shell(text string) Command { return Command{Args: []string{text}, Shell: true} }

// child is a command that runs this binary in a mode; note is a file for what it has to tell.
func child(t *testing.T, mode string, args ...string) (c Command, note string) {
	t.Helper()
	note = filepath.Join(t.TempDir(), "note")
	return Command{Args: append([]string{os.Args[0]}, args...), Env: childEnv(mode, note)}, note
}

func childEnv(mode, note string, more ...string) []string {
	return append([]string{childMode + "=" + mode, "NOTE=" + note, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, more...)
}

// tell appends a line to the note file.
func tell(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv("NOTE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}

// beChild is what the re-executed test binary does; its result is the exit code.
func beChild(mode string, args []string) int {
	switch mode {
	case "exit":
		tell("ran")
		code, _ := strconv.Atoi(args[0])
		return code
	case "exit-after": // exit code, pause
		tell("ran %s", os.Getenv("VALUE"))
		pause, _ := time.ParseDuration(args[1])
		time.Sleep(pause)
		code, _ := strconv.Atoi(args[0])
		return code
	case "print":
		os.Stdout.WriteString(args[0])
		os.Stderr.WriteString("to stderr\n")
	case "environ":
		tell("%q", os.Environ())
	case "ignore-term":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		tell("pid %d", os.Getpid())
		time.Sleep(time.Hour)
	case "fork": // starts a grandchild in the mode args[0], which keeps our output open, and ends or stays
		grandchild := exec.Command(os.Args[0])
		grandchild.Env = childEnv(args[0], os.Getenv("NOTE"))
		grandchild.Stdout, grandchild.Stderr = os.Stdout, os.Stderr
		if err := grandchild.Start(); err != nil {
			tell("error %s", err)
			return 1
		}
		awaitFile(os.Getenv("NOTE"), "pid ")
		if args[1] == "stay" {
			time.Sleep(time.Hour)
		}
	case "close-stdout":
		os.Stdout.Close()
		os.Stderr.Close()
		return untilSignal(endings)
	case "signals":
		return untilSignal(endings)
	case "drain": // is asked to end, and takes until the shell that started it was reaped
		parent := os.Getppid()
		signals := make(chan os.Signal, 10)
		signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM)
		tell("started")
		tell("got %s", SignalName((<-signals).(syscall.Signal)))
		for syscall.Kill(parent, 0) == nil {
			time.Sleep(time.Millisecond)
		}
		select {
		case s := <-signals:
			tell("end: disturbed by %s", SignalName(s.(syscall.Signal)))
		default:
			tell("end: drained")
		}
	case "reluctant": // is asked to end by one signal, and does so with another
		return untilSignal(map[os.Signal]int{syscall.SIGUSR1: 0})
	case "read-line":
		tell("pid %d", os.Getpid())
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		tell("read %q %v", line, err)
	case "supervise": // does what lictor does with a child that ignores everything
		c := &Child{Command: Command{Args: []string{os.Args[0]}}, Stdin: os.Stdin}
		switch {
		case len(args) > 0 && args[0] == "terminal":
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
		case len(args) > 0 && args[0] == "pipeline":
			_, w, err := os.Pipe()
			if err != nil {
				return 1
			}
			c.Stdout = w
		}
		c.Start(context.Background(), slog.New(slog.DiscardHandler))
		c.Apply(childEnv(os.Getenv("INNER"), os.Getenv("NOTE")), false)
		status := <-c.Exited()
		tell("supervisor saw %s", status)
		return status.ExitCode()
	case "pid1":
		if os.Getpid() == 1 {
			code, err := Init()
			if err != nil {
				tell("error %s", err)
			}
			return code
		}
		return makeZombies()
	}
	return 0
}

// endings are the signals that a program ends with, and the exit codes.
var endings = map[os.Signal]int{syscall.SIGTERM: 0, syscall.SIGINT: 5}

// untilSignal tells each signal that it gets, and the variable VALUE, and ends with one of ends.
func untilSignal(ends map[os.Signal]int) int {
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	tell("started %s", os.Getenv("VALUE"))
	for s := range signals {
		tell("got %s", SignalName(s.(syscall.Signal)))
		if code, ok := ends[s]; ok {
			return code
		}
	}
	return 0
}

// awaitFile waits until a file holds text, and returns what it holds.
func awaitFile(name, text string) string {
	var got []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got, _ = os.ReadFile(name); strings.Contains(string(got), text) {
			return string(got)
		}
	}
	panic(fmt.Sprintf("%s never said %q, only %q", filepath.Base(name), text, got))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// pidIn is the first process id that a program told.
func pidIn(t *testing.T, text string) int {
	t.Helper()
	_, after, _ := strings.Cut(text, "pid ")
	line, _, _ := strings.Cut(after, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("no process id in %q", text)
	}
	return pid
}

// gone tells whether a process has ended; a zombie that nobody has reaped yet has.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(after, []byte("Z"))
}

// A logBuffer is a log that a test can read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testLog() (*slog.Logger, *logBuffer) {
	b := &logBuffer{}
	return slog.New(slog.NewTextHandler(b, nil)), b
}
