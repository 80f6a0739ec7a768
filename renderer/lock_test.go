package renderer

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

// A second program waits until the first one is done with the files of a group, and gives up when that takes too long, with
// nothing changed. It took the commit under way for one that was interrupted.
func TestSecondProgramDuringACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that it gives up at once
		w := newTrio(t, false)
		if err := w.commit("first", nil); err != nil {
			t.Fatal(err)
		}
		var second error
		f := &faults{before: func(op, path string) error {
			if op == "rename" && path == w.dir+"/b/3" {
				_, second = openGroup(nil, w.paths()...)
			}
			return nil
		}}
		if err := w.commit("new", f); err != nil {
			t.Error(err)
		}
		if second == nil || !strings.Contains(second.Error(), "another program has locked "+w.dir+"/a/.1.lictor-lock for more than 5s") || strings.Contains(second.Error(), "\n") {
			t.Error(second)
		}
		if got := w.content(t); got != "new" {
			t.Errorf("the files hold %s", got)
		}
		w.goOn(t)
	})
}

// What a program that was killed has locked is free, and what it has left is removed.
func TestLockOfADeadProgram(t *testing.T) {
	w := newTrio(t, false)
	lock := w.dir + "/a/.1.lictor-lock"
	put(t, lock, "", 0o600)
	if err := w.commit("new", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lock); !errors.Is(err, os.ErrNotExist) {
		t.Error("the lock is left behind")
	}
}

// Where no lock can be made, as on a full disk, it goes on without.
func TestWithoutALock(t *testing.T) {
	w := newTrio(t, false)
	f := &faults{before: func(op, path string) error {
		if strings.HasSuffix(path, "-lock") {
			return unix.ENOSPC
		}
		return nil
	}}
	if err := w.commit("new", f); err != nil || w.content(t) != "new" {
		t.Error(err, w.content(t))
	}
}

// What was compared with files that another program has replaced since is not committed: only the file that differed then would be.
func TestFilesThatAnotherProgramHasReplaced(t *testing.T) {
	w := newTrio(t, false)
	if err := w.commit("one", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.confirm(nil); err != nil {
		t.Fatal(err)
	}
	only := stage(t, map[string]string{w.dir + "/a/1": "two"}, File{}) // the others are to stay
	other := &trio{dir: w.dir, g: w.open(t)}
	if err := other.commit("theirs", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.g.Commit(only); err == nil || !strings.Contains(err.Error(), "another lictor") {
		t.Error(err)
	}
	if got := w.content(t); got != "theirs" {
		t.Errorf("the files hold %s", got)
	}
	if err := w.g.Open(); err != nil || w.g.Rendered() != other.g.Rendered() || !w.g.Pending() {
		t.Errorf("%v: what is there and pending is not known", err)
	}
	w.goOn(t)
}

// What another program has confirmed or committed meanwhile is not rolled back, and not confirmed by what was done before.
func TestReloadWhileAnotherProgramActs(t *testing.T) {
	for _, confirms := range []bool{true, false} {
		w := newTrio(t, false)
		if err := w.commit("one", nil); err != nil {
			t.Fatal(err)
		}
		ours := w.g.Rendered()
		other := &trio{dir: w.dir, g: w.open(t)}
		if err := other.commit("theirs", nil); err != nil {
			t.Fatal(err)
		}
		if confirms {
			if err := other.confirm(nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.g.Rollback(); err == nil || w.g.Interrupted() {
			t.Errorf("rolled back: %v", err)
		}
		if err := w.g.Confirm(ours); err != nil {
			t.Error(err)
		}
		if got := w.content(t); got != "theirs" || w.open(t).Pending() == confirms {
			t.Errorf("the files hold %s, pending %v", got, !confirms)
		}
		w.goOn(t)
	}
}
