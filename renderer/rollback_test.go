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
		if files := stage(t, map[string]string{dir + "/a/1": "other"}, File{}); g.Rejected(files) || !g.Pending() {
			t.Errorf("rejected %v, pending %v", g.Rejected(files), g.Pending())
		} else if err := g.Commit(files); err != nil {
			t.Error(err)
		}
		if err := g.Confirm(g.Rendered()); err != nil || g.Pending() {
			t.Errorf("pending %v, %v", g.Pending(), err)
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
		if err := g.Commit(stage(t, map[string]string{dir + "/f": "new"}, File{})); err != nil || !g.Pending() {
			t.Errorf("%s: %v, pending %v", op, err, g.Pending())
		}
	}
}

// That what is rolled back can't be kept for people keeps nothing from being rolled back.
func TestRollbackThatCanNotKeepTheRejected(t *testing.T) {
	full := func(op, path string) error {
		if op == "write" && strings.HasSuffix(path, ".lictor-keep") {
			return unix.ENOSPC
		}
		return nil
	}
	for _, inPlace := range []bool{false, true} {
		w := newTrio(t, inPlace)
		if err := w.commit("bad", nil); err != nil {
			t.Fatal(err)
		}
		want := 3
		if inPlace {
			want = 2 // the new one is not copied
		} else {
			for _, path := range w.paths() {
				if err := os.MkdirAll(path+".rejected/x", 0o700); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.rollBack(&faults{before: full}); err != nil || w.g.Interrupted() {
			t.Errorf("in place %v: %v", inPlace, err)
		}
		if _, err := os.Stat(w.dir + "/a/2"); err == nil || w.content(t) != "old" {
			t.Errorf("in place %v: the files hold %s, and the new one %v", inPlace, w.content(t), err)
		}
		warnings := w.g.Warnings()
		if len(warnings) != want || !strings.Contains(warnings[0], "what "+w.dir+"/a/1 had is not kept as "+w.dir+"/a/1.rejected: ") {
			t.Errorf("in place %v: %q", inPlace, warnings)
		}
		w.goOn(t)
	}
}

// A rollback that fails midway is known, confirms nothing, and is finished as soon as it can be, by the same run or the next.
func TestRollbackThatFailsMidway(t *testing.T) {
	for _, again := range []bool{true, false} {
		w := newTrio(t, false)
		if err := w.commit("bad", nil); err != nil {
			t.Fatal(err)
		}
		bad := w.g.Rendered()
		f := &faults{before: func(op, path string) error {
			if op == "rename" && path == w.dir+"/b/3" {
				return unix.EPERM
			}
			return nil
		}}
		if err := w.rollBack(f); err == nil || !w.g.Interrupted() {
			t.Fatal(err)
		}
		if err := w.g.Confirm(bad); !errors.Is(err, errInterrupted) {
			t.Error(err)
		}
		if err := w.g.Commit(stage(t, map[string]string{w.dir + "/a/1": "x"}, File{})); !errors.Is(err, errInterrupted) {
			t.Error(err)
		}
		if got := w.end(t, again); got != "old" || !w.g.Pending() {
			t.Errorf("the files hold %s, pending %v", got, w.g.Pending())
		}
		w.goOn(t)
	}
}

// A commit that can't be taken back is, before anything is compared with its files: what was staged before that would have been
// committed to a part of them.
func TestCommitThatIsTakenBackLater(t *testing.T) {
	w := newTrio(t, false)
	f := &faults{before: func(op, path string) error {
		if op == "rename" && (path == w.dir+"/b/3" || path == w.dir+"/a/1" && strings.Contains(fileContent(path), "new")) {
			return unix.EIO
		}
		return nil
	}}
	if err := w.commit("new", f); err == nil || !strings.Contains(err.Error(), "don't belong together") || !w.g.Interrupted() {
		t.Fatal(err)
	}
	if err := w.commit("new", f); err == nil || w.g.Open() != nil {
		t.Errorf("something was staged: %v", err)
	}
	if got := w.content(t); got != "old" || !w.g.Pending() {
		t.Errorf("the files hold %s, pending %v", got, w.g.Pending())
	}
	if err := w.commit("new", nil); err != nil || w.content(t) != "new" {
		t.Errorf("%v: the files hold %s", err, w.content(t))
	}
	w.goOn(t)
}

func fileContent(path string) string {
	content, _ := os.ReadFile(path)
	return string(content)
}

// That a commit is done may have to be noted later, but before anything else is done: a crash in the next one would have its
// files taken for those of the one before.
func TestCommitThatCanNotBeNotedAtOnce(t *testing.T) {
	w := newTrio(t, false)
	state := statePath(w.dir + "/a/1")
	saves := 0
	f := &faults{before: func(op, path string) error {
		if op != "rename" || path != state {
			return nil
		}
		if saves++; saves == 2 {
			return unix.EIO
		}
		return nil
	}}
	if err := w.commit("new", f); err != nil || len(w.g.Warnings()) != 1 {
		t.Fatalf("%v, or no warning", err)
	}
	stopped := false
	f = &faults{before: func(op, path string) error {
		if stopped = stopped || strings.HasSuffix(path, "/.2.lictor-undo"); stopped {
			return unix.EIO
		}
		return nil
	}}
	if err := w.commit("newer", f); err == nil || !stopped {
		t.Fatalf("%v, stopped %v", err, stopped)
	}
	if got := w.end(t, false); got != "new" || !w.g.CanRollback() {
		t.Errorf("the files hold %s, can roll back %v", got, w.g.CanRollback())
	}
	if err := w.rollBack(nil); err != nil || w.content(t) != "old" {
		t.Errorf("%v: the files hold %s", err, w.content(t))
	}
	w.goOn(t)
}
