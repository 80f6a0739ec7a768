package renderer

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// put writes a file with exactly this mode.
func put(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// see fails unless the file has this content and mode.
func see(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != content {
		t.Errorf("%s holds %q, want %q", path, got, content)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != mode {
		t.Errorf("%s has mode %v, want %v", path, info.Mode(), mode)
	}
}

// onlyThese fails unless the folder holds just these names.
func onlyThese(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

// write stages and commits; staged is nil when nothing was to be done.
func write(t *testing.T, f File, content string) *Staged {
	t.Helper()
	s, err := f.Stage([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	if s != nil {
		if err := s.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func umask(t *testing.T, mask int) {
	old := syscall.Umask(mask)
	t.Cleanup(func() { syscall.Umask(old) })
}

func inode(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	st.Atim = unix.Timespec{} // reading may show
	return st
}

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

func TestBackup(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "pool.txt")
	f := File{Path: dest, Backup: true, Mode: 0o600}
	if s := write(t, f, "16"); len(s.Warnings()) != 1 || !strings.Contains(s.Warnings()[0], "no backup") {
		t.Errorf("warnings of the first render: %q", s.Warnings())
	}
	onlyThese(t, dir, "pool.txt")
	put(t, dest, "old", 0o664)
	write(t, f, "17")
	see(t, dest+".bak", "old", 0o664)
	write(t, f, "18")
	see(t, dest, "18", 0o600)
	see(t, dest+".bak", "17", 0o600)
	onlyThese(t, dir, "pool.txt", "pool.txt.bak")

	// The backup and the file as one file of two names: the next backup must still be made.
	if err := os.Remove(dest + ".bak"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(dest, dest+".bak"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "19")
	see(t, dest+".bak", "18", 0o600)
	onlyThese(t, dir, "pool.txt", "pool.txt.bak")
}

func TestBackupThatFailsStopsTheCommit(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	put(t, dest, "old", 0o600)
	if err := os.Mkdir(dest+".bak", 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := File{Path: dest, Backup: true}.Stage([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err == nil {
		t.Error("committed without the backup that was asked for")
	}
	see(t, dest, "old", 0o600)
	onlyThese(t, dir, "f", "f.bak")
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

func TestDryRun(t *testing.T) {
	for _, c := range []struct {
		current []byte
		content string
		want    string
	}{
		{nil, "no newline", "> /d/f\nno newline"},
		{nil, "", "> /d/f\n"},
		{[]byte{}, "", ""},
		{[]byte("same"), "same", ""},
		{[]byte("old"), "new\n", "> /d/f\nnew\n"},
	} {
		var out bytes.Buffer
		if err := DryRun(&out, "/d/f", c.current, []byte(c.content)); err != nil || out.String() != c.want {
			t.Errorf("%q over %q prints %q, %v; want %q", c.content, c.current, out.String(), err, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	got := Diff("/etc/f", "staged", []byte("a\nb\nc\n"), []byte("a\nB\nc\n"))
	if want := "--- /etc/f\n+++ staged\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Diff("a", "b", []byte("x"), []byte("x")); got != "" {
		t.Errorf("equal contents differ: %q", got)
	}
	if got := Diff("a", "b", []byte("x\x00"), []byte("y")); got != "Binary files a and b differ\n" {
		t.Errorf("%q", got)
	}
}

func TestCurrent(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/empty", "", 0o600)
	put(t, dir+"/full", "x", 0o600)
	for path, want := range map[string][]byte{"no": nil, "no/such": nil, "empty": {}, "full": []byte("x")} {
		got, err := File{Path: filepath.Join(dir, path)}.Current()
		if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if _, err := (File{Path: dir}).Current(); err == nil {
		t.Error("a folder has no content")
	}
}

func TestCheckOfGoodDestinations(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/f", "", 0o600)
	for _, f := range []File{{Path: dir + "/f"}, {Path: dir + "/new", NoMakeDirs: true}, {Path: dir + "/a/b/c"}, {Path: dir + "/f", User: "root", Group: "0"}} {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
	onlyThese(t, dir, "f")
}
