package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes files below the workshop; a name with " -> " is a link.
func (w *workshop) tree(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		name, target, isLink := strings.Cut(name, " -> ")
		if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if isLink {
			err = os.Symlink(target, w.path(name))
		} else {
			err = os.WriteFile(w.path(name), []byte("old "+name), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// all makes one group of all templates.
func (w *workshop) all(t *testing.T) *Group {
	t.Helper()
	g := &Group{Name: "all"}
	for _, of := range w.Groups {
		g.Jobs = append(g.Jobs, of.Jobs...)
	}
	w.Groups = []*Group{g}
	w.remember(t, g)
	return g
}

// A check finds all that will be there, by relative paths and by patterns: what is staged in its place, everything else as it
// is, and nothing of what we keep beside.
func TestCheckSeesAllThatWillBeThere(t *testing.T) {
	w := newWorkshop(t)
	w.tree(t, "etc/main", "etc/mime.types", "etc/ssl/key", "etc/conf.d/a.conf", "etc/conf.d/b.conf", "etc/conf.d/deep/x",
		"etc/main.bak", "etc/main.rejected", "etc/other.rejected", "etc/conf.d/.c.lictor-0",
		"beside", "enabled/real", "etc/enabled -> ../enabled", "etc/a -> conf.d/a.conf", "etc/gone -> nowhere", "etc/l -> link.real", "etc/link.real",
		"etc/fresh -> made", "etc/again -> made")
	w.file(t, "etc/main", `{{key "v"}}`, `cd "$FOLDER`+w.dir+`/etc"
		{ for f in main mime.types ssl/key conf.d/*.conf conf.d/deep/* ../beside enabled/* a l link.real fresh again; do echo "$f: $(cat "$f")"; done; ls -A . conf.d; } > `+w.path("seen")+`
		find . -type f | grep . && exit 1; test "$(stat -c %a "$FOLDER")" = 700`, "")
	for _, member := range []string{"etc/conf.d/a.conf", "etc/conf.d/deep/er/y", "enabled/new", "etc/l", "etc/fresh"} {
		w.file(t, member, `{{key "v"}}`, "", "")
	}
	w.all(t)
	if err := os.MkdirAll(w.path("etc/conf.d/deep/er"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.key("v", "new")
	w.during(t, func() { w.is(t, "etc/main", "new") })
	want := `main: new
mime.types: old etc/mime.types
ssl/key: old etc/ssl/key
conf.d/a.conf: new
conf.d/b.conf: old etc/conf.d/b.conf
conf.d/deep/er: 
conf.d/deep/x: old etc/conf.d/deep/x
../beside: old beside
enabled/new: new
enabled/real: old enabled/real
a: new
l: new
link.real: new
fresh: new
again: new
.:
a
again
conf.d
enabled
fresh
gone
l
link.real
main
mime.types
other.rejected
ssl

conf.d:
a.conf
b.conf
deep
`
	if got := w.read("seen"); got != want {
		t.Errorf("the check saw\n%s\nand not\n%s", got, want)
	}
	if log := w.log.String(); strings.Contains(log, "level=WARN") {
		t.Error(log)
	}
}

// A folder that is too large or can't be read is not mirrored, and the log says so once; the group's own files are seen.
func TestCheckOfAFileInAHugeOrUnreadableFolder(t *testing.T) {
	full := func(w *workshop) {
		for i := range maxMirrored {
			if err := os.Link(w.path("etc/other"), w.path(fmt.Sprint("etc/", i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	closed := func(w *workshop) {
		if err := os.Chmod(w.path("etc"), 0o300); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(w.path("etc"), 0o700) })
	}
	for why, hinder := range map[string]func(*workshop){"it has more than 4000 entries": full, "permission denied": closed} {
		if why == "permission denied" && os.Geteuid() == 0 {
			continue // root may read every folder
		}
		w := newWorkshop(t)
		w.tree(t, "etc/other")
		w.file(t, "etc/main", `{{key "v"}}`, `cd "$FOLDER`+w.dir+`/etc"; ls > `+w.path("seen")+`; cmp main "$STAGED"`, "")
		hinder(w)
		w.during(t, func() {
			for _, v := range []string{"1", "2"} {
				w.key("v", v)
				w.is(t, "etc/main", v)
			}
		})
		if got := w.read("seen"); got != "main\n" {
			t.Errorf("%s: the check saw %q", why, got)
		}
		if log := w.log.String(); strings.Count(log, "sees nothing of this folder") != 1 || !strings.Contains(log, why) {
			t.Error(log)
		}
	}
}

// Removing the folder leaves what its links lead to.
func TestMirrorIsOnlyLinks(t *testing.T) {
	w := newWorkshop(t)
	w.tree(t, "etc/main", "etc/sub/precious")
	w.file(t, "etc/main", `{{key "v"}}`, `echo "$FOLDER" > `+w.path("folder"), "")
	w.key("v", "1")
	w.during(t, func() { w.is(t, "etc/main", "1") })
	if folder := strings.TrimSpace(w.read("folder")); folder == "" || exists(folder) || !exists(w.path("etc/sub/precious")) {
		t.Errorf("folder %q is left, or what it links to is gone", folder)
	}
}
