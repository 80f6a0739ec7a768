package renderer

import (
	"fmt"
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

// stage stages a content for each file and drops those that have it already.
func stage(t *testing.T, contents map[string]string, f File) []*Staged {
	t.Helper()
	var staged []*Staged
	for path, content := range contents {
		f.Path = path
		s, err := f.Stage([]byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if s != nil {
			staged = append(staged, s)
		}
	}
	return staged
}

// openGroup opens the group of these files as a start of the program does.
func openGroup(faults *faults, files ...string) (*Group, error) {
	g := &Group{Destinations: files, Remember: true, faults: faults}
	return g, g.Open()
}

func reopen(t *testing.T, files ...string) *Group {
	t.Helper()
	g, err := openGroup(nil, files...)
	if err != nil {
		t.Fatal(err)
	}
	if w := g.Warnings(); len(w) > 0 {
		t.Error(w)
	}
	return g
}

// hidden lists our hidden files in a folder, but for state files.
func hidden(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(filepath.Base(path), ".lictor-") && !strings.HasSuffix(path, "-state") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fastDir is in memory where that can be had: a killed process, unlike a power cut, leaves the same there as on a disk,
// and a thousand crashes need tens of thousands of syncs.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "renderer")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
