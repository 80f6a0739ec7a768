package renderer

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const oldContent, newContent = "the old content, which is longer", "the new content"

// A watched file must at no moment be open to users who may not read what it holds: the old content is for those who may
// read the file before, the new one for those who may afterwards.
type watched struct {
	t             *testing.T
	path          string
	before, after access
}

// mayRead tells whether a user can read the file. Its owner always can, since he can change the mode.
func (a access) mayRead(uid, gid int) bool {
	switch {
	case uid == a.UID:
		return true
	case gid == a.GID:
		return a.Mode&0o040 != 0
	}
	return a.Mode&0o004 != 0
}

func (w watched) accessNow() access {
	st := inode(w.t, w.path)
	return access{int(st.Uid), int(st.Gid), st.Mode & 0o7777}
}

func (w watched) look(when string) {
	content, err := os.ReadFile(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.accessNow()
	hasOld, hasNew := string(content) != newContent, string(content) != oldContent // a mix has both
	for _, u := range []struct{ uid, gid int }{{1001, 9}, {1002, 9}, {9, 2001}, {9, 2002}, {9, 9}} {
		if now.mayRead(u.uid, u.gid) && (hasOld && !w.before.mayRead(u.uid, u.gid) || hasNew && !w.after.mayRead(u.uid, u.gid)) {
			w.t.Errorf("%s: user %d:%d may read %q of %v", when, u.uid, u.gid, content, now)
		}
	}
}

func (w watched) is(content string, a access) {
	w.t.Helper()
	if got, err := os.ReadFile(w.path); err != nil || string(got) != content || w.accessNow() != a {
		w.t.Errorf("holds %q with %v (%v), want %q with %v", got, w.accessNow(), err, content, a)
	}
}

// Written in place, a file has the old owner and mode with the old content, or the new ones with the new content, whichever
// step fails, also of a rollback; and meanwhile it is open to nobody who may not read it.
func TestInPlaceKeepsOwnerAndModeWithTheContent(t *testing.T) {
	needRoot(t)
	for _, c := range []struct{ before, after access }{
		{access{0, 0, 0o600}, access{1002, 2002, 0o644}},
		{access{1001, 2001, 0o644}, access{0, 0, 0o600}},
		{access{1001, 2001, 0o640}, access{1002, 2002, 0o640}},
		{access{1001, 2001, 0o660}, access{1001, 2002, 0o660}},
		{access{1001, 2001, 0o600}, access{1001, 2001, 0o644}},
		{access{1001, 2001, 0o4755}, access{1001, 2001, 0o600}},
	} {
		t.Run(fmt.Sprintf("%v to %v", c.before, c.after), func(t *testing.T) {
			steps := 0
			for inPlaceFailing(t, c.before, c.after, steps+1) {
				steps++
			}
			if steps < 8 {
				t.Errorf("only %d steps", steps)
			}
		})
	}
}

// inPlaceFailing has one step on the file itself fail, and tells whether there was that step.
func inPlaceFailing(t *testing.T, before, after access, fail int) (failed bool) {
	dir := fastDir(t)
	w := watched{t, dir + "/f", before, after}
	put(t, w.path, oldContent, 0o600)
	if err := os.Chown(w.path, before.UID, before.GID); err != nil {
		t.Fatal(err)
	}
	if err := unix.Chmod(w.path, before.Mode); err != nil {
		t.Fatal(err)
	}
	steps := 0
	faulty := &faults{before: func(op, path string) error {
		w.look(fmt.Sprintf("step %d failing, before %s", fail, op))
		if path != w.path || op == "stat" || op == "open" {
			return nil
		}
		if steps++; steps == fail {
			failed = true
			return unix.EIO
		}
		return nil
	}}
	g := &Group{KeepPrevious: true, faults: faulty}
	s, err := File{Path: w.path, InPlace: true, User: strconv.Itoa(after.UID), Group: strconv.Itoa(after.GID),
		Mode: os.FileMode(after.Mode), faults: faulty}.Stage([]byte(newContent))
	if err != nil {
		t.Fatal(err)
	}
	err = g.Commit([]*Staged{s})
	if failed {
		if err == nil || strings.Contains(err.Error(), "damaged") {
			t.Errorf("step %d failing: %v", fail, err)
		}
		w.is(oldContent, before)
		return true
	}
	w.is(newContent, after)

	if err := g.Rollback(); failed {
		if err == nil {
			t.Errorf("step %d failing: no error", fail)
		}
		w.is(newContent, after)
		if err := g.Open(); err != nil {
			t.Error(err)
		}
	}
	w.is(oldContent, before)
	return failed
}

// A file of a group that was written in place comes back with owner and mode when another file's turn fails.
func TestInPlaceIsTakenBackWithOwnerAndMode(t *testing.T) {
	needRoot(t)
	dir := openDir(t, 0o755)
	w := watched{t, dir + "/f", access{0, 0, 0o600}, access{1002, 2002, 0o644}}
	put(t, w.path, oldContent, 0o600)
	f := &faults{before: func(op, path string) error {
		w.look(op)
		if op == "rename" && path == dir+"/g" {
			return unix.EIO
		}
		return nil
	}}
	var staged []*Staged
	for _, file := range []File{{Path: w.path, InPlace: true, User: "1002", Group: "2002", Mode: 0o644, faults: f}, {Path: dir + "/g", faults: f}} {
		s, err := file.Stage([]byte(newContent))
		if err != nil {
			t.Fatal(err)
		}
		staged = append(staged, s)
	}
	if err := (&Group{faults: f}).Commit(staged); err == nil {
		t.Error("no error")
	}
	w.is(oldContent, w.before)
	onlyThese(t, dir, "f")
}
