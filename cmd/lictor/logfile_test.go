package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"lictor/internal/config"
)

func logTo(t *testing.T, dir string, limits config.LogFile) *logFile {
	t.Helper()
	limits.Path = filepath.Join(dir, "log")
	f, err := openLogFile(limits, "lictor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func say(t *testing.T, f *logFile, line string) {
	t.Helper()
	if _, err := f.Write([]byte(line)); err != nil {
		t.Error(err)
	}
}

func allLogs(t *testing.T, dir string) (files int, text string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	return len(paths), text
}

// Where no new file can be begun, the old one is gone on with, until one can.
func TestLogGoesOnInTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f := logTo(t, dir, config.LogFile{RotateBytes: 4, RotateDuration: time.Hour})
	say(t, f, "one\n")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	say(t, f, "two\n")
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	say(t, f, "three\n")
	if n, text := allLogs(t, dir); n != 2 || text != "one\ntwo\nthree\n" {
		t.Errorf("%d files with %q", n, text)
	}
}

// A configuration that is refused at a reload leaves no file of its own, and takes none away from the run that goes on.
func TestLogOfARefusedConfiguration(t *testing.T) {
	dir := t.TempDir()
	limits := config.LogFile{RotateBytes: 100, RotateDuration: time.Hour, RotateMaxFiles: 1}
	f := logTo(t, dir, limits)
	say(t, f, "one\n")
	for range 3 {
		logTo(t, dir, limits).Close()
	}
	say(t, f, "two\n")
	if n, text := allLogs(t, dir); n != 1 || text != "one\ntwo\n" {
		t.Errorf("%d files with %q", n, text)
	}
}
