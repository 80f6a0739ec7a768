package renderer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A crashTask is what the helper does until it is killed before its Kill-th change or look at the file system.
type crashTask struct {
	Do       string // commit, rollback, confirm, recover, regroup, single, endless
	Dir      string
	InPlace  bool
	Kill     int
	Contents map[string]string
	Groups   [][]string // the files of each group, for regroup
}

// run is the helper's side.
func (c crashTask) run() error {
	n := 0
	f := &faults{before: func(string, string) error {
		if n++; n == c.Kill {
			return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errors.New("alive after SIGKILL"))
		}
		return nil
	}}
	if c.Do == "single" {
		for path, content := range c.Contents {
			s, err := File{Path: path, Backup: true, faults: f}.Stage([]byte(content))
			if err == nil && s != nil {
				err = s.Commit()
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if c.Do == "regroup" {
		for _, files := range c.Groups {
			if _, err := openGroup(f, files...); err != nil {
				return err
			}
		}
		return nil
	}
	g, err := openGroup(f, groupFiles(c.Dir)...)
	if err != nil {
		return err
	}
	g.KeepPrevious = true
	switch c.Do {
	case "commit":
		return c.commit(g, f)
	case "rollback":
		return g.Rollback()
	case "confirm":
		return g.Confirm(g.Rendered())
	case "endless":
		fmt.Println("begun")
		for i := 0; ; i++ {
			for path := range c.Contents {
				c.Contents[path] = version(path, i%10)
			}
			if err := c.commit(g, f); err != nil {
				return err
			}
			if i%3 == 0 {
				err = g.Confirm(g.Rendered())
			} else if i%3 == 1 {
				err = g.Rollback()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c crashTask) commit(g *Group, f *faults) error {
	var staged []*Staged
	for path, content := range c.Contents {
		s, err := File{Path: path, Mode: 0o640, InPlace: c.InPlace, Backup: true, faults: f}.Stage([]byte(content))
		if err != nil {
			return err
		}
		if s != nil {
			staged = append(staged, s)
		}
	}
	return g.Commit(staged)
}

// version is one of ten contents of a file, of very different lengths.
func version(path string, v int) string {
	return strings.Repeat(fmt.Sprintf("%s v%d\n", filepath.Base(path), v), 1+v*v*40)
}

// contents are the same version of every file below dir.
func contents(dir string, v int) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"a/1", "a/2", "b/3", "b/4"} {
		out[filepath.Join(dir, name)] = version(name, v)
	}
	return out
}

// groupFiles are the files of the group.
func groupFiles(dir string) []string { return slices.Sorted(maps.Keys(contents(dir, 0))) }

// versions are the versions that the files have, which must be whole: -1 stands for a file that isn't there.
func versions(t *testing.T, dir string) []int {
	t.Helper()
	var out []int
	for path := range contents(dir, 0) {
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			out = append(out, -1)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		v := -1
		for i := range 10 {
			if string(content) == version(path, i) {
				v = i
			}
		}
		if v < 0 {
			t.Fatalf("%s is neither old nor new but torn: %d bytes", path, len(content))
		}
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// crash runs the helper and tells whether it was killed.
func crash(t *testing.T, c crashTask) bool {
	t.Helper()
	out, err := helper(t, "crash", c).CombinedOutput()
	exit := new(exec.ExitError)
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", c.Do, err, out)
	}
	return false
}

func newDirs(t *testing.T) string {
	t.Helper()
	dir := fastDir(t)
	for _, d := range []string{"/a", "/b"} {
		if err := os.Mkdir(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A single file is whole at every moment, with no recovery at all, and the next run leaves nothing behind.
func TestCrashOfASingleCommit(t *testing.T) {
	kills := 0
	for step, killed := 1, true; killed; step++ {
		dir := newDirs(t)
		path := dir + "/a/1"
		put(t, path, version(path, 1), 0o600)
		put(t, path+".bak", version(path, 0), 0o600)
		kills = step
		killed = crash(t, crashTask{Do: "single", Dir: dir, Kill: step, Contents: map[string]string{path: version(path, 2)}})
		content, err := os.ReadFile(path)
		if err != nil || string(content) != version(path, 1) && string(content) != version(path, 2) {
			t.Fatalf("killed at step %d: %d bytes, %v", kills, len(content), err)
		}
		write(t, File{Path: path, Backup: true}, version(path, 2))
		see(t, path, version(path, 2), 0o600)
		see(t, path+".bak", version(path, 1), 0o600)
		onlyThese(t, dir+"/a", "1", "1.bak")
	}
	t.Logf("killed at %d points", kills-1)
}

// Killed at every step of a commit, a confirmation and a rollback, and then again at a step of the recovery, a group is
// all old or all new when the next run has opened it, knows what is pending, and goes on.
func TestCrashOfAGroup(t *testing.T) {
	total := 0
	for _, inPlace := range []bool{false, true} {
		for _, do := range []string{"commit", "confirm", "rollback"} {
			t.Run(fmt.Sprintf("%s in place %v", do, inPlace), func(t *testing.T) {
				kills := 0
				for step, killed := firstStep(), true; killed; step += stride() {
					dir := newDirs(t)
					for _, name := range []string{"a/1", "a/2", "b/4"} { // b/3 is new
						put(t, filepath.Join(dir, name), version(name, 1), 0o604)
					}
					c := crashTask{Do: "commit", Dir: dir, InPlace: inPlace, Contents: contents(dir, 2)}
					if do != "commit" {
						if err := c.run(); err != nil {
							t.Fatal(err)
						}
					}
					c.Do, c.Kill = do, step
					if killed = crash(t, c); killed {
						kills++
					}
					inconsistent := false
					if !inPlace {
						inconsistent = isInconsistent(versions(t, dir)) // each is whole, before any recovery
					}
					if crash(t, crashTask{Do: "recover", Dir: dir, Kill: 1 + rand.IntN(30)}) {
						total++
					}
					checkRecovered(t, dir, do, killed, inconsistent)
					if t.Failed() {
						t.Fatalf("killed at step %d", step)
					}
					goOn(t, dir, inPlace)
				}
				t.Logf("killed at %d points", kills)
				total += kills
			})
		}
	}
	t.Logf("killed %d times", total)
	if want := 900 / stride(); total < want {
		t.Errorf("only %d kills, want %d", total, want)
	}
}

// stride is how many steps to go on between two crashes. All together take a minute, so that a run takes a part of them,
// another each time, unless RENDERER_TEST_EVERY_STEP says otherwise. The race detector, which has little to find here,
// makes starting a program slow.
func stride() int {
	switch {
	case os.Getenv("RENDERER_TEST_EVERY_STEP") != "":
		return 1
	case race || testing.Short():
		return 12
	}
	return 3
}

func firstStep() int { return 1 + rand.IntN(stride()) }

var (
	allOld = []int{-1, 1, 1, 1}
	allNew = []int{2, 2, 2, 2}
)

// isInconsistent tells whether some files are new and some old.
func isInconsistent(got []int) bool { return !slices.Equal(got, allOld) && !slices.Equal(got, allNew) }

// checkRecovered opens the group after a crash. inconsistent says that some files were new and some old before anything was recovered,
// for which a reload is pending whatever they are now; one may also be pending for files in place, of which that is not known.
func checkRecovered(t *testing.T, dir, do string, killed, inconsistent bool) {
	t.Helper()
	g := reopen(t, groupFiles(dir)...)
	got := versions(t, dir)
	isOld, isNew := slices.Equal(got, allOld), slices.Equal(got, allNew)
	switch {
	case !isOld && !isNew:
		t.Errorf("versions %v", got)
	case do == "commit" && ((isNew || inconsistent) && !g.Pending() || g.CanRollback() != isNew):
		t.Errorf("versions %v: pending %v, can roll back %v", got, g.Pending(), g.CanRollback())
	case do == "confirm" && (!isNew || g.Pending() != g.CanRollback()):
		t.Errorf("versions %v: pending %v, can roll back %v", got, g.Pending(), g.CanRollback())
	case do == "rollback" && (!g.Pending() || g.CanRollback() != isNew):
		t.Errorf("versions %v: pending %v, can roll back %v", got, g.Pending(), g.CanRollback())
	case !killed && isNew == (do == "rollback"):
		t.Errorf("done, but versions %v", got)
	}
	for path := range contents(dir, 0) {
		want := os.FileMode(0o640)
		if isOld {
			want = 0o604
		}
		if info, err := os.Stat(path); err == nil && info.Mode() != want {
			t.Errorf("versions %v: %s has mode %v, want %v", got, path, info.Mode(), want)
		}
	}
	if do == "rollback" && isOld {
		for path, content := range contents(dir, 2) {
			got, err := os.ReadFile(path + ".rejected")
			if err != nil || string(got) != content {
				t.Errorf("%s.rejected: %d bytes, %v", path, len(got), err)
			}
			if mode := inode(t, path+".rejected").Mode & 0o777; mode&^0o640 != 0 {
				t.Errorf("%s.rejected has mode %o", path, mode)
			}
		}
	}
	if len(g.state.Members) == 0 {
		return // killed before the journal was there: the next commit removes what it has no use for
	}
	for _, h := range hidden(t, dir) {
		if strings.HasSuffix(h, "-undo") || strings.HasSuffix(h, "-keep") || strings.HasSuffix(h, "-older") || !g.CanRollback() && strings.HasSuffix(h, "-previous") {
			t.Errorf("left behind: %s", h)
		}
	}
}

// goOn commits and confirms once more, after which nothing reminds of a crash.
func goOn(t *testing.T, dir string, inPlace bool) {
	t.Helper()
	g := reopen(t, groupFiles(dir)...)
	if err := g.Commit(stage(t, contents(dir, 3), File{InPlace: inPlace})); err != nil {
		t.Fatal(err)
	}
	if err := g.Confirm(g.Rendered()); err != nil || g.Pending() {
		t.Fatal(err)
	}
	if got := versions(t, dir); !slices.Equal(got, []int{3, 3, 3, 3}) {
		t.Fatalf("versions %v", got)
	}
	if h := hidden(t, dir); len(h) > 0 {
		t.Fatalf("left behind: %q", h)
	}
}

// Killed at any time, not only at our own steps.
func TestCrashAtRandomTimes(t *testing.T) {
	dir := newDirs(t)
	for i := range 180 / stride() {
		cmd := helper(t, "crash", crashTask{Do: "endless", Dir: dir, Contents: contents(dir, 0)})
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(100_000))*time.Microsecond, func() { cmd.Process.Kill() })
		err = cmd.Wait()
		timer.Stop()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatal(err)
		}
		versions(t, dir)
		reopen(t, groupFiles(dir)...)
		if got := versions(t, dir); got[0] != got[3] {
			t.Fatalf("crash %d: versions %v", i, got)
		}
	}
	goOn(t, dir, false)
}

func runCrash(input string) error {
	var c crashTask
	if err := json.Unmarshal([]byte(input), &c); err != nil {
		return err
	}
	return c.run()
}
