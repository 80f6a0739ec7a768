package renderer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWithoutRights(t *testing.T) {
	needRoot(t)
	shut := openDir(t, 0o755)
	ours := openDir(t, 0o777)
	put(t, shut+"/f", "old", 0o644)
	put(t, ours+"/open", "old", 0o644)
	put(t, ours+"/shut", "old", 0o600)
	if err := os.Mkdir(shut+"/private", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		file File
		want string // "" for success
	}{
		{"a folder of others", File{Path: shut + "/f"}, "permission denied; user 65534 needs to enter and write to the folder"},
		{"a folder to be made in it", File{Path: shut + "/new/f"}, "permission denied; user 65534 needs to"},
		{"a folder that is closed", File{Path: shut + "/private/f"}, "permission denied; user 65534 needs to"},
		{"giving a file away", File{Path: ours + "/new", User: "root"}, "user 65534 may not give the file to 0:-1"},
		{"an unreadable file", File{Path: ours + "/shut"}, "permission denied"},
		{"in place without the folder's permission", File{Path: shut + "/f", InPlace: true}, "permission denied"},
	} {
		out := asNobody(t, "render", renderTask{File: c.file, Content: "new"})
		if !strings.Contains(out, c.want) || strings.Contains(out, "\n") || !strings.HasPrefix(out, `destination "`+c.file.Path+`"`) {
			t.Errorf("%s: %q, want %q", c.name, out, c.want)
		}
	}
	see(t, shut+"/f", "old", 0o644)
	onlyThese(t, shut, "f", "private")
	onlyThese(t, ours, "open", "shut")
}

func TestStickyFolder(t *testing.T) {
	needRoot(t)
	dir := openDir(t, fs.ModeSticky|0o777)
	if out := asNobody(t, "render", renderTask{File: File{Path: dir + "/f"}, Content: "one"}); out != "" {
		t.Error(out)
	}
	if out := asNobody(t, "render", renderTask{File: File{Path: dir + "/f"}, Content: "two"}); out != "" {
		t.Error(out)
	}
	see(t, dir+"/f", "two", 0o644)
	put(t, dir+"/roots", "old", 0o644)
	if out := asNobody(t, "render", renderTask{File: File{Path: dir + "/roots"}, Content: "new"}); !strings.Contains(out, "operation not permitted; the folder has the sticky bit and the file is somebody else's, or ") {
		t.Errorf("somebody else's file in a sticky folder: %q", out)
	}
	see(t, dir+"/roots", "old", 0o644)
	onlyThese(t, dir, "f", "roots")
}

// A folder in the way of what is kept beside the destination is named, and the destination is not blamed for it.
func TestFolderInTheWayOfWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"/f.rejected", "/f.bak"} {
		if err := os.Mkdir(dir+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir+"/f", "old", 0o644)
	stage := func() *Staged {
		s, err := File{Path: dir + "/f", Backup: true}.Stage([]byte("new"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	_, rejecting := stage().Reject()
	for name, err := range map[string]error{"rejected": rejecting, "bak": stage().Commit()} {
		if err == nil || !strings.Contains(err.Error(), "/f."+name) || strings.Contains(err.Error(), "must name a file") || !strings.Contains(err.Error(), "remove that folder") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFolderThatMayOnlyBeEntered(t *testing.T) {
	needRoot(t)
	dir := openDir(t, 0o711)
	if err := os.Mkdir(dir+"/sub", 0o333); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/sub", 0o333); err != nil {
		t.Fatal(err)
	}
	if out := asNobody(t, "render", renderTask{File: File{Path: dir + "/sub/f"}, Content: "one"}); out != "" {
		t.Error(out)
	}
	see(t, dir+"/sub/f", "one", 0o644)
}

// What kernels before 5.8 give us, and what happens when the mount comes between.
func TestFileMountedBetweenStageAndCommit(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/source", "theirs", 0o600)
	put(t, dir+"/f", "old", 0o600)
	s, err := File{Path: dir + "/f"}.Stage([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	mount(t, dir+"/source", dir+"/f", "", unix.MS_BIND, "")
	if err := s.Commit(); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "in_place = true") {
		t.Error(err)
	}
	onlyThese(t, dir, "f", "source")
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=8,mode=0755")
	old := strings.Repeat("old\n", 1000)
	for _, inPlace := range []bool{false, true} {
		put(t, dir+"/f", old, 0o644)
		_, err := File{Path: dir + "/f", InPlace: inPlace}.Stage([]byte(strings.Repeat("x", 100<<10)))
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "no space left on device; make room there") {
			t.Error(err)
		}
		see(t, dir+"/f", old, 0o644)
		onlyThese(t, dir, "f")
	}

	// Room for the staged file, none for writing it in place.
	s, err := File{Path: dir + "/f", InPlace: true}.Stage([]byte(strings.Repeat("x", 30<<10)))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/filler", strings.Repeat("f", 20<<10), 0o600)
	if err := s.Commit(); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	see(t, dir+"/f", old, 0o644)
	onlyThese(t, dir, "f", "filler")
}

// Every single step may fail; then the old file is whole, nothing is left behind, and the error says what and where.
func TestEveryStepMayFail(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EACCES, unix.EXDEV, unix.EBUSY, unix.EPERM} {
		for _, inPlace := range []bool{false, true} {
			fail := 1
			for failed := "?"; failed != ""; fail++ {
				dir := t.TempDir()
				put(t, dir+"/f", "old", 0o640)
				n := 0
				failed = ""
				f := File{Path: dir + "/f", Backup: true, InPlace: inPlace, Mode: 0o600}
				f.faults = &faults{before: func(op, path string) error {
					if op == "remove" {
						return nil // or it could not clean up
					}
					if n++; n == fail {
						failed = op + " " + path
						return errno
					}
					return nil
				}}
				s, err := f.Stage([]byte("new"))
				if err == nil {
					err = s.Commit()
				}
				f.faults = nil
				content, _ := os.ReadFile(dir + "/f")
				switch {
				case failed == "":
				case err == nil && string(content) != "new":
					t.Errorf("%v at %s: no error, but the file holds %q", errno, failed, content)
				case err != nil && string(content) != "old":
					t.Errorf("%v at %s: %v, but the file holds %q", errno, failed, err, content)
				case err != nil && (!errors.Is(err, errno) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), `destination "`+dir+`/f": `)):
					t.Errorf("%v at %s: the error is %q", errno, failed, err)
				}
				names, _ := filepath.Glob(dir + "/.*")
				if len(names) > 0 {
					t.Errorf("%v at %s: left behind: %q", errno, failed, names)
				}
			}
			if fail < 15 {
				t.Errorf("only %d steps", fail)
			}
		}
	}
}
