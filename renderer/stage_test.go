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

func TestStageShowsTheFinalFileAndTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "app.conf")
	put(t, dest, "old", 0o640)
	s, err := File{Path: dest}.Stage([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	see(t, dest, "old", 0o640)
	see(t, s.Path(), "new", 0o640)
	if want := filepath.Join(dir, ".app.conf.lictor-0"); s.Path() != want {
		t.Errorf("staged at %s, want %s", s.Path(), want)
	}
	s.Discard()
	onlyThese(t, dir, "app.conf")
	see(t, dest, "old", 0o640)
}

func TestCommitReplaces(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "app.conf")
	put(t, dest, "old", 0o604)
	before := inode(t, dest)
	write(t, File{Path: dest}, "new")
	see(t, dest, "new", 0o604)
	if inode(t, dest).Ino == before.Ino {
		t.Error("the file was written to instead of being replaced")
	}
	onlyThese(t, dir, "app.conf")
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		name         string
		umask        int
		old, mode    fs.FileMode
		want         fs.FileMode
		sameContents bool
	}{
		{name: "a new file", umask: 0o077, want: 0o644},
		{name: "a new file with a mode", umask: 0o077, mode: 0o664, want: 0o664},
		{name: "an existing file keeps its mode", umask: 0o077, old: 0o606, want: 0o606},
		{name: "an existing file gets the mode asked for", old: 0o666, mode: 0o600, want: 0o600},
		{name: "unchanged content leaves the mode alone", old: 0o666, mode: 0o600, want: 0o666, sameContents: true},
		{name: "set-id bits as a number", mode: 0o4750, want: fs.ModeSetuid | 0o750},
		{name: "set-id bits in the fs package's way", mode: fs.ModeSetuid | 0o750, want: fs.ModeSetuid | 0o750},
	} {
		t.Run(c.name, func(t *testing.T) {
			umask(t, c.umask)
			dest := filepath.Join(t.TempDir(), "f")
			if c.old != 0 {
				put(t, dest, "old", c.old)
			}
			content := "new"
			if c.sameContents {
				content = "old"
			}
			s := write(t, File{Path: dest, Mode: c.mode}, content)
			if (s == nil) != c.sameContents {
				t.Errorf("staged: %v", s != nil)
			}
			see(t, dest, content, c.want)
		})
	}
}

func TestUnchangedContentIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	for _, content := range []string{"", "x", strings.Repeat("long\n", 100000)} {
		put(t, dest, content, 0o600)
		before := inode(t, dest)
		if s := write(t, File{Path: dest, Backup: true}, content); s != nil {
			t.Errorf("%d bytes were staged although they are there already", len(content))
		}
		if inode(t, dest) != before {
			t.Error("the file was touched")
		}
	}
	onlyThese(t, dir, "f")
}

func TestEmptyContentIsWrittenWhereNothingIs(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "f")
	if write(t, File{Path: dest}, "") == nil {
		t.Fatal("nothing was staged")
	}
	see(t, dest, "", 0o644)
}

func TestFolders(t *testing.T) {
	umask(t, 0o027)
	dir := t.TempDir()
	dest := filepath.Join(dir, "a/b/c/f")
	_, err := File{Path: dest, NoMakeDirs: true}.Stage(nil)
	if err == nil || !strings.Contains(err.Error(), "parent directory is missing: "+dir+"/a;") {
		t.Errorf("without making folders: %v", err)
	}
	onlyThese(t, dir)
	write(t, File{Path: dest}, "x")
	for _, d := range []string{"a", "a/b", "a/b/c"} {
		if info, err := os.Stat(filepath.Join(dir, d)); err != nil || info.Mode().Perm() != 0o750 {
			t.Errorf("%s: %v %v, want mode 0750", d, info, err)
		}
	}
	see(t, dest, "x", 0o644)
}

func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"here/deep", "there"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(dir, "here/deep"))
	for path, want := range map[string]string{
		"f":                         "here/deep/f",
		"./g":                       "here/deep/g",
		"../../there//h":            "there/h",
		dir + "/./there/../there/i": "there/i",
	} {
		s, err := File{Path: path}.Stage([]byte(path))
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Dir(s.Path()); got != filepath.Dir(filepath.Join(dir, want)) {
			t.Errorf("%s is staged in %s", path, got)
		}
		if err := s.Commit(); err != nil {
			t.Error(err)
		}
		see(t, filepath.Join(dir, want), path, 0o644)
	}
}

func TestWhatCanNotBeADestination(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/file", "x", 0o644)
	if err := os.Mkdir(dir+"/folder", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(dir+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"loop1": "loop2", "loop2": "loop1", "tofolder": "folder", "toroot": "/", "tofifo": "fifo"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	before := inode(t, dir)
	for path, want := range map[string]string{
		"":                                   `destination "": no destination is given`,
		"/":                                  "is a directory",
		dir + "/folder":                      "is a directory",
		dir + "/tofolder":                    "is a directory",
		dir + "/toroot":                      "links to /, which is a directory",
		dir + "/new/":                        "is a directory; the destination must name a file",
		dir + "/folder/..":                   "is a directory; the destination must name a file",
		dir + "/fifo":                        "is a fifo",
		dir + "/tofifo":                      "is a fifo",
		"/dev/null":                          "is a device",
		dir + "/loop1":                       "never end",
		dir + "/loop1/x":                     "never end",
		dir + "/file/x":                      dir + "/file is not a directory",
		dir + "/" + strings.Repeat("x", 256): "file name too long",
	} {
		f := File{Path: path}
		if s, err := f.Stage([]byte("new")); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Stage %q: %v, %v; want an error with %q", path, s, err, want)
		}
		if err := f.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check %q: %v, want an error with %q", path, err, want)
		}
	}
	if inode(t, dir) != before {
		t.Error("something was written")
	}
}

func TestLongNames(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("n", 255)
	write(t, File{Path: filepath.Join(dir, name)}, "x")
	write(t, File{Path: filepath.Join(dir, name)}, "y")
	onlyThese(t, dir, name)
}

func TestHardLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a", "old", 0o600)
	if err := os.Link(dir+"/a", dir+"/b"); err != nil {
		t.Fatal(err)
	}
	write(t, File{Path: dir + "/a"}, "new")
	see(t, dir+"/a", "new", 0o600)
	see(t, dir+"/b", "old", 0o600) // the other name keeps the old content
	write(t, File{Path: dir + "/b", InPlace: true}, "newer")
	write(t, File{Path: dir + "/a", InPlace: true}, "newest")
	see(t, dir+"/b", "newer", 0o600)
}

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	// What crashed runs left is removed; what is alive, or nothing of ours, is not.
	put(t, dir+"/.f.lictor-0", "dead", 0o600)
	put(t, dir+"/.f.lictor-1", "dead", 0o600)
	one, err := File{Path: dest}.Stage([]byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	onlyThese(t, dir, ".f.lictor-0")
	two, err := File{Path: dest}.Stage([]byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	see(t, one.Path(), "one", 0o644)
	see(t, two.Path(), "two", 0o644)
	if err := os.Mkdir(dir+"/.f.lictor-2", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", dir+"/.f.lictor-3"); err != nil {
		t.Fatal(err)
	}
	three, err := File{Path: dest}.Stage([]byte("three"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Staged{one, three, two} {
		if err := s.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	see(t, dest, "two", 0o644)
	onlyThese(t, dir, ".f.lictor-2", ".f.lictor-3", "f")
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
