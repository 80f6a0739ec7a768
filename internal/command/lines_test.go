package command

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// The error of a command that failed ends with the last of what it printed, whatever the log's level is.
func TestErrorHoldsTheLastLines(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	for _, test := range []struct{ name, script, want string }{
		{"reason", "{ echo first; echo oops; } >&2; exit 3", "ended with exit code 3: first | oops"},
		{"nothing", "exit 3", "ended with exit code 3"},
		{"many lines", "seq 1 9; exit 1", "ended with exit code 1: 5 | 6 | 7 | 8 | 9"},
		{"no line end", "printf 'a\\n\\nb'; exit 1", "ended with exit code 1: a | b"},
		{"terminal tricks", `printf 'a\033[2Jb\377\n'; exit 1`, "ended with exit code 1: a [2Jb "},
		{"long", "yes x | head -c 100000 | tr -d '\\n'; echo; echo end; exit 1", strings.Repeat("x", 300) + " | end"},
	} {
		err := Command{Shell: true, Args: []string{test.script}}.Run(t.Context(), quiet)
		exit, is := errors.AsType[*ExitError](err)
		if !is || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if n := len(err.Error()); n > maxLastBytes+300 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has %d bytes: %v", test.name, n, err)
		}
		if test.name == "long" && !strings.HasPrefix(exit.Output, "...xxx") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if err := (Command{Shell: true, Args: []string{"echo fine"}}).Run(t.Context(), quiet); err != nil {
		t.Error(fmt.Errorf("a success: %w", err))
	}
}

// What is to be hidden is hidden in the log and in the error, also where a long line is cut.
func TestOutputIsHidden(t *testing.T) {
	log, lines := testLog()
	c := shell("head -c 4093 /dev/zero | tr '\\0' x; printf 'se%s\\n' cret; printf 'se%s\\n' cret >&2; exit 1")
	c.Hide = func() func(string) string {
		return func(line string) string { return strings.ReplaceAll(line, "secret", "<value>") }
	}
	err := c.Run(t.Context(), log)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
	if text := lines.String(); strings.Contains(text, "xse") || strings.Contains(text, "secret") || strings.Count(text, "command output") != 3 {
		t.Errorf("the log has %s", text)
	}
}

// One run brings no more than a certain amount into the log, whatever it prints, and then one line that says how much was left
// out. The error still ends with the last lines.
func TestLogOfARunIsBounded(t *testing.T) {
	for _, test := range []struct {
		name, script, last string
		whole              bool
	}{
		{"short lines", "yes | head -c 400000; echo the end; exit 1", ": y | y | y | y | the end", false},
		{"both streams", "{ yes | head -c 200000 >&2 & yes | head -c 200000; wait; }; exit 1", ": y | y | y | y | y", false},
		{"no line end", "head -c 3000000 /dev/zero | tr '\\0' x; exit 1", "xxx", false},
		{"NULs", "head -c 3000000 /dev/zero; exit 1", "", false},
		{"not text", "head -c 3000000 /dev/zero | tr '\\0' '\\377'; exit 1", "", false},
		{"a little", "yes | head -c 200; exit 1", "y", true},
	} {
		log, text := testLog()
		err := shell(test.script).Run(t.Context(), log)
		if err == nil || !strings.HasSuffix(err.Error(), test.last) {
			t.Errorf("%s: %v", test.name, err)
		}
		told := strings.Count(text.String(), `msg="command output: the rest was left out`)
		if n := len(text.String()); n > 80<<10 || n < 40<<10 != test.whole {
			t.Errorf("%s: the log has %d bytes", test.name, n)
		}
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		if last := lines[len(lines)-1]; test.whole != (told == 0) || told > 1 || told == 1 && !strings.Contains(last, "left out") {
			t.Errorf("%s: told %d times, in the end %s", test.name, told, last)
		}
	}
	log, text := testLog()
	if err := shell("seq 1000").Run(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	logged := strings.Count(text.String(), `msg="command output"`)
	if want := fmt.Sprintf(" lines=%d ", 1000-logged); logged < 300 || !strings.Contains(text.String(), want) {
		t.Errorf("%d lines are logged, and not told: %s", logged, want)
	}
}

// What is passed through is not bounded.
func TestOutputPassedThroughIsWhole(t *testing.T) {
	log, text := testLog()
	var out strings.Builder
	c := shell("yes | head -c 1000000")
	c.Stdout = &out
	if err := c.Run(t.Context(), log); err != nil || out.Len() != 1_000_000 || text.String() != "" {
		t.Errorf("%d bytes, log %q: %v", out.Len(), text, err)
	}
}

// So does that of one whose time is up, however slow the machine was to begin with it.
func TestTimeoutHoldsTheLastLines(t *testing.T) {
	for limit := 200 * time.Millisecond; ; limit *= 2 {
		err := Command{Shell: true, Args: []string{"echo late; sleep 3600"}, Timeout: limit}.Run(t.Context(), slog.New(slog.DiscardHandler))
		if err != nil && strings.HasSuffix(err.Error(), fmt.Sprintf("did not end within %s and was stopped: late", limit)) {
			return
		}
		if limit > 10*time.Second {
			t.Fatal(err)
		}
	}
}
