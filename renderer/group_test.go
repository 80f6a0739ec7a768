package renderer

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReloadIsOwedUntilConfirmed(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/f"
	g := reopen(t, file)
	if g.Pending() || g.CanRollback() {
		t.Error("a new group has nothing pending")
	}
	if err := g.Commit(stage(t, map[string]string{dir + "/f": "one"}, File{})); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(statePath(file)); err != nil || info.Mode() != 0o600 {
		t.Errorf("state file: %v, %v", info.Mode(), err)
	}
	if content, err := os.ReadFile(statePath(file)); err != nil || strings.Contains(string(content), "one") {
		t.Errorf("state file: %s, %v", content, err)
	}
	g = reopen(t, file) // we were restarted
	if !g.Pending() {
		t.Fatal("the reload was forgotten by a restart")
	}
	during := g.Rendered()
	if err := g.Commit(stage(t, map[string]string{dir + "/f": "two"}, File{})); err != nil {
		t.Fatal(err)
	}
	if err := g.Confirm(during); err != nil || !g.Pending() {
		t.Errorf("a reload of the version before counts for the present one: %v", err)
	}
	if err := g.Confirm(g.Rendered()); err != nil || g.Pending() {
		t.Errorf("still pending when confirmed: %v", err)
	}
	applied := g.Rendered()
	for _, content := range []string{"three", "two"} { // back to what was applied, with a reload in between that failed
		if err := g.Commit(stage(t, map[string]string{dir + "/f": content}, File{})); err != nil {
			t.Fatal(err)
		}
	}
	if !g.Pending() || g.Rendered() == applied {
		t.Error("coming back to an earlier content leaves no reload pending")
	}
	if err := g.Confirm(g.Rendered()); err != nil || reopen(t, file).Pending() {
		t.Errorf("still pending when confirmed: %v", err)
	}
	if h := hidden(t, dir); len(h) > 0 {
		t.Error(h)
	}
}

func TestGroupIsCommittedTogetherOrNotAtAll(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		// Fail each step in turn, until none fails any more.
		steps := 0
		for failed := "?"; failed != ""; steps++ {
			dir := newDirs(t)
			old := map[string]string{dir + "/a/1": "old 1", dir + "/a/2": "old 2", dir + "/b/4": "old 4"}
			for path, content := range old {
				put(t, path, content, 0o640)
			}
			news := map[string]string{dir + "/a/1": "new 1", dir + "/a/2": "new 2", dir + "/b/3": "new 3", dir + "/b/4": "new 4"}
			n := 0
			failed = ""
			faulty := &faults{before: func(op, path string) error {
				if op == "remove" || op == "stat" {
					return nil
				}
				if n++; n == steps+1 {
					failed = op + " " + path
					return unix.EIO
				}
				return nil
			}}
			g, err := openGroup(nil, groupFiles(dir)...)
			if err != nil {
				t.Fatal(err)
			}
			g.faults = faulty
			staged := stage(t, news, File{Backup: true, InPlace: inPlace})
			for _, s := range staged {
				s.file.faults, s.dir.faults = faulty, faulty
			}
			err = g.Commit(staged)
			want, mode := news, fs.FileMode(0o640)
			if err != nil {
				want = old
			}
			if err != nil && !errors.Is(err, unix.EIO) {
				t.Errorf("%s: %v", failed, err)
			}
			if (err == nil) != g.Pending() {
				t.Errorf("%s: %v, pending %v", failed, err, g.Pending())
			}
			for path, content := range want {
				m := mode
				if _, was := old[path]; !was {
					m = 0o644
				}
				see(t, path, content, m)
			}
			if _, err := os.Stat(dir + "/b/3"); (err == nil) != (len(want) == len(news)) {
				t.Errorf("%s: the new file: %v", failed, err)
			}
			if t.Failed() {
				t.Fatalf("in place %v, step %d failing: %s", inPlace, steps+1, failed)
			}
			// Whatever failed, the next run finds its way.
			g = reopen(t, groupFiles(dir)...)
			if err := g.Commit(stage(t, news, File{InPlace: inPlace})); err != nil {
				t.Fatal(err)
			}
			if err := g.Confirm(g.Rendered()); err != nil {
				t.Fatal(err)
			}
			for path, content := range news {
				if got, _ := os.ReadFile(path); string(got) != content {
					t.Errorf("after %s: %s holds %q", failed, path, got)
				}
			}
			if h := hidden(t, dir); len(h) > 0 {
				t.Errorf("after %s: left behind: %q", failed, h)
			}
		}
		if steps < 30 {
			t.Errorf("only %d steps", steps)
		}
	}
}

// What a power cut leaves is decided by the order of syncs and renames, which no test can cut: here is that order.
func TestOrderOfSteps(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/old", "1", 0o600)
	var steps []string
	f := &faults{before: func(op, path string) error {
		if op != "stat" && op != "open" && op != "remove" && op != "chmod" && op != "readlink" {
			steps = append(steps, op+" "+strings.TrimPrefix(path, dir))
		}
		return nil
	}}
	g, err := openGroup(f, dir+"/old", dir+"/new")
	if err != nil {
		t.Fatal(err)
	}
	var staged []*Staged
	for _, name := range []string{"/old", "/new"} {
		s, err := File{Path: dir + name, faults: f}.Stage([]byte("2"))
		if err != nil {
			t.Fatal(err)
		}
		staged = append(staged, s)
	}
	if err := g.Commit(staged); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"write /.old.lictor-0", "sync /.old.lictor-0",
		"write /.new.lictor-0", "sync /.new.lictor-0",
		"symlink /.old.lictor-state", "link /.old.lictor-undo", "link /.new.lictor-undo", "sync ", "sync ", // what is kept is safe
		"write /..new.lictor-state.lictor-0", "sync /..new.lictor-state.lictor-0", "rename /.new.lictor-state", "sync ", // the journal is safe
		"rename /old", "rename /new", "sync ", "sync ", // the files are safe
		"rename /.old.lictor-previous",
		"write /..new.lictor-state.lictor-0", "sync /..new.lictor-state.lictor-0", "rename /.new.lictor-state", "sync ",
	}
	if got := strings.Join(steps, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("steps:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestRollback(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		dir := t.TempDir()
		put(t, dir+"/a", "good a", 0o604)
		if os.Geteuid() == 0 {
			if err := os.Chown(dir+"/a", 12, 34); err != nil {
				t.Fatal(err)
			}
		}
		was := owner(t, dir+"/a")
		files := []string{dir + "/a", dir + "/b"}
		g := reopen(t, files...)
		g.KeepPrevious = true
		bad := map[string]string{dir + "/a": "bad a", dir + "/b": "bad b"}
		commit := func(contents map[string]string, f File) {
			t.Helper()
			f.InPlace = inPlace
			if err := g.Commit(stage(t, contents, f)); err != nil {
				t.Fatal(err)
			}
		}
		commit(map[string]string{dir + "/a": "worse"}, File{Mode: 0o600}) // never confirmed, so never gone back to
		commit(bad, File{Mode: 0o600})
		see(t, dir+"/a", "bad a", 0o600)
		g = reopen(t, files...)
		g.KeepPrevious = true
		if !g.CanRollback() {
			t.Fatal("a restart forgot the way back")
		}
		if err := g.Rollback(); err != nil {
			t.Fatal(err)
		}
		see(t, dir+"/a", "good a", 0o604)
		see(t, dir+"/a.rejected", "bad a", 0o600)
		see(t, dir+"/b.rejected", "bad b", 0o600)
		if got := owner(t, dir+"/a"); got != was {
			t.Errorf("belongs to %s, was %s", got, was)
		}
		onlyThese(t, dir, ".a.lictor-state", ".b.lictor-state", "a", "a.rejected", "b.rejected")
		if !g.Pending() || g.CanRollback() {
			t.Error("for what came back a reload is pending")
		}
		if err := g.Rollback(); err == nil || !strings.Contains(err.Error(), "no previous contents") {
			t.Error(err)
		}
		if err := g.Confirm(g.Rendered()); err != nil {
			t.Fatal(err)
		}

		g = reopen(t, files...)
		again := stage(t, bad, File{})
		if !g.Rejected(again) {
			t.Error("the same contents are not known as rejected")
		}
		for _, s := range again {
			s.Discard()
		}
		bad[dir+"/a"] = "other a"
		other := stage(t, bad, File{})
		if g.Rejected(other) {
			t.Error("other contents are known as rejected")
		}
		if err := g.Commit(other); err != nil {
			t.Fatal(err)
		}
		if err := g.Confirm(g.Rendered()); err != nil {
			t.Fatal(err)
		}
		onlyThese(t, dir, ".a.lictor-state", ".b.lictor-state", "a", "a.rejected", "b", "b.rejected")
	}
}

func TestZeroGroupRollsBackInMemory(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/f", "good", 0o600)
	g := Group{KeepPrevious: true}
	if err := g.Commit(stage(t, map[string]string{dir + "/f": "bad"}, File{})); err != nil {
		t.Fatal(err)
	}
	if err := g.Rollback(); err != nil {
		t.Fatal(err)
	}
	see(t, dir+"/f", "good", 0o600)
	onlyThese(t, dir, "f", "f.rejected")
}

func TestStateFileThatCanNotBeBelieved(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/f"
	path := statePath(file)
	for _, content := range []string{"", "{", `{"version":99}`, "null", `{"version":1,"files":[null]}`, `{"version":1,"files":[{"path":""}]}`} {
		put(t, path, content, 0o600)
		g, err := openGroup(nil, file)
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if len(g.Warnings()) != 1 || !g.Pending() {
			t.Errorf("%q: no warning, or pending %v", content, g.Pending())
		}
	}
	put(t, path, "{}", 0o666)
	if _, err := openGroup(nil, file); err == nil || !strings.Contains(err.Error(), "others could have written it") {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := openGroup(nil, file); err == nil {
		t.Error("a folder as the state file")
	}
}

// Where the disk is full when a reload is confirmed, the next attempt does it, and does not take it for done.
func TestConfirmationIsSavedAtLast(t *testing.T) {
	file := t.TempDir() + "/f"
	g := reopen(t, file)
	if err := g.Commit(stage(t, map[string]string{file: "one"}, File{})); err != nil {
		t.Fatal(err)
	}
	full := true
	g.faults = &faults{before: func(op, path string) error {
		if full && strings.Contains(path, ".lictor-") && !strings.Contains(path, "lock") && op != "open" && op != "read" && op != "stat" {
			return unix.ENOSPC
		}
		return nil
	}}
	if err := g.Confirm(g.Rendered()); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	full = false
	if err := g.Confirm(g.Rendered()); err != nil || reopen(t, file).Pending() {
		t.Errorf("%v, still pending: %v", err, reopen(t, file).Pending())
	}
}
