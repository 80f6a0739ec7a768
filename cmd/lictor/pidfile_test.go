package main

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestPidFileMoves(t *testing.T) {
	dir := t.TempDir()
	var f pidFile
	for _, name := range []string{"one", "two", "two", "/dev/null"} {
		path := name
		if name[0] != '/' {
			path = dir + "/" + name
		}
		if err := f.moveTo(path); err != nil {
			t.Fatal(err)
		}
		if name[0] != '/' && (names(t, dir) != name || read(t, dir, name) != strconv.Itoa(os.Getpid())) {
			t.Errorf("%s: %q among %q", name, read(t, dir, name), names(t, dir))
		}
	}
	if f.remove(); names(t, dir) != "" {
		t.Errorf("left: %s", names(t, dir))
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		t.Fatalf("/dev/null: %v, %v", info, err)
	}
	// A file that there is is written into, and another process's number stays.
	write(t, dir, "pid", "a number of long ago\n")
	before, err := os.Stat(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.moveTo(dir + "/pid"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(dir + "/pid"); err != nil || !os.SameFile(before, after) || read(t, dir, "pid") != strconv.Itoa(os.Getpid()) {
		t.Errorf("%q, or another file", read(t, dir, "pid"))
	}
	write(t, dir, "pid", "1")
	if f.remove(); read(t, dir, "pid") != "1" {
		t.Error("somebody else's number was removed")
	}
	if err := new(pidFile).moveTo(dir + "/no/such"); err == nil || err.Error() != `process file "`+dir+`/no/such": parent directory is missing: `+dir+`/no; create it` {
		t.Error(err)
	}
}

// In a directory that anybody may write to no link and no file of somebody else is written to.
func TestPlantedPidFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	public := dir + "/public"
	for _, err := range []error{
		os.Mkdir(public, 0o700), os.Chmod(public, fs.ModeSticky|0o777), os.WriteFile(dir+"/victim", []byte("good"), 0o600),
		os.Symlink(dir+"/victim", public+"/link"), os.Lchown(public+"/link", 1234, 1234),
		os.WriteFile(public+"/file", []byte("theirs"), 0o644), os.Lchown(public+"/file", 1234, 1234),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, "in.ctmpl", "x")
	for name, want := range map[string]string{"link": "is a symbolic link of user 1234", "file": "is a file of user 1234"} {
		d := start(t, dir, "lictor", "-once", "-set", "kv/a=1", "-template", "in.ctmpl:out", "-pid-file", "public/"+name)
		if code := d.exit(patience); code != exitRuntime || !strings.Contains(d.printed(), `lictor: process file "public/`+name+`": `) || !strings.Contains(d.printed(), want) {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
	if read(t, dir, "victim") != "good" || read(t, dir, "public/file") != "theirs" || read(t, dir, "out") != "" {
		t.Error("something was written")
	}
}
