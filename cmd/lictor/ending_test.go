package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"testing"
)

// closing is a sink that notes that it was closed.
type closing struct {
	bytes.Buffer
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// What ends a run is the last line of every sink, in the format of the log, and its level decides whether it is.
func TestEndIsToldInEverySink(t *testing.T) {
	fails := &exitError{exitStale, errors.Join(errors.New("one\ntwo"), errors.New("three"))}
	fine := &exitError{exitOK, ending("ended by SIGTERM")}
	for _, c := range []struct {
		format        string
		level         slog.Level
		err           error
		code          int
		stderr, other string
	}{
		{"text", slog.LevelError, fails, exitStale, `lictor: one two\nlictor: three\n`, `time=\S+ level=ERROR msg="lictor: one two"\ntime=\S+ level=ERROR msg="lictor: three"\n`},
		{"json", slog.LevelError, fails, exitStale, `\{.*"msg":"lictor: one two"\}\n\{.*"msg":"lictor: three"\}\n`, `\{.*"msg":"lictor: one two"\}\n\{.*"msg":"lictor: three"\}\n`},
		{"text", slog.LevelInfo, fine, exitOK, `lictor: ended by SIGTERM\n`, `time=\S+ level=INFO msg="lictor: ended by SIGTERM"\n`},
		{"text", slog.LevelWarn, fine, exitOK, ``, ``},
		{"text", slog.LevelInfo, &exitError{exitInterrupted, ending("x")}, exitInterrupted, `lictor: x\n`, `.*level=INFO msg="lictor: x"\n`},
		{"text", slog.LevelInfo, &exitError{code: exitChanges}, exitChanges, ``, ``},
		{"text", slog.LevelInfo, nil, exitOK, ``, ``},
	} {
		var stderr, again bytes.Buffer
		other := &closing{}
		a := &assembly{sinks: &sinks{err: &stderr, others: []io.WriteCloser{other}, format: c.format, level: c.level}}
		code := report(&again, a.end(c.err))
		for got, want := range map[string]string{stderr.String(): c.stderr, other.String(): c.other} {
			if !regexp.MustCompile(`^(?:` + want + `)$`).MatchString(got) {
				t.Errorf("%s, %v: %q, want %s", c.format, c.err, got, want)
			}
		}
		if code != c.code || again.Len() > 0 || !other.closed {
			t.Errorf("%s, %v: exit code %d, said again %q, closed %v", c.format, c.err, code, &again, other.closed)
		}
	}
}
