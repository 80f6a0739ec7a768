package realpath

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	dir := Of(t.TempDir())
	t.Chdir(dir)
	for _, folder := range []string{"real/deep", "other"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"nothing": "t", "chain": "nothing", "folder": "real", "absolute": dir + "/real", "other/up": "../real/deep", "loop": "loop",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"x": "x", "./real/../x": "x", "nothing": "t", "chain": "t", "folder/new/x": "real/new/x", "absolute/new/deeper/x": "real/new/deeper/x",
		"new/../new/x": "new/x", "other/up/../x": "real/x", "folder//": "real", "real": "real", "loop": "loop",
	} {
		want = filepath.Join(dir, want)
		for _, path := range []string{path, dir + "/" + path} {
			if got := Of(path); got != want {
				t.Errorf("%s is %s, want %s", path, got, want)
			}
		}
	}
}
