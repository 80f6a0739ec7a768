package renderer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// failing has some steps fail: the first-th and, after it, the second-th from there; 0 is none. With onward all steps after
// the first one fail, too, until it is recovered. It tells of the steps that have failed.
type failing struct {
	first, second int
	onward        bool
	steps         int
	failed        []string
	recovered     bool
}

func (f *failing) faults() *faults {
	return &faults{before: func(op, path string) error {
		if f.recovered {
			return nil
		}
		f.steps++
		if f.steps == f.first || f.second > 0 && f.steps == f.first+f.second || f.onward && f.steps > f.first {
			f.failed = append(f.failed, op+" "+path)
			return unix.EIO
		}
		return nil
	}}
}

// all tells whether all faults that were asked for have happened.
func (f *failing) all() bool { return len(f.failed) > 0 && (f.second == 0 || len(f.failed) > 1) }

// everyPair calls do for pairs of steps that can fail in it, and for steps from which on everything fails. In a usual run that
// is a part of them, another each time; stride says how many.
func everyPair(t *testing.T, do func(t *testing.T, f *failing)) {
	t.Helper()
	pairs := 0
	try := func(f *failing) bool {
		do(t, f)
		if t.Failed() {
			t.Fatalf("step %d, then %d, onward %v: failed at %q", f.first, f.second, f.onward, f.failed)
		}
		pairs++
		return f.all()
	}
	for first := firstStep(); try(&failing{first: first}); first += stride() {
		try(&failing{first: first, onward: true})
		for second := 1 + rand.IntN(stride()*stride()); try(&failing{first: first, second: second}); second += stride() * stride() {
		}
	}
	t.Logf("%d pairs", pairs)
	if want := 1000 / stride() / stride(); pairs < want {
		t.Errorf("only %d pairs, want %d", pairs, want)
	}
}

// A trio is a group of a file that is there, one that is new, and one that is there in another folder.
type trio struct {
	dir     string
	g       *Group
	inPlace bool
}

func newTrio(t *testing.T, inPlace bool) *trio {
	t.Helper()
	w := &trio{dir: newDirs(t), inPlace: inPlace}
	put(t, w.dir+"/a/1", "old", 0o600)
	put(t, w.dir+"/b/3", "old", 0o600)
	w.g = w.open(t)
	return w
}

func (w *trio) paths() []string { return []string{w.dir + "/a/1", w.dir + "/a/2", w.dir + "/b/3"} }

func (w *trio) open(t *testing.T) *Group {
	t.Helper()
	g, err := openGroup(nil, w.paths()...)
	if err != nil {
		t.Fatal(err)
	}
	g.KeepPrevious = true
	return g
}

// commit does what a runner does to have this content in all files.
func (w *trio) commit(content string, f *faults) error {
	w.g.faults = f
	defer func() { w.g.faults = nil }()
	if err := w.g.Open(); err != nil {
		return err
	}
	var staged []*Staged
	for _, path := range w.paths() {
		s, err := File{Path: path, InPlace: w.inPlace, Backup: true, faults: f}.Stage([]byte(content))
		if err != nil {
			for _, s := range staged {
				s.Discard()
			}
			return err
		}
		if s != nil {
			staged = append(staged, s)
		}
	}
	return w.g.Commit(staged)
}

func (w *trio) rollBack(f *faults) error {
	w.g.faults = f
	defer func() { w.g.faults = nil }()
	return w.g.Rollback()
}

func (w *trio) confirm(f *faults) error {
	w.g.faults = f
	defer func() { w.g.faults = nil }()
	return w.g.Confirm(w.g.Rendered())
}

// content is what all files hold, "(mix ...)" when it is not the same. Without the new file the others must be old.
func (w *trio) content(t *testing.T) string {
	t.Helper()
	var all []string
	for _, path := range w.paths() {
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && path == w.dir+"/a/2" {
			content = []byte("old")
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(content))
	}
	if len(slices.Compact(slices.Clone(all))) == 1 {
		return all[0]
	}
	return fmt.Sprintf("(mix %q)", all)
}

// end has another run, or the same one with again, recover what is left, and gives what the files hold then.
func (w *trio) end(t *testing.T, again bool) string {
	t.Helper()
	if !again {
		w.g = w.open(t)
	} else if err := w.g.Open(); err != nil {
		t.Fatal(err)
	}
	if w.g.Interrupted() {
		t.Error("still interrupted")
	}
	return w.content(t)
}

// goOn commits and confirms once more, after which nothing reminds of faults.
func (w *trio) goOn(t *testing.T) {
	t.Helper()
	if err := w.commit("later", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.confirm(nil); err != nil || w.g.Pending() {
		t.Error(err, w.g.Pending())
	}
	if got := w.content(t); got != "later" {
		t.Errorf("the files hold %s", got)
	}
	w.g = w.open(t) // which removes what could not be
	if h := hidden(t, w.dir); len(h) > 0 || w.g.Pending() {
		t.Errorf("left behind: %q, pending %v", h, w.g.Pending())
	}
}

// inEveryWay runs a test with files replaced and written in place, recovered by the same run or, with again false, by the next.
func inEveryWay(t *testing.T, do func(t *testing.T, w *trio, again bool, f *failing)) {
	for _, inPlace := range []bool{false, true} {
		t.Run(fmt.Sprintf("in place %v", inPlace), func(t *testing.T) {
			t.Parallel()
			everyPair(t, func(t *testing.T, f *failing) {
				again := rand.IntN(2) == 0
				if do(t, newTrio(t, inPlace), again, f); t.Failed() {
					t.Logf("recovered by the same run: %v", again)
				}
			})
		})
	}
}

// Whichever two steps of a commit fail: a commit that has succeeded is whole, and one that has failed has changed nothing, or says
// that it was interrupted, and is recovered when the disk is. What was seen as a mix leaves a reload pending.
func TestTwoFaultsOfACommit(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w *trio, again bool, f *failing) {
		err := w.commit("new", f.faults())
		f.recovered = true
		got := w.content(t)
		switch {
		case err == nil && (got != "new" || w.g.Interrupted()):
			t.Errorf("succeeded with %s, interrupted %v", got, w.g.Interrupted())
		case err != nil && got != "old" && !w.g.Interrupted():
			t.Errorf("%s, and it is not known: %v", got, err)
		case err != nil && w.g.Interrupted() != strings.Contains(err.Error(), "don't belong together"):
			t.Errorf("interrupted %v, but it says: %v", w.g.Interrupted(), err)
		}
		wasMixed := w.g.Interrupted()
		if wasMixed && w.g.Confirm(w.g.Rendered()) == nil && w.g.Interrupted() {
			t.Error("files that don't belong together were confirmed")
		}
		now := w.end(t, again)
		switch {
		case now != "old" && now != "new" || now != got && !wasMixed:
			t.Errorf("recovered to %s, from %s", now, got)
		case now == "new" && (!w.g.Pending() || err == nil && f.onward && !w.g.Pending()):
			t.Error("no reload is pending")
		case strings.HasPrefix(got, "(mix") && !w.g.Pending():
			t.Errorf("somebody may have read %s", got)
		}
		w.goOn(t)
	})
}

// The same of a commit whose reload fails then: it is rolled back as a whole, or not at all, and that is known.
func TestTwoFaultsOfACommitAndARollback(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w *trio, again bool, f *failing) {
		if err := w.commit("new", f.faults()); err != nil {
			f.recovered = true
			return // which is the test above
		}
		if !w.g.CanRollback() {
			f.recovered = true
			return
		}
		err := w.rollBack(f.faults())
		f.recovered = true
		got := w.content(t)
		switch {
		case err == nil && (got != "old" || w.g.Interrupted()):
			t.Errorf("succeeded with %s, interrupted %v", got, w.g.Interrupted())
		case err != nil && got != "new" && !w.g.Interrupted():
			t.Errorf("%s, and it is not known: %v", got, err)
		}
		want := got
		if w.g.Interrupted() {
			want = "old"
			if err := w.g.Confirm(w.g.Rendered()); err == nil {
				t.Error("a mix was confirmed")
			}
		}
		// Where it could not be noted for sure that a rollback begins, the next run may take it to have begun.
		if now := w.end(t, again); now != want && (now != "old" || err == nil || again) || !w.g.Pending() {
			t.Errorf("recovered to %s, from %s; pending %v", now, got, w.g.Pending())
		}
		w.goOn(t)
	})
}

// Whichever steps of a confirmation fail, what is rolled back afterwards is what was confirmed, and whole.
func TestTwoFaultsOfAConfirmation(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w *trio, again bool, f *failing) {
		for _, content := range []string{"one", "two"} {
			if err := w.commit(content, nil); err != nil {
				t.Fatal(err)
			}
		}
		_ = w.confirm(f.faults())
		_ = w.commit("three", f.faults())
		f.recovered = true
		if now := w.end(t, again); now != "two" && now != "three" {
			t.Errorf("recovered to %s", now)
			return
		}
		if err := w.commit("four", nil); err != nil {
			t.Fatal(err)
		}
		if !w.g.CanRollback() || w.rollBack(nil) != nil {
			if got := w.content(t); got != "four" {
				t.Errorf("not rolled back, and it is %s", got)
			}
		} else if got := w.content(t); got != "two" && got != "old" {
			t.Errorf("rolled back to %s", got)
		}
		w.goOn(t)
	})
}
