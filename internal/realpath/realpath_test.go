package realpath

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func TestOf(t *testing.T) {
	dir := Of(t.TempDir())
	t.Chdir(dir)
	for _, folder := range []string{"real/deep", "other"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"nothing": "t", "chain": "nothing", "folder": "real", "absolute": dir + "/real", "other/up": "../real/deep", "loop": "loop",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"x": "x", "./real/../x": "x", "nothing": "t", "chain": "t", "folder/new/x": "real/new/x", "absolute/new/deeper/x": "real/new/deeper/x",
		"new/../new/x": "new/x", "other/up/../x": "real/x", "folder//": "real", "real": "real", "loop": "loop",
	} {
		want = filepath.Join(dir, want)
		for _, path := range []string{path, dir + "/" + path} {
			if got := Of(path); got != want {
				t.Errorf("%s is %s, want %s", path, got, want)
			}
		}
	}
}

func TestDescriptorsHaveOneName(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/stdout", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(os.Getpid())
	for path, want := range map[string]string{
		"/dev/stdin": "/dev/fd/0", "/dev/stdout": "/dev/fd/1", dir + "/link": "/dev/fd/1", "/dev/stderr": "/dev/fd/2", "/dev/./fd/7": "/dev/fd/7", "/proc/self/fd/7": "/dev/fd/7",
		"/proc/thread-self/fd/7": "/dev/fd/7", "/proc/" + pid + "/fd/7": "/dev/fd/7", "/proc/" + pid + "/task/" + pid + "/fd/7": "/dev/fd/7",
		"/proc/1/fd/7": "/proc/1/fd/7", "/dev/fd/x": "/proc/" + pid + "/fd/x",
	} {
		if got := Of(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestIsStream(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("fifo", "link"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"fifo": true, "link": true, "/dev/null": true, "/dev/stdout": true, "/dev/fd/99": true, "/proc/1/fd/1": true,
		"file": false, "new": false, ".": false, "/dev": false, "/dev/fd": false,
	} {
		if got := IsStream(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
