package renderer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// open makes a folder that every user may pass through, which t.TempDir is not.
func openDir(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "renderer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	needRoot(t)
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		t.Skipf("can't mount here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func owner(t *testing.T, path string) string {
	t.Helper()
	st := inode(t, path)
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func isLink(t *testing.T, path, target string) {
	t.Helper()
	if got, err := os.Readlink(path); err != nil || got != target {
		t.Errorf("%s links to %q, %v; want %q", path, got, err, target)
	}
}

func TestSymlinksAreFollowedAndKept(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"real/deep", "links"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir+"/real/f", "old", 0o640)
	symlink(t, "../real/f", dir+"/links/relative")
	symlink(t, dir+"/links/relative", dir+"/links/chain")
	symlink(t, "../real/deep/../new", dir+"/links/dangling")
	symlink(t, "../made/by/us", dir+"/links/nofolder")
	symlink(t, "../real", dir+"/links/folder")

	for i, c := range []struct{ path, target string }{
		{"links/relative", "real/f"}, {"links/chain", "real/f"}, {"links/folder/f", "real/f"},
		{"links/dangling", "real/new"}, {"links/nofolder", "made/by/us"},
		{"links/folder/deep/../../links/chain", "real/f"},
	} {
		t.Run(c.path, func(t *testing.T) {
			content := fmt.Sprint("content ", i)
			mode := fs.FileMode(0o644)
			if c.target == "real/f" {
				mode = 0o640
			}
			s, err := File{Path: filepath.Join(dir) + "/" + c.path, Backup: true}.Stage([]byte(content))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := filepath.Dir(s.Path()), filepath.Dir(filepath.Join(dir, c.target)); got != want {
				t.Errorf("staged in %s, want the target's folder %s", got, want)
			}
			if err := s.Commit(); err != nil {
				t.Fatal(err)
			}
			see(t, filepath.Join(dir, c.target), content, mode)
		})
	}
	isLink(t, dir+"/links/relative", "../real/f")
	isLink(t, dir+"/links/chain", dir+"/links/relative")
	isLink(t, dir+"/links/dangling", "../real/deep/../new")
	onlyThese(t, dir+"/links", "chain", "dangling", "folder", "nofolder", "relative")
	onlyThese(t, dir+"/real", "deep", "f", "f.bak", "new")
}

func TestPlantedLinksAndFilesAreRefused(t *testing.T) {
	needRoot(t)
	for _, mode := range []fs.FileMode{0o777, fs.ModeSticky | 0o777} {
		dir := openDir(t, mode)
		secret := t.TempDir() + "/shadow"
		put(t, secret, "good", 0o600)
		symlink(t, secret, dir+"/link")
		symlink(t, filepath.Dir(secret), dir+"/sub")
		put(t, dir+"/file", "theirs", 0o644)
		for _, name := range []string{"link", "sub", "file"} {
			if err := os.Lchown(filepath.Join(dir, name), 1234, 1234); err != nil {
				t.Fatal(err)
			}
		}
		for path, want := range map[string]string{
			"link":       "is a symbolic link of user 1234 in a directory that anybody may write to",
			"sub/shadow": "is a symbolic link of user 1234 in a directory that anybody may write to",
			"file":       "is a file of user 1234 in a directory that anybody may write to",
		} {
			f := File{Path: filepath.Join(dir, path)}
			if _, err := f.Stage([]byte("evil")); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v %s: %v", mode, path, err)
			}
			if err := f.Check(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v %s: Check: %v", mode, path, err)
			}
		}
		see(t, secret, "good", 0o600)
		write(t, File{Path: dir + "/file", User: "root", Group: "root"}, "ours")
		if got := owner(t, dir+"/file"); got != "0:0" {
			t.Errorf("owner %s", got)
		}
		// Our own links, and those in folders of which only some may write, are meant.
		symlink(t, secret, dir+"/mine")
		write(t, File{Path: dir + "/mine"}, "better")
		see(t, secret, "better", 0o600)
	}
}

// A link put in the destination's place after staging is replaced, not followed.
func TestLinkPlantedBetweenStageAndCommit(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/secret", "good", 0o600)
	put(t, dir+"/f", "old", 0o600)
	s, err := File{Path: dir + "/f"}.Stage([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir + "/f"); err != nil {
		t.Fatal(err)
	}
	symlink(t, "secret", dir+"/f")
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	see(t, dir+"/secret", "good", 0o600)
	see(t, dir+"/f", "new", 0o600)
	if info, err := os.Lstat(dir + "/f"); err != nil || !info.Mode().IsRegular() {
		t.Error("the link was kept")
	}
}

// A folder renamed away while we write takes the write with it; what was put in its place is untouched.
func TestFolderSwappedBetweenStageAndCommit(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"/a", "/evil"} {
		if err := os.Mkdir(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := File{Path: dir + "/a/f"}.Stage([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/a", dir+"/moved"); err != nil {
		t.Fatal(err)
	}
	symlink(t, "evil", dir+"/a")
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	see(t, dir+"/moved/f", "new", 0o644)
	onlyThese(t, dir+"/evil")
}

func TestOwners(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	for _, c := range []struct {
		name, old   string
		user, group string
		want        string
	}{
		{"a new file is ours", "", "", "", "0:0"},
		{"by name and number", "", "nobody", "12", "65534:12"},
		{"by number and name", "", "1234", "nogroup", "1234:65534"},
		{"an existing file keeps both", "123:456", "", "", "123:456"},
		{"the user alone", "123:456", "root", "", "0:456"},
		{"the group alone", "123:456", "", "root", "123:0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dest := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-"))
			if c.old != "" {
				put(t, dest, "old", 0o4640)
				var uid, gid int
				fmt.Sscanf(c.old, "%d:%d", &uid, &gid)
				if err := os.Chown(dest, uid, gid); err != nil {
					t.Fatal(err)
				}
			}
			f := File{Path: dest, User: c.user, Group: c.group, Mode: 0o640}
			s, err := f.Stage([]byte("new"))
			if err != nil {
				t.Fatal(err)
			}
			if got := owner(t, s.Path()); got != c.want {
				t.Errorf("the staged file belongs to %s, want %s", got, c.want)
			}
			if err := s.Commit(); err != nil {
				t.Fatal(err)
			}
			see(t, dest, "new", 0o640)
			if got := owner(t, dest); got != c.want {
				t.Errorf("belongs to %s, want %s", got, c.want)
			}
			f.InPlace = true
			write(t, f, "newer")
			if got := owner(t, dest); got != c.want {
				t.Errorf("written in place it belongs to %s, want %s", got, c.want)
			}
		})
	}
}

func TestUnknownOwner(t *testing.T) {
	dir := t.TempDir()
	f := File{Path: dir + "/f", User: "no-such-user", Group: "no-such-group"}
	_, err := f.Stage([]byte("x"))
	for _, err := range []error{err, f.Check()} {
		if err == nil || !strings.Contains(err.Error(), "unknown user no-such-user") || !strings.Contains(err.Error(), "unknown group no-such-group") {
			t.Error(err)
		}
	}
	onlyThese(t, dir)
}

// Nobody may read the staged content who may not read the final file: while the content is written, owner and mode are
// final.
func TestStagedContentIsNeverOpenToMore(t *testing.T) {
	dir := t.TempDir()
	umask(t, 0)
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o400} {
		var at []string
		f := File{Path: dir + "/f", Mode: mode}
		f.faults = &faults{before: func(op, path string) error {
			if !strings.HasSuffix(path, ".lictor-0") {
				return nil
			}
			at = append(at, op)
			info, err := os.Stat(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return err
			case info.Mode().Perm()&^0o600 != 0 && info.Mode().Perm() != mode:
				t.Errorf("before %s the staged file has mode %v", op, info.Mode())
			case op == "write" && (info.Mode().Perm() != mode || info.Size() != 0):
				t.Errorf("when it is written the staged file has mode %v and %d bytes", info.Mode(), info.Size())
			}
			return nil
		}}
		write(t, f, mode.String())
		if got := strings.Join(at, " "); got != "open chmod write sync" {
			t.Errorf("steps: %s", got)
		}
	}
}

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
		out := asNobody(t, "render", renderTask{c.file, "new"})
		if !strings.Contains(out, c.want) || strings.Contains(out, "\n") || !strings.HasPrefix(out, `destination "`+c.file.Path+`"`) {
			t.Errorf("%s: %q, want %q", c.name, out, c.want)
		}
	}
	see(t, shut+"/f", "old", 0o644)
	onlyThese(t, shut, "f", "private")
	onlyThese(t, ours, "open", "shut")
}

// A file of somebody else that we may replace but not give away: an update must not take it from its readers.
func TestKeepingAnOwnerThatWeMayNotSet(t *testing.T) {
	needRoot(t)
	dir := openDir(t, 0o755)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/open", "old", fs.ModeSetuid|0o755)
	put(t, dir+"/own", "old", fs.ModeSetuid|0o755)
	if err := os.Chown(dir+"/own", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/own", fs.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/shut", "old", 0o640)
	if err := os.Chown(dir+"/shut", 0, 65534); err != nil {
		t.Fatal(err)
	}
	if out := asNobody(t, "render", renderTask{File{Path: dir + "/open"}, "new"}); !strings.HasPrefix(out, "warning: "+dir+"/open belonged to 0:0") {
		t.Error(out)
	}
	see(t, dir+"/open", "new", 0o755) // without the set-id bit, which would now be ours
	if out := asNobody(t, "render", renderTask{File{Path: dir + "/shut"}, "new"}); !strings.Contains(out, "belongs to 0:65534, user 65534 may not give it a new file") {
		t.Error(out)
	}
	see(t, dir+"/shut", "old", 0o640)
	if out := asNobody(t, "render", renderTask{File{Path: dir + "/own"}, "new"}); out != "" {
		t.Error(out)
	}
	see(t, dir+"/own", "new", fs.ModeSetuid|0o755)
	onlyThese(t, dir, "open", "own", "shut")
}

func TestStickyFolder(t *testing.T) {
	needRoot(t)
	dir := openDir(t, fs.ModeSticky|0o777)
	if out := asNobody(t, "render", renderTask{File{Path: dir + "/f"}, "one"}); out != "" {
		t.Error(out)
	}
	if out := asNobody(t, "render", renderTask{File{Path: dir + "/f"}, "two"}); out != "" {
		t.Error(out)
	}
	see(t, dir+"/f", "two", 0o644)
	put(t, dir+"/roots", "old", 0o644)
	if out := asNobody(t, "render", renderTask{File{Path: dir + "/roots"}, "new"}); out == "" {
		t.Error("somebody else's file in a sticky folder was replaced")
	}
	see(t, dir+"/roots", "old", 0o644)
	onlyThese(t, dir, "f", "roots")
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
	if out := asNobody(t, "render", renderTask{File{Path: dir + "/sub/f"}, "one"}); out != "" {
		t.Error(out)
	}
	see(t, dir+"/sub/f", "one", 0o644)
}

func TestAttributesAreKept(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/f", "old", 0o640)
	if err := unix.Setxattr(dir+"/f", "user.origin", []byte("by hand"), 0); err != nil {
		t.Skipf("no extended attributes here: %v", err)
	}
	// user 1234 may read: version 2, then tag, permissions and id of each entry.
	acl := []byte("\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" +
		"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff")
	haveACL := unix.Setxattr(dir+"/f", "system.posix_acl_access", acl, 0) == nil
	if s := write(t, File{Path: dir + "/f", Backup: true}, "new"); len(s.Warnings()) != 0 {
		t.Error(s.Warnings())
	}
	value := make([]byte, 100)
	for _, f := range []string{"/f", "/f.bak"} {
		if n, err := unix.Getxattr(dir+f, "user.origin", value); err != nil || string(value[:n]) != "by hand" {
			t.Errorf("%s: user.origin is %q, %v", f, value[:max(n, 0)], err)
		}
		if !haveACL {
			t.Log("no access lists here")
		} else if n, err := unix.Getxattr(dir+f, "system.posix_acl_access", value); err != nil || string(value[:n]) != string(acl) {
			t.Errorf("%s: the access list is %q, %v", f, value[:max(n, 0)], err)
		}
	}
	see(t, dir+"/f", "new", 0o640)
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

func TestReadOnlySystemWithAWritableFileMountedIn(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/source", "old", 0o600)
	if err := os.Mkdir(dir+"/root", 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/root/f", "under the mount", 0o600)
	put(t, dir+"/root/g", "old", 0o600)
	mount(t, dir+"/root", dir+"/root", "", unix.MS_BIND, "")
	if err := unix.Mount("", dir+"/root", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	g := File{Path: dir + "/root/g"}
	_, err := g.Stage([]byte("new"))
	for _, err := range []error{err, g.Check()} {
		if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "read-only file system; mount it writable") {
			t.Error(err)
		}
	}
	see(t, dir+"/root/g", "old", 0o600)

	mount(t, dir+"/source", dir+"/root/f", "", unix.MS_BIND, "")
	f := File{Path: dir + "/root/f", InPlace: true}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	s, err := f.Stage([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	see(t, s.Path(), "new", 0o600)
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	see(t, dir+"/source", "new", 0o600)
	onlyThese(t, os.Getenv("TMPDIR"))
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

func TestDestinationOnAnotherFileSystemThanItsLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/other", 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, "tmpfs", dir+"/other", "tmpfs", 0, "size=64k,mode=0755")
	put(t, dir+"/other/f", "old", 0o600)
	symlink(t, "other/f", dir+"/f")
	write(t, File{Path: dir + "/f"}, "new")
	see(t, dir+"/other/f", "new", 0o600)
	isLink(t, dir+"/f", "other/f")
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
