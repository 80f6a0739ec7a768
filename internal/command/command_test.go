package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunLogsOutputByLine(t *testing.T) {
	log, text := testLog()
	c, _ := child(t, "print", "first\r\n\nsecond "+strings.Repeat("x", maxLine)+"\nlast, unended")
	if err := c.Run(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	got := text.String()
	for _, want := range []string{"line=first ", `line="second xxx`, "line=xxxxxxx ", `line="last, unended" `, "stream=stdout", `line="to stderr" `, "level=INFO"} {
		if !strings.Contains(strings.ReplaceAll(got, "\n", " \n"), want) {
			t.Errorf("the log lacks %q:\n%s", want, got)
		}
	}
	for line := range strings.Lines(got) {
		if len(line) > maxLine+500 {
			t.Errorf("a log line of %d bytes", len(line))
		}
	}
}

func TestRunPassesOutputThrough(t *testing.T) {
	log, text := testLog()
	c, _ := child(t, "print", "through\n")
	var out, errOut strings.Builder
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Run(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	if out.String() != "through\n" || errOut.String() != "to stderr\n" || text.String() != "" {
		t.Errorf("stdout %q, stderr %q, log %q", &out, &errOut, text)
	}
}

func TestRunErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, "blob")
	if err := os.WriteFile(blob, []byte{0, 1, 2}, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		command Command
		want    string
		code    int
	}{
		{"nothing", Command{}, "cannot start the command: it is empty", 126},
		{"blank", Command{Args: []string{" "}}, "cannot start the command: it is empty", 126},
		{"not in PATH", Command{Args: []string{"no-such-program-here", "a b"}}, `cannot start command "no-such-program-here 'a b'": there is no such program in PATH`, 127},
		{"no file", Command{Args: []string{dir + "/none"}}, `/none": no such file`, 127},
		{"no interpreter", Command{Args: []string{script}}, "no such interpreter", 127},
		{"not executable", Command{Args: []string{plain}}, "it is not executable", 126},
		{"a folder", Command{Args: []string{dir}}, "it is not executable", 126},
		{"not a program", Command{Args: []string{blob}}, "neither a program", 126},
		{"NUL", Command{Args: []string{"true"}, Env: []string{"A=secret\x00"}}, "NUL", 126},
		{"too long", Command{Args: []string{"true"}, Env: []string{"A=" + strings.Repeat("x", 200_000)}}, "too long", 126},
		{"exit code", shell("exit 3"), `command "exit 3" ended with exit code 3`, 0},
		{"not found in a shell", shell("no-such-program-here 2>/dev/null"), "ended with exit code 127", 0},
		{"signal", shell("kill -USR1 $$"), `command "kill -USR1 $$" was ended by SIGUSR1`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			log, _ := testLog()
			err := test.command.Run(t.Context(), log)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			start, isStart := errors.AsType[*StartError](err)
			_, isExit := errors.AsType[*ExitError](err)
			if isStart == isExit || isStart && start.ExitCode() != test.code {
				t.Errorf("error %#v, want exit code %d", err, test.code)
			}
		})
	}
}

func TestRunTimeout(t *testing.T) {
	log, _ := testLog()
	for limit := 400 * time.Millisecond; ; limit *= 2 {
		c, note := child(t, "fork", "ignore-term", "stay")
		c.Timeout, c.Grace = limit, 100*time.Millisecond
		err := c.Run(t.Context(), log)
		exit, ok := errors.AsType[*ExitError](err)
		if !ok || !exit.TimedOut || !strings.HasSuffix(err.Error(), fmt.Sprintf("did not end within %s and was stopped", limit)) {
			t.Fatalf("error %v", err)
		}
		if told, _ := os.ReadFile(note); !bytes.Contains(told, []byte("pid ")) && limit < 20*time.Second {
			continue // it was stopped before there was a grandchild
		}
		pid := pidIn(t, awaitFile(note, "pid "))
		eventually(t, "the grandchild that ignores SIGTERM is gone", func() bool { return gone(pid) })
		return
	}
}

func TestRunEndsWithContext(t *testing.T) {
	log, _ := testLog()
	c, note := child(t, "ignore-term")
	c.Grace = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		awaitFile(note, "pid ")
		cancel()
	}()
	if err := c.Run(ctx, log); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := c.Run(ctx, log); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "was not started") {
		t.Errorf("error %v", err)
	}
}

// What ends when it is asked to is not waited for until the grace period is over.
func TestRunEndsWithTheProgram(t *testing.T) {
	log, _ := testLog()
	c, note := child(t, "signals")
	c.Grace = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx, log) }()
	awaitFile(note, "started")
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the run has not ended, though the program has")
	}
}

// A grandchild that keeps the output open must not hold us up, and one that a command that went well left running is
// none of our business.
func TestRunLeavesBackgroundProcesses(t *testing.T) {
	log, _ := testLog()
	c, note := child(t, "fork", "ignore-term", "end")
	if err := c.Run(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, awaitFile(note, "pid "))
	if gone(pid) {
		t.Error("the background process was ended")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestRunGivesNoInput(t *testing.T) {
	log, _ := testLog()
	c, note := child(t, "read-line")
	if err := c.Run(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	if got := awaitFile(note, "read"); !strings.HasSuffix(got, "\nread \"\" EOF\n") {
		t.Errorf("told %q", got)
	}
}

func TestShellIsCalledSh(t *testing.T) {
	log, _ := testLog()
	var out strings.Builder
	c := shell("echo shell:$0:$A")
	c.Env, c.Stdout, c.Dir = []string{"A=b"}, &out, t.TempDir()
	if err := c.Run(t.Context(), log); err != nil || out.String() != "shell:sh:b\n" {
		t.Errorf("printed %q, error %v", &out, err)
	}
}

func TestKeyAndString(t *testing.T) {
	a := Command{Args: []string{"x", "y z"}, Timeout: time.Second}
	same := Command{Args: []string{"x", "y z"}}
	if a.Key() != same.Key() {
		t.Error("equal commands have different keys")
	}
	for _, other := range []Command{
		{Args: []string{"x", "y", "z"}}, {Args: []string{"x y z"}}, {Args: []string{"x", "y z"}, Shell: true},
		{Args: []string{"x", "y z"}, Env: []string{}}, {Args: []string{"x", "y z"}, Env: []string{"A=1"}}, {Args: []string{"x", "y z"}, Dir: "/"},
	} {
		if other.Key() == a.Key() {
			t.Errorf("%#v has the same key", other)
		}
	}
	if got := a.String(); got != "x 'y z'" {
		t.Errorf("String is %q", got)
	}
	if got := shell("one\n  two" + strings.Repeat("ü", 200)).String(); len(got) > 170 || !strings.HasPrefix(got, "one twoü") {
		t.Errorf("String is %q", got)
	}
}

func TestEnviron(t *testing.T) {
	base := []string{"PATH=/bin", "db/host=h", "db_pass=s", "A=1", "A=2", "SECRET_X=x"}
	for _, test := range []struct {
		name                string
		pristine            bool
		custom, allow, deny []string
		want                []string
	}{
		{name: "all", want: []string{"PATH=/bin", "db/host=h", "db_pass=s", "A=2", "SECRET_X=x"}},
		{name: "pristine", pristine: true, want: []string{}},
		{name: "pristine and custom", pristine: true, custom: []string{"ONE=1", "TWO=2=2"}, deny: []string{"*"}, want: []string{"ONE=1", "TWO=2=2"}},
		{name: "allow", allow: []string{"db*", "PATH"}, want: []string{"PATH=/bin", "db_pass=s"}},
		{name: "deny", deny: []string{"*_pass", "SECRET*", "[A"}, want: []string{"PATH=/bin", "db/host=h", "A=2"}},
		{name: "custom wins", allow: []string{"A"}, custom: []string{"A=3", "B="}, want: []string{"A=3", "B="}},
	} {
		if got := Environ(base, test.pristine, test.custom, test.allow, test.deny); !slices.Equal(got, test.want) || got == nil {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// Who asks a command for its judgment has to know whether it gave one.
func TestUndecided(t *testing.T) {
	log, _ := testLog()
	slow := shell("sleep 60")
	slow.Timeout = 50 * time.Millisecond
	for name, test := range map[string]struct {
		command Command
		want    bool
	}{
		"no":                   {shell("exit 1"), false},
		"no such program":      {Command{Args: []string{"/nonexistent"}}, true},
		"the shell finds none": {shell("exec /nonexistent"), true},
		"time is up":           {slow, true},
		"a signal":             {shell("kill -9 $$"), true},
	} {
		if err := test.command.Run(t.Context(), log); err == nil || Undecided(err) != test.want {
			t.Errorf("%s: undecided %v: %v", name, Undecided(err), err)
		}
	}
}
