package runner

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A check finds the staged files also where there is no place for temporary files.
func TestCheckWithoutAPlaceForTemporaryFiles(t *testing.T) {
	w := newWorkshop(t)
	t.Setenv("TMPDIR", "/nonexistent")
	w.file(t, "out", `{{key "v"}}`, `cmp "$STAGED" "$FOLDER`+w.path("out")+`"`, "")
	w.key("v", "1")
	w.during(t, func() { w.is(t, "out", "1") })
	if left, _ := filepath.Glob(w.path(".lictor-staged-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A lictor that was killed during a check leaves its folder, and somebody has to remove it.
func TestFoldersOfKilledChecksAreSwept(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, "true", "")
	for name, age := range map[string]time.Duration{"lictor-staged-old": 25 * time.Hour, "lictor-staged-new": time.Hour, "other-old": 25 * time.Hour} {
		path := filepath.Join(tmp, name)
		if err := os.MkdirAll(filepath.Join(path, "etc"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(w.path("precious"), filepath.Join(path, "etc/link")); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t, "precious")
	w.key("v", "1")
	w.during(t, func() { w.is(t, "out", "1") })
	entries, _ := os.ReadDir(tmp)
	if len(entries) != 2 || entries[0].Name() != "lictor-staged-new" || entries[1].Name() != "other-old" || !exists(w.path("precious")) {
		t.Errorf("left: %v", entries)
	}
}
