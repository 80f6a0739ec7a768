package renderer

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// When somebody removed what a rollback would bring back, it says so and changes nothing, also of the other files.
func TestRollbackWithoutThePreviousContent(t *testing.T) {
	for _, gone := range []string{"/b/.2.lictor-previous", "/b"} {
		dir := newDirs(t)
		for _, name := range []string{"/a/1", "/b/2"} {
			put(t, dir+name, "good", 0o600)
		}
		g := &Group{path: dir + "/.g.lictor-state", KeepPrevious: true}
		if err := g.Commit(stage(t, map[string]string{dir + "/a/1": "bad", dir + "/b/2": "bad"}, File{})); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir + gone); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := g.Rollback(); err == nil || !strings.Contains(err.Error(), "can't roll back: the previous content of "+dir+"/b/2 is gone") {
				t.Error(err)
			}
		}
		see(t, dir+"/a/1", "bad", 0o600)
		onlyThese(t, dir+"/a", ".1.lictor-previous", "1")
		if files := stage(t, map[string]string{dir + "/a/1": "other"}, File{}); g.Rejected(files) || !g.Owed() {
			t.Errorf("rejected %v, owed %v", g.Rejected(files), g.Owed())
		} else if err := g.Commit(files); err != nil {
			t.Error(err)
		}
		if err := g.Confirm(g.Rendered()); err != nil || g.Owed() {
			t.Errorf("owed %v, %v", g.Owed(), err)
		}
		onlyThese(t, dir+"/a", "1")
	}
}

// A state file that can't be written is one error, in one line: nothing was changed, so nothing is to be undone.
func TestStateFileThatCanNotBeWritten(t *testing.T) {
	for _, op := range []string{"write", "sync", "rename"} {
		dir := t.TempDir()
		path := dir + "/.g.lictor-state"
		put(t, dir+"/f", "old", 0o600)
		g := &Group{path: path, KeepPrevious: true, faults: &faults{before: func(o, at string) error {
			if o == op && strings.Contains(at, "lictor-state") {
				return unix.EIO
			}
			return nil
		}}}
		err := g.Commit(stage(t, map[string]string{dir + "/f": "new"}, File{}))
		if !errors.Is(err, unix.EIO) || strings.Count(err.Error(), "input/output error") != 1 || !strings.Contains(err.Error(), "state file") {
			t.Errorf("%s: %v", op, err)
		}
		see(t, dir+"/f", "old", 0o600)
		onlyThese(t, dir, "f")
		g.faults = nil
		if err := g.Commit(stage(t, map[string]string{dir + "/f": "new"}, File{})); err != nil || !g.Owed() {
			t.Errorf("%s: %v, owed %v", op, err, g.Owed())
		}
	}
}
