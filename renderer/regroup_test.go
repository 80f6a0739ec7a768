package renderer

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// regroupings are what a change of the configuration can make of the group of a/1, a/2, b/3 and b/4.
var regroupings = map[string][][]string{
	"another order":       {{"b/4", "a/2", "b/3", "a/1"}},
	"without the first":   {{"a/2", "b/3", "b/4"}},
	"without a folder":    {{"b/4", "b/3"}},
	"only a new file":     {{"b/3"}},
	"a new first":         {{"a/0", "a/1", "a/2", "b/3", "b/4"}},
	"another folder":      {{"c/5", "b/3"}},
	"each by itself":      {{"b/4"}, {"a/1"}, {"b/3"}, {"a/2"}},
	"two and two":         {{"b/4", "a/1"}, {"a/2", "b/3"}},
	"the last by itself":  {{"a/1", "a/2", "b/3"}, {"b/4"}},
	"the first by itself": {{"a/1"}, {"a/2", "b/3", "b/4"}},
}

func regrouped(dir, name string) [][]string {
	var groups [][]string
	for _, names := range regroupings[name] {
		var files []string
		for _, n := range names {
			files = append(files, filepath.Join(dir, n))
		}
		groups = append(groups, files)
	}
	return groups
}

// Killed at a step of a commit, and again at one of the starts after it, all files of the former group are old or all are
// new, and what is pending is pending for every group that has one of them: also when the group exists no more.
func TestCrashAndAnotherGrouping(t *testing.T) {
	every := 2
	if race {
		every = 6
	}
	for name := range regroupings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[bool]int{}
			for step, killed := firstStep(), true; killed; step += every * stride() {
				dir := newDirs(t)
				for _, name := range []string{"a/1", "a/2", "b/4"} { // b/3 is new
					put(t, filepath.Join(dir, name), version(name, 1), 0o640)
				}
				killed = crash(t, crashTask{Do: "commit", Dir: dir, Kill: step, Contents: contents(dir, 2)})
				groups := regrouped(dir, name)
				inconsistent := isInconsistent(versions(t, dir))
				crash(t, crashTask{Do: "regroup", Groups: groups, Kill: 1 + rand.IntN(150)})
				isNew := checkRegrouped(t, dir, groups, inconsistent)
				seen[isNew]++
				crash(t, crashTask{Do: "regroup", Groups: [][]string{groupFiles(dir)}, Kill: 1 + rand.IntN(150)})
				checkRegrouped(t, dir, [][]string{groupFiles(dir)}, inconsistent)
				if t.Failed() {
					t.Fatalf("killed at step %d", step)
				}
				goOn(t, dir, false)
				if got := stateNames(t, dir); !slices.Equal(got, []string{"a/.1 file", "a/.2 link", "b/.3 link", "b/.4 link"}) {
					t.Fatalf("states: %q", got)
				}
			}
			if seen[true] == 0 || seen[false] == 0 {
				t.Errorf("taken back %d times, finished %d times", seen[false], seen[true])
			}
		})
	}
}

// checkRegrouped opens the groups. inconsistent says that some files were new and some old before anything was recovered: then
// somebody may have read them so, and a reload is pending whatever they are now.
func checkRegrouped(t *testing.T, dir string, groups [][]string, inconsistent bool) (isNew bool) {
	t.Helper()
	var opened []*Group
	for _, files := range groups {
		opened = append(opened, reopen(t, files...))
	}
	got := versions(t, dir)
	isNew = slices.Equal(got, allNew)
	if !isNew && !slices.Equal(got, allOld) {
		t.Errorf("versions %v", got)
	}
	for i, g := range opened {
		files := strings.ReplaceAll(strings.Join(groups[i], " "), dir, "")
		back := isNew && strings.ContainsAny(files, "124")
		if g.Pending() != (isNew || inconsistent) || g.CanRollback() != back {
			t.Errorf("versions %v: %s: pending %v, can roll back %v", got, files, g.Pending(), g.CanRollback())
		}
		for _, m := range g.state.Members {
			if !slices.Contains(groups[i], m.Path) || g.find(m.Path) != m {
				t.Errorf("%s: it goes on with %s, which is none of it, or twice", files, m.Path)
			}
		}
	}
	return isNew
}

// stateNames are the names of files for their states below dir, and whether they are files or links to one.
func stateNames(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if name, is := strings.CutSuffix(path, ".lictor-state"); is {
			kind := map[fs.FileMode]string{0: "file", fs.ModeSymlink: "link"}[entry.Type()]
			if _, err := os.Stat(path); err != nil {
				kind += " to nowhere"
			}
			out = append(out, strings.TrimPrefix(name, dir+"/")+" "+kind)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Nothing is pending and nothing was refused: then a file that leaves a group takes nothing along.
func TestRegroupingAfterConfirm(t *testing.T) {
	for name := range regroupings {
		dir := newDirs(t)
		g := reopen(t, groupFiles(dir)...)
		if err := g.Commit(stage(t, contents(dir, 1), File{})); err != nil {
			t.Fatal(err)
		}
		if err := g.Confirm(g.Rendered()); err != nil {
			t.Fatal(err)
		}
		for _, files := range regrouped(dir, name) {
			if g := reopen(t, files...); g.Pending() {
				t.Errorf("%s: %q has a pending reload", name, files)
			}
		}
		for _, state := range stateNames(t, dir) {
			if strings.Contains(state, "nowhere") {
				t.Errorf("%s: %s", name, state)
			}
		}
		if reopen(t, groupFiles(dir)...).Pending() {
			t.Errorf("%s and back: a reload is pending", name)
		}
	}
}

// What was rolled back is known as such in another group too.
func TestRejectedInAnotherGroup(t *testing.T) {
	dir := newDirs(t)
	g := reopen(t, groupFiles(dir)...)
	g.KeepPrevious = true
	for v := range 2 {
		if err := g.Commit(stage(t, contents(dir, v), File{})); err != nil {
			t.Fatal(err)
		}
		if v == 0 {
			if err := g.Confirm(g.Rendered()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := g.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := g.Confirm(g.Rendered()); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][]string{{dir + "/b/4"}, {dir + "/a/2", dir + "/b/3"}} {
		other := reopen(t, files...)
		for _, file := range files {
			staged := stage(t, map[string]string{file: version(file, 1)}, File{})
			if other.Pending() || !other.Rejected(staged) {
				t.Errorf("%s in %q: pending %v, or not known to have been refused", file, files, other.Pending())
			}
			for _, s := range staged {
				s.Discard()
			}
		}
	}
}

// A group has a pending reload when one of those that it was made of had, whichever that was.
func TestGroupsThatBecomeOne(t *testing.T) {
	for _, marked := range []string{"", "a/1", "b/4"} {
		dir := newDirs(t)
		for _, name := range []string{"a/1", "b/4"} {
			file := filepath.Join(dir, name)
			g := reopen(t, file)
			if err := g.Commit(stage(t, map[string]string{file: version(file, 1)}, File{})); err != nil {
				t.Fatal(err)
			}
			if name == marked {
				continue
			}
			if err := g.Confirm(g.Rendered()); err != nil {
				t.Fatal(err)
			}
		}
		g := reopen(t, groupFiles(dir)...)
		if g.Pending() != (marked != "") || len(g.state.Members) != 2 {
			t.Errorf("%q had a pending reload: pending %v, %d members", marked, g.Pending(), len(g.state.Members))
		}
		if got := stateNames(t, dir); !slices.Equal(got, []string{"a/.1 file", "a/.2 link", "b/.3 link", "b/.4 link"}) {
			t.Errorf("states: %q", got)
		}
	}
}

// A damaged state means that a reload is pending, of whichever file it is.
func TestDamagedStateInAnotherGroup(t *testing.T) {
	dir := newDirs(t)
	file := dir + "/a/1"
	g := reopen(t, file)
	if err := g.Commit(stage(t, map[string]string{file: "1"}, File{})); err != nil {
		t.Fatal(err)
	}
	if err := g.Confirm(g.Rendered()); err != nil {
		t.Fatal(err)
	}
	put(t, statePath(dir+"/b/4"), "{", 0o600)
	g, err := openGroup(nil, groupFiles(dir)...)
	if err != nil || !g.Pending() || len(g.Warnings()) != 1 {
		t.Errorf("%v, pending %v", err, g.Pending())
	}
}

// A state that says nothing about the file it lies beside is of something else, and must not be believed.
func TestStateOfSomethingElse(t *testing.T) {
	dir := newDirs(t)
	other := reopen(t, dir+"/a/1")
	if err := other.Commit(stage(t, map[string]string{dir + "/a/1": "1"}, File{})); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(statePath(dir+"/a/1"), statePath(dir+"/a/2")); err != nil {
		t.Fatal(err)
	}
	g := reopen(t, dir+"/a/2")
	if g.Pending() {
		t.Error("it has another's reload pending")
	}
	if err := g.Commit(stage(t, map[string]string{dir + "/a/2": "1"}, File{})); err != nil {
		t.Fatal(err)
	}
	if g = reopen(t, dir+"/a/2"); !g.Pending() || len(g.state.Members) != 1 {
		t.Errorf("its own state: pending %v, %d members", g.Pending(), len(g.state.Members))
	}
}

// A group that keeps no state finishes or takes back what was interrupted, and leaves what is pending to those that do.
func TestGroupWithoutMemory(t *testing.T) {
	dir := newDirs(t)
	files := groupFiles(dir)
	g := reopen(t, files...)
	if err := g.Commit(stage(t, contents(dir, 1), File{})); err != nil {
		t.Fatal(err)
	}
	g.state.Phase, g.state.Next, g.state.durable = committing, "x", true
	g.state.Members[0].Next, g.state.Members[0].Undo = "x", absence
	g.state.Members[1].Next, g.state.Members[1].Undo = hash([]byte(version("a/2", 1))), absence
	if err := g.save(); err != nil {
		t.Fatal(err)
	}
	forgetful := &Group{Destinations: []string{dir + "/b/4"}}
	if err := forgetful.Open(); err != nil || forgetful.Pending() {
		t.Errorf("%v, pending %v", err, forgetful.Pending())
	}
	if _, err := os.Stat(files[1]); err == nil {
		t.Error("what was interrupted was not taken back")
	}
	if !reopen(t, dir+"/b/4").Pending() {
		t.Error("what was pending is forgotten")
	}
	put(t, statePath(dir+"/b/4"), "{}", 0o666)
	forgetful = &Group{Destinations: []string{dir + "/b/4"}}
	if err := forgetful.Open(); err != nil || len(forgetful.Warnings()) != 1 {
		t.Errorf("a state of no use to it: %v", err)
	}
}

// A destination that leads to no file has nothing beside it that an earlier run could have noted.
func TestNothingNotedBesideWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	symlink(t, dir+"/loop", dir+"/loop")
	symlink(t, "/dev/stdout", dir+"/stdout")
	for _, name := range []string{"/loop", "/stdout"} {
		g := &Group{Destinations: []string{dir + name}}
		if err := g.Open(); err != nil || len(g.Warnings()) != 0 {
			t.Errorf("%s: %v, or a warning", name, err)
		}
		g = &Group{Destinations: []string{dir + name}, Remember: true}
		if err := g.Open(); err == nil || !strings.HasPrefix(err.Error(), "destination \""+dir+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
