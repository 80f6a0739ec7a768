package renderer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInPlace(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	f := File{Path: dest, InPlace: true, Backup: true}
	write(t, f, "first") // where nothing is, there is nothing to write into
	before := inode(t, dest)
	for _, content := range []string{"shorter", "x", strings.Repeat("much longer\n", 10000), ""} {
		old, _ := os.ReadFile(dest)
		write(t, f, content)
		see(t, dest, content, 0o644)
		see(t, dest+".bak", string(old), 0o644)
	}
	f.Mode = 0o600
	write(t, f, "with a mode")
	see(t, dest, "with a mode", 0o600)
	if inode(t, dest).Ino != before.Ino {
		t.Error("the file was replaced")
	}
	onlyThese(t, dir, "f", "f.bak")

	s, err := f.Stage([]byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dest+".tmp", "an editor's", 0o644)
	if err := os.Rename(dest+".tmp", dest); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err == nil || !strings.Contains(err.Error(), "replaced by somebody else") {
		t.Errorf("a file that is not the one that was staged for: %v", err)
	}
	see(t, dest, "an editor's", 0o644)
}

func TestBindMountedFile(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/source", "old content", 0o640)
	put(t, dir+"/f", "", 0o600)
	mount(t, dir+"/source", dir+"/f", "", unix.MS_BIND, "")
	f := File{Path: dir + "/f"}
	_, err := f.Stage([]byte("new"))
	for _, err := range []error{err, f.Check()} {
		if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "in_place = true") {
			t.Error(err)
		}
	}
	see(t, dir+"/source", "old content", 0o640)
	onlyThese(t, dir, "f", "source")

	f.InPlace = true
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	write(t, f, "new")
	see(t, dir+"/source", "new", 0o640)
	f.Backup = true
	write(t, f, "newer, and longer")
	see(t, dir+"/source", "newer, and longer", 0o640)
	see(t, dir+"/f.bak", "new", 0o640)
	onlyThese(t, dir, "f", "f.bak", "source")
}

// The staged copy of a file that is somebody else's can not be given to them: only we may read it then.
func TestStagedForSomebodyElsesFileInPlace(t *testing.T) {
	needRoot(t)
	dir := openDir(t, 0o755)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/f", "old", 0o662)
	before := inode(t, dir+"/f")
	if err := os.Chown(dir+"/f", 0, 65534); err != nil {
		t.Fatal(err)
	}
	out := asNobody(t, "render", renderTask{File: File{Path: dir + "/f", InPlace: true}, Content: "new", ShowMode: true})
	if out != "staged with -rw------- " {
		t.Error(out)
	}
	see(t, dir+"/f", "new", 0o662)
	if inode(t, dir+"/f").Ino != before.Ino {
		t.Error("the file was replaced")
	}
}
