package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func (w *workshop) write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(w.path(name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair makes one group of the first two templates.
func (w *workshop) pair(t *testing.T) *Group {
	t.Helper()
	g := &Group{Name: "pair", Jobs: []*Job{w.Groups[0].Jobs[0], w.Groups[1].Jobs[0]}}
	w.Groups = []*Group{g}
	w.remember(t, g)
	return g
}

// What changes while a check looks at the output before is rendered when the check has ended.
func TestChangeDuringACheck(t *testing.T) {
	for _, result := range []string{"true", "false"} {
		w := newWorkshop(t)
		w.file(t, "out", `{{key "v"}}`, fmt.Sprintf(`cat "$STAGED" >> %s; while ! test -e %s; do sleep 0.01; done; %s || grep -q 2 "$STAGED"`,
			w.path("seen"), w.path("go"), result), "")
		w.key("v", "1")
		w.during(t, func() {
			w.is(t, "seen", "1")
			w.key("v", "2")
			time.Sleep(50 * time.Millisecond) // so that the runner sees it
			w.write(t, "go")
			w.is(t, "out", "2")
		})
	}
}

// A check is for the whole group: it runs whichever of the files has changed.
func TestCheckSeesAChangeOfAnotherFile(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "main", `{{key "a"}}`, fmt.Sprintf(`test -e "$STAGED" && ! grep -q bad "$FOLDER%s"`, w.path("included")), "")
	w.file(t, "included", `{{key "b"}}`, "", `echo reload >> log`)
	w.pair(t)
	w.key("a", "1")
	w.key("b", "1")
	w.during(t, func() {
		w.is(t, "log", "reload\n")
		w.key("b", "bad")
		w.is(t, "included.rejected", "bad")
		w.key("b", "2")
		w.is(t, "included", "2")
	})
}

// Whatever is under way when the runner is told to end, nothing of it is left.
func TestEndDuringACheck(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, `echo $FOLDER > `+w.path("folder")+`; sleep 60`, "")
	w.key("v", "1")
	var begun time.Time
	w.during(t, func() {
		eventually(t, func() string { return fmt.Sprint(len(w.read("folder")) > 10) }, "true")
		begun = time.Now()
	})
	if d := time.Since(begun); d > 3*time.Second { // it does not wait for the check
		t.Errorf("ending took %s", d)
	}
	left, _ := filepath.Glob(w.path(".*lictor-[0-9]*"))
	if folder := strings.TrimSpace(w.read("folder")); len(left) > 0 || exists(folder) {
		t.Errorf("left: %v %s", left, folder)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
