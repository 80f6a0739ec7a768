package renderer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

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
		// Who holds it open would read what is written in place; replacing it is safe, and so is what is for that user.
		if _, err := (File{Path: dir + "/file", InPlace: true, User: "root", Mode: 0o600}).Stage([]byte("ours")); err == nil || !strings.Contains(err.Error(), "is a file of user 1234") {
			t.Errorf("%v in place: %v", mode, err)
		}
		write(t, File{Path: dir + "/file", InPlace: true, User: "1234"}, "for 1234")
		see(t, dir+"/file", "for 1234", 0o644)
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

// A file that somebody else has planted is replaced by one of which it says nothing, neither what is in it nor who may read it.
func TestPlantedFileCountsForNothing(t *testing.T) {
	needRoot(t)
	dir := openDir(t, fs.ModeSticky|0o777)
	put(t, dir+"/file", "same", 0o666)
	if err := os.Lchown(dir+"/file", 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(dir+"/file", "user.planted", []byte("x"), 0); err != nil {
		t.Logf("no attributes here: %v", err)
	}
	f := File{Path: dir + "/file", User: "0"}
	if now, err := f.Current(); now != nil || err != nil {
		t.Errorf("Current: %q, %v", now, err)
	}
	if s := write(t, f, "same"); s == nil {
		t.Fatal("left alone")
	}
	see(t, dir+"/file", "same", 0o644)
	if got := owner(t, dir+"/file"); got != "0:0" {
		t.Errorf("owner %s", got)
	}
	if _, err := unix.Getxattr(dir+"/file", "user.planted", make([]byte, 1)); err == nil {
		t.Error("its attributes were copied")
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
