package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lictor/watch"
)

// A follower of one query in a test.
type watching struct {
	mu     sync.Mutex
	values []any
	err    error
	ended  bool
}

// byEvents sees changes by the kernel's events alone: it looks at the files without one only after the test.
func byEvents() *Contents { return &Contents{files: follower{pause: time.Hour}} }

// start watches q until the test ends.
func start(t *testing.T, s watch.Source, q watch.Query) *watching {
	t.Helper()
	w := &watching{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := watch.Follow(ctx, s, q, func(a watch.Answer) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.values = append(w.values, a.Value)
			return true
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err, w.ended = err, true
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

// last is the newest report as text: a failure's begins with "failure: ".
func (w *watching) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.values) == 0 {
		return "(none)"
	}
	switch v := w.values[len(w.values)-1].(type) {
	case watch.Failure:
		return "failure: " + v.Err.Error()
	case *watch.KeyPair:
		if v == nil {
			return "(no such key)"
		}
		return v.Value
	default:
		return fmt.Sprint(v)
	}
}

func (w *watching) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.values)
}

func (w *watching) until(t *testing.T, want string) {
	t.Helper()
	eventually(t, "the report "+want, func() bool { return strings.HasPrefix(w.last(), want) })
}

func TestContentsFollowsTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "er", "app.conf")
	w := start(t, byEvents(), watch.File{Path: path})
	w.until(t, "failure: ")
	if !strings.Contains(w.last(), path) {
		t.Errorf("the failure %q does not name the file", w.last())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "one") // renamed into place
	w.until(t, "one")
	if err := os.WriteFile(path, []byte("two"), 0o600); err != nil { // written in place
		t.Fatal(err)
	}
	w.until(t, "two")
	n := w.count()
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	write(t, path, "two")
	write(t, path, "three")
	w.until(t, "three")
	if w.count() != n+1 {
		t.Errorf("%d reports, want 1: equal contents are no change", w.count()-n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.until(t, "failure: ")
	write(t, path, "four")
	w.until(t, "four")
}

func TestContentsFollowsAFolderThatIsReplaced(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"a", "b"} {
		if err := os.MkdirAll(filepath.Join(dir, v), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, v, "f"), v)
	}
	w := start(t, byEvents(), watch.File{Path: filepath.Join(dir, "a", "f")})
	w.until(t, "a")
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	w.until(t, "b")
	write(t, filepath.Join(dir, "a", "f"), "again")
	w.until(t, "again")
}

// Kubernetes mounts a ConfigMap as FILE -> ..data/FILE, ..data -> ..TIMESTAMP, and swaps ..data.
func TestContentsFollowsAConfigMap(t *testing.T) {
	dir := t.TempDir()
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name+".new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	version := func(v string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, "..v"+v), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "..v"+v, "app.conf"), "version "+v)
		link("..v"+v, "..data")
	}
	version("1")
	link("..data/app.conf", "app.conf")
	w := start(t, byEvents(), watch.File{Path: filepath.Join(dir, "app.conf")})
	w.until(t, "version 1")
	for _, v := range []string{"2", "3"} {
		version(v)
		w.until(t, "version "+v)
	}
	if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
		t.Fatal(err)
	}
	// A link to an absolute path elsewhere.
	other := filepath.Join(t.TempDir(), "elsewhere")
	write(t, other, "elsewhere 1")
	link(other, "app.conf")
	w.until(t, "elsewhere 1")
	write(t, other, "elsewhere 2")
	w.until(t, "elsewhere 2")
}

func TestContentsSharesOneWatcher(t *testing.T) {
	dir := t.TempDir()
	c := &Contents{}
	var all []*watching
	for i := range 50 {
		path := filepath.Join(dir, fmt.Sprint(i))
		write(t, path, "1")
		all = append(all, start(t, c, watch.File{Path: path}))
	}
	for _, w := range all {
		w.until(t, "1")
	}
	c.files.mu.Lock()
	folders := len(c.files.folders)
	c.files.mu.Unlock()
	if folders != 1 {
		t.Errorf("%d folders are watched, want 1", folders)
	}
	for i, w := range all {
		write(t, filepath.Join(dir, fmt.Sprint(i)), "2")
		w.until(t, "2")
	}
}

func TestContentsRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, MaxSize+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "is a folder", pipe: "is a pipe", "/dev/zero": "device", big: "larger than 64 MiB", filepath.Join(big, "x"): "not a directory",
	} {
		w := start(t, &Contents{}, watch.File{Path: path})
		w.until(t, "failure: ")
		if !strings.Contains(w.last(), want) {
			t.Errorf("%s: %q, want %q in it", path, w.last(), want)
		}
	}
	for _, q := range []watch.Query{watch.Key{Path: "a"}, watch.File{}} {
		if err := watch.Follow(t.Context(), &Contents{}, q, nil); !watch.IsPermanent(err) {
			t.Errorf("%s: error %v, want a permanent one", q, err)
		}
	}
}

// Where the kernel gives no events, the poll still finds changes.
func TestPoll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "one")
	fw := &follow{paths: []string{path}}
	fw.stamp = stamp(fw.paths)
	if fw.restamp() {
		t.Error("a change without a change")
	}
	write(t, path, "second")
	if !fw.restamp() || fw.restamp() {
		t.Error("want the change seen, once")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !fw.restamp() {
		t.Error("the removal was not seen")
	}
}
