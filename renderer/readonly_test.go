package renderer

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mountedIn is a folder on a read-only file system, with a writable file f in it, as containers have it, which has the
// content old and the mode given, and a file g that can't be written.
func mountedIn(t *testing.T, old string, mode os.FileMode) (folder string) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir+"/source", old, mode)
	folder = dir + "/root"
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, folder+"/f", "under the mount", 0o600)
	put(t, folder+"/g", "old", 0o600)
	mount(t, folder, folder, "", unix.MS_BIND, "")
	mount(t, dir+"/source", folder+"/f", "", unix.MS_BIND, "")
	if err := unix.Mount("", folder, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", openDir(t, os.ModeSticky|0o777))
	return folder
}

func TestReadOnlySystem(t *testing.T) {
	root := mountedIn(t, "old", 0o644)
	g := File{Path: root + "/g"}
	_, err := g.Stage([]byte("new"))
	for _, err := range []error{err, g.Check()} {
		if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "read-only file system; mount it writable") {
			t.Error(err)
		}
	}
	see(t, root+"/g", "old", 0o600)

	// What is staged among everybody's files is for nobody else, whatever the destination's mode and folder, and isn't kept.
	f := File{Path: root + "/f", InPlace: true}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	for _, mode := range []os.FileMode{0, 0o666} {
		umask(t, 0)
		f.Mode = mode
		f.faults = &faults{before: func(_, path string) error {
			if info, err := os.Stat(path); err == nil && strings.HasPrefix(path, os.TempDir()+"/") && info.Mode() != 0o600 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return nil
		}}
		s, err := f.Stage([]byte("bad"))
		if err != nil {
			t.Fatal(err)
		}
		see(t, s.Path(), "bad", 0o600)
		if kept, err := s.Reject(); kept != "" || err != nil {
			t.Errorf("kept as %q, %v", kept, err)
		}
		onlyThese(t, os.TempDir())
		see(t, root+"/f", "old", 0o644)
	}
	write(t, f, "new")
	see(t, root+"/f", "new", 0o666)
	onlyThese(t, os.TempDir())

	f.Backup = true
	s, err := f.Stage([]byte("newer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err == nil || !strings.Contains(err.Error(), "leave backup out") || strings.Contains(err.Error(), "undoing failed") {
		t.Error(err)
	}
	see(t, root+"/f", "new", 0o666)
	onlyThese(t, root, "f", "g")
}

// A group with such a file goes on without what it would keep beside it, and says so once.
func TestGroupOnAReadOnlySystem(t *testing.T) {
	root := mountedIn(t, "old", 0o600)
	other := t.TempDir()
	put(t, other+"/h", "old", 0o600)
	g := &Group{path: root + "/.f.lictor-state", KeepPrevious: true}
	commit := func(content string, f *faults) error {
		var staged []*Staged
		for _, file := range []File{{Path: root + "/f", InPlace: true, Mode: 0o640}, {Path: other + "/h", faults: f}} {
			s, err := file.Stage([]byte(content))
			if err != nil {
				t.Fatal(err)
			}
			staged = append(staged, s)
		}
		return g.Commit(staged)
	}
	if err := commit("bad", &faults{before: func(op, path string) error {
		if op == "rename" && path == other+"/h" {
			return unix.EIO
		}
		return nil
	}}); !errors.Is(err, unix.EIO) || strings.Contains(err.Error(), "undoing failed") {
		t.Error(err)
	}
	see(t, root+"/f", "old", 0o600)
	see(t, other+"/h", "old", 0o600)
	if w := g.Warnings(); len(w) != 1 || !strings.Contains(w[0], "nothing can be kept beside "+root+"/f") || !strings.Contains(w[0], "pending reload") {
		t.Errorf("warnings: %q", w)
	}
	for _, content := range []string{"one", "two"} {
		if err := commit(content, nil); err != nil {
			t.Fatal(err)
		}
		see(t, root+"/f", content, 0o640)
		see(t, other+"/h", content, 0o600)
		if !g.Pending() || g.CanRollback() {
			t.Errorf("pending %v, can roll back %v", g.Pending(), g.CanRollback())
		}
		if err := g.Confirm(g.Rendered()); err != nil || g.Pending() {
			t.Errorf("pending %v, %v", g.Pending(), err)
		}
	}
	if w := g.Warnings(); len(w) != 0 {
		t.Errorf("warned again: %q", w)
	}
	onlyThese(t, root, "f", "g")
	onlyThese(t, other, "h")
	onlyThese(t, os.TempDir())
}

// The same where it is a permission that is lacking: the folder of the file keeps others out, the one for temporary files
// does not.
func TestStagedOutsideOfAClosedFolder(t *testing.T) {
	needRoot(t)
	dir := openDir(t, 0o710)
	if err := os.Chown(dir, 0, 65534); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/f", "old", 0o666)
	tmp := openDir(t, os.ModeSticky|0o777)
	t.Setenv("TMPDIR", tmp)
	symlink(t, "nowhere", tmp+"/x") // which somebody else has put there
	if err := os.Lchown(tmp+"/x", 1234, 1234); err != nil {
		t.Fatal(err)
	}
	task := renderTask{File: File{Path: dir + "/f", InPlace: true}, Content: "new", ShowMode: true, Reject: true}
	if out := asNobody(t, "render", task); out != "staged with -rw------- kept as " {
		t.Error(out)
	}
	see(t, dir+"/f", "old", 0o666)
	onlyThese(t, tmp, "x")
	task.Reject = false
	if out := asNobody(t, "render", task); out != "staged with -rw------- " {
		t.Error(out)
	}
	see(t, dir+"/f", "new", 0o666)
	onlyThese(t, dir, "f")
	onlyThese(t, tmp, "x")
}
