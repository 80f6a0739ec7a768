package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lictor/internal/config"
)

func logTo(t *testing.T, dir string, limits config.LogFile) *logFile {
	t.Helper()
	return logAs(t, "lictor", dir, limits)
}

func logAs(t *testing.T, program, dir string, limits config.LogFile) *logFile {
	t.Helper()
	limits.Path = filepath.Join(dir, "ct.log")
	f, err := openLogFile(limits, program)
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

// The file has the name that was asked for, also over a restart; those that were put aside have their date.
func TestLogFileKeepsItsName(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "ct.log", "yesterday\n")
	write(t, dir, "ct-1795814514928910134.log", "from an older version\n")
	write(t, dir, "ct-mine.log", "somebody's own\n")
	limits := config.LogFile{RotateBytes: 12, RotateDuration: time.Hour, RotateMaxFiles: 2}
	f := logTo(t, dir, limits)
	said := ""
	for _, line := range []string{"1\n", "two\n", "three\n", "four\n", "five\n"} {
		say(t, f, line)
		if said += line; !strings.HasSuffix(said, read(t, dir, "ct.log")) && line != "1\n" {
			t.Errorf("after %q the file has %q", line, read(t, dir, "ct.log"))
		}
	}
	files, err := filepath.Glob(dir + "/ct-2*Z.log")
	if err != nil || len(files) != 2 {
		t.Fatalf("put aside: %q, %v", names(t, dir), err)
	}
	if got := read(t, "", files[0]) + read(t, "", files[1]) + read(t, dir, "ct.log"); got != "yesterday\n1\ntwo\nthree\nfour\nfive\n" {
		t.Errorf("read %q", got)
	}
	if left := names(t, dir); strings.Contains(left, "1795814514928910134") || !strings.Contains(left, "ct-mine.log") {
		t.Errorf("left: %q", left)
	}
}

// In a peer's place each file has its time in its name, as the peer's have.
func TestLogFilesOfThePeers(t *testing.T) {
	dir := t.TempDir()
	f := logAs(t, "consul-template", dir, config.LogFile{RotateBytes: 4, RotateDuration: time.Hour, RotateMaxFiles: 1})
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		say(t, f, line)
	}
	if left := strings.Fields(names(t, dir)); len(left) != 2 || !regexp.MustCompile(`^ct-[0-9]{19}\.log$`).MatchString(left[0]) || read(t, dir, left[1]) != "three\n" {
		t.Errorf("left: %q", left)
	}
}

// What somebody else has put aside, as logrotate does, is not put aside once more; nor does a run take the file of another.
func TestLogFileThatSomebodyElsePutAside(t *testing.T) {
	dir := t.TempDir()
	limits := config.LogFile{RotateBytes: 8, RotateDuration: time.Hour}
	f := logTo(t, dir, limits)
	say(t, f, "one\n")
	if err := os.Rename(dir+"/ct.log", dir+"/ct.log.1"); err != nil {
		t.Fatal(err)
	}
	other := logTo(t, dir, limits) // as after a SIGHUP
	say(t, other, "other\n")
	say(t, f, "two\n")
	say(t, f, "three\n") // is too much for the file, and goes where the other one writes to
	if got := names(t, dir); got != "ct.log ct.log.1" || read(t, dir, "ct.log.1") != "one\ntwo\n" || read(t, dir, "ct.log") != "other\nthree\n" {
		t.Errorf("%q: %q, then %q", got, read(t, dir, "ct.log.1"), read(t, dir, "ct.log"))
	}
}

// A run that had nothing to say removes the file that it has made, and the next one, which has it open already, makes it anew.
func TestEmptyLogFile(t *testing.T) {
	dir := t.TempDir()
	limits := config.LogFile{RotateBytes: 100, RotateDuration: time.Hour}
	f := logTo(t, dir, limits)
	next := logTo(t, dir, limits)
	f.Close()
	say(t, next, "one\n")
	if got := read(t, dir, "ct.log"); got != "one\n" {
		t.Errorf("read %q", got)
	}
	write(t, dir, "ct.log", "")
	if logTo(t, dir, limits).Close(); names(t, dir) != "ct.log" {
		t.Error("an empty file that there was before was removed")
	}
}

// A file that is written to for longer than it should, over restarts too, is put aside.
func TestOldLogFile(t *testing.T) {
	dir := t.TempDir()
	limits := config.LogFile{RotateDuration: time.Nanosecond}
	say(t, logTo(t, dir, limits), "one\n")
	say(t, logTo(t, dir, limits), "two\n")
	if n, text := allLogs(t, dir); n != 2 || text != "one\ntwo\n" || read(t, dir, "ct.log") != "two\n" {
		t.Errorf("%d files with %q", n, text)
	}
}

func TestLogFileThatIsNoFile(t *testing.T) {
	for path, want := range map[string]string{"/dev/null": "", "/dev/zero": "is a device", t.TempDir() + "/no/log": "parent directory is missing"} {
		f, err := openLogFile(config.LogFile{Path: path, RotateBytes: 1}, "lictor")
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		say(t, f, "one\n")
		say(t, f, "two\n")
		f.Close()
	}
}

// In a directory that anybody may write to the log goes through no link, and into no file, of somebody else.
func TestPlantedLogFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	public := dir + "/public"
	for _, err := range []error{
		os.Mkdir(public, 0o700), os.Chmod(public, fs.ModeSticky|0o777), os.WriteFile(dir+"/victim", []byte("good"), 0o600),
		os.Symlink(dir+"/victim", public+"/link"), os.Lchown(public+"/link", 1234, 1234),
		os.WriteFile(public+"/file", nil, 0o644), os.Lchown(public+"/file", 1234, 1234),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"link": "is a symbolic link of user 1234", "file": "is a file of user 1234"} {
		if _, err := openLogFile(config.LogFile{Path: public + "/" + name}, "lictor"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
