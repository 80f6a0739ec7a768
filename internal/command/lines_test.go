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
		{"time is up", "echo late; sleep 60", "did not end within 300ms and was stopped: late"},
		{"long", "yes x | head -c 100000 | tr -d '\\n'; echo; echo end; exit 1", strings.Repeat("x", 300) + " | end"},
	} {
		err := Command{Shell: true, Args: []string{test.script}, Timeout: map[bool]time.Duration{true: 300 * time.Millisecond}[test.name == "time is up"]}.Run(t.Context(), quiet)
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
