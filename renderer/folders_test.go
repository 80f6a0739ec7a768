package renderer

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// A file would be lost with its folder in a power cut, so every folder that is made is synced into the one above before
// anything is written.
func TestMadeFoldersAreDurable(t *testing.T) {
	dir := t.TempDir()
	var steps []string
	f := File{Path: dir + "/a/b/f"}
	f.faults = &faults{before: func(op, path string) error {
		if op == "mkdir" || op == "sync" || op == "rename" || op == "write" {
			steps = append(steps, op+" "+strings.TrimPrefix(path, dir))
		}
		return nil
	}}
	write(t, f, "x")
	want := "mkdir /a, sync , mkdir /a/b, sync /a, write /a/b/.f.lictor-0, sync /a/b/.f.lictor-0, rename /a/b/f, sync /a/b"
	if got := strings.Join(steps, ", "); got != want {
		t.Errorf("steps: %s\nwant:  %s", got, want)
	}
}

// In a folder with the set-gid bit new files and folders get its group, and an existing file keeps its own.
func TestSetGIDFolder(t *testing.T) {
	needRoot(t)
	umask(t, 0o022)
	dir := openDir(t, 0o755)
	if err := os.Chown(dir, 12, 2001); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, fs.ModeSetgid|0o775); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/kept", "old", 0o640)
	if err := os.Chown(dir+"/kept", 0, 2002); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"new", "sub/new", "kept"} {
		write(t, File{Path: dir + "/" + name}, "new")
	}
	for name, want := range map[string]string{
		"new":     "0:2001 -rw-r--r--",
		"sub":     "0:2001 dgrwxr-xr-x",
		"sub/new": "0:2001 -rw-r--r--",
		"kept":    "0:2002 -rw-r-----",
	} {
		info, err := os.Stat(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(owner(t, dir+"/"+name), " ", info.Mode()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// What /dev/stdout leads to is no file that another one could take the place of, even where it has a name.
func TestDescriptorsAreNotReplaced(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/log", "old", 0o600)
	log, err := os.OpenFile(dir+"/log", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	symlink(t, fmt.Sprintf("/proc/self/fd/%d", log.Fd()), dir+"/stdout")
	f := File{Path: dir + "/stdout"}
	_, err = f.Stage([]byte("x"))
	for _, err := range []error{err, f.Check()} {
		if want := fmt.Sprintf("destination %q: is descriptor %d of this program, and must be a regular file, or not there yet", f.Path, log.Fd()); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	see(t, dir+"/log", "old", 0o600)
	onlyThese(t, dir, "log", "stdout")
}
