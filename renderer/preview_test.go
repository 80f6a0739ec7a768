package renderer

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestDryRun(t *testing.T) {
	for _, c := range []struct {
		current []byte
		content string
		want    string
	}{
		{nil, "no newline", "> /d/f\nno newline"},
		{nil, "", "> /d/f\n"},
		{[]byte{}, "", ""},
		{[]byte("same"), "same", ""},
		{[]byte("old"), "new\n", "> /d/f\nnew\n"},
	} {
		var out bytes.Buffer
		if err := DryRun(&out, "/d/f", c.current, []byte(c.content)); err != nil || out.String() != c.want {
			t.Errorf("%q over %q prints %q, %v; want %q", c.content, c.current, out.String(), err, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	got := Diff("/etc/f", "staged", []byte("a\nb\nc\n"), []byte("a\nB\nc\n"))
	if want := "--- /etc/f\n+++ staged\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Diff("a", "b", []byte("x"), []byte("x")); got != "" {
		t.Errorf("equal contents differ: %q", got)
	}
	if got := Diff("a", "b", []byte("x\x00"), []byte("y")); got != "Binary files a and b differ\n" {
		t.Errorf("%q", got)
	}
}

func TestCurrent(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/empty", "", 0o600)
	put(t, dir+"/full", "x", 0o600)
	for path, want := range map[string][]byte{"no": nil, "no/such": nil, "empty": {}, "full": []byte("x")} {
		got, err := File{Path: filepath.Join(dir, path)}.Current()
		if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if _, err := (File{Path: dir}).Current(); err == nil {
		t.Error("a folder has no content")
	}
}

func TestCheckOfGoodDestinations(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/f", "", 0o600)
	for _, f := range []File{{Path: dir + "/f"}, {Path: dir + "/new", NoMakeDirs: true}, {Path: dir + "/a/b/c"}, {Path: dir + "/f", User: "root", Group: "0"}} {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
	onlyThese(t, dir, "f")
}
