package renderer

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// swap has a link take the place of something just before the n-th time that it is opened: after it was looked at.
func swap(t *testing.T, path, target string, n int) *faults {
	return &faults{before: func(op, at string) error {
		if op != "open" || at != path {
			return nil
		}
		if n--; n != 0 {
			return nil
		}
		if err := os.Rename(path, path+".was"); err != nil {
			t.Error(err)
		}
		symlink(t, target, path)
		return nil
	}}
}

// A folder on the way that becomes a link between a look at it and its opening is not entered.
func TestFolderSwappedWhileOpening(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"/a", "/evil"} {
		if err := os.Mkdir(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (File{Path: dir + "/a/f", faults: swap(t, dir+"/a", "evil", 1)}).Stage([]byte("new")); !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
		t.Errorf("not refused: %v", err)
	}
	isLink(t, dir+"/a", "evil")
	onlyThese(t, dir+"/evil")
}

// A file that becomes a link between a look at it and its opening is neither read nor written into.
func TestFileSwappedWhileOpening(t *testing.T) {
	for _, n := range []int{1, 2} { // when it is staged, when it is committed
		dir := t.TempDir()
		secret := dir + "/secret"
		put(t, secret, "good", 0o600)
		put(t, dir+"/f", "old", 0o644)
		s, err := File{Path: dir + "/f", InPlace: true, faults: swap(t, dir+"/f", filepath.Base(secret), n)}.Stage([]byte("evil"))
		if n == 2 && err == nil {
			err = s.Commit()
		}
		if !errors.Is(err, unix.ELOOP) {
			t.Errorf("opened the %d. time: %v", n, err)
		}
		isLink(t, dir+"/f", "secret")
		see(t, secret, "good", 0o600)
		onlyThese(t, dir, "f", "f.was", "secret")
	}
}
