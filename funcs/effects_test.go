package funcs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lictor/funcs"
	"lictor/watch"
)

// commit renders text and does what it asked for, as the engine's user does once the output is written.
func commit(t *testing.T, o funcs.Options, text string) (string, error) {
	t.Helper()
	r, err := render(t, o, text)
	for _, effect := range r.Effects {
		if err == nil {
			err = effect()
		}
	}
	return string(r.Output), err
}

func TestPluginRunsOnceAllIsThere(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	r, err := render(t, funcs.Options{}, `{{ $k := key "app/name" }}{{ plugin "/bin/sh" "-c" (printf "echo $$ >> `+ran+`; echo %s" $k) }}`)
	if err != nil || string(r.Output) != "orders" {
		t.Fatalf("got %q, %v", r.Output, err)
	}
	if text, _ := os.ReadFile(ran); bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("the plugin ran for the pids %q, want one", text)
	}
	_, err = render(t, funcs.Options{}, `{{ key "no/such" }}{{ plugin "/bin/sh" "-c" "echo >> `+ran+`" }}`)
	if _, waits := errors.AsType[waiting](err); !waits {
		t.Errorf("got %v, want it to wait for the key", err)
	}
	if text, _ := os.ReadFile(ran); bytes.Count(text, []byte("\n")) != 1 {
		t.Error("the plugin ran though a key was missing")
	}
}

func TestPluginThatHangsIsKilledWithItsChildren(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	child := 0
	for limit := 200 * time.Millisecond; child == 0; limit *= 2 { // until there is time for it to begin
		_, err := render(t, funcs.Options{PluginTimeout: limit}, `{{ plugin "/bin/sh" "-c" "sleep 3600 & echo $! > `+pid+`; wait" }}`)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("did not end within %s, so it was killed", limit)) {
			t.Fatalf("got %v", err)
		}
		text, _ := os.ReadFile(pid)
		child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	for end := time.Now().Add(time.Minute); running(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the child %d still runs", child)
		}
	}
}

// running tells whether a process is alive: not gone, and not a zombie that nobody has waited for.
func running(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && syscall.Kill(pid, 0) == nil && !strings.Contains(string(status), ") Z ")
}

func TestPluginErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{{ plugin "/bin/sh" "-c" "echo why >&2; exit 3" "hunter2" }}`: `plugin "/bin/sh": exit status 3; it said: why`,
		`{{ plugin "/no/such" "hunter2" }}`:                            `no such file or directory`,
	} {
		_, err := render(t, funcs.Options{}, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	_, err := render(t, funcs.Options{}, `{{ $s := key "app/name" }}{{ plugin "/bin/false" $s }}`)
	if err == nil || strings.Contains(err.Error(), "orders") {
		t.Errorf("the error tells an argument: %v", err)
	}
}

func TestWriteToFile(t *testing.T) {
	var written []funcs.FileWrite
	o := funcs.Options{WriteFile: func(w funcs.FileWrite) error { written = append(written, w); return nil }}
	for text, want := range map[string]funcs.FileWrite{
		`"/f" "" "" "0640" "x"`:                    {Path: "/f", Mode: 0o640, Content: "x"},
		`"/f" "0" "00" "7600" "x\n"`:               {Path: "/f", Mode: 0o600, Content: "x\n", User: "0", Group: "00"},
		`"/f" "root" "root" "644" "newline" "x"`:   {Path: "/f", Mode: 0o644, Content: "x\n", User: "0", Group: "0"},
		`"/f" "" "" "0600" "append" "x"`:           {Path: "/f", Mode: 0o600, Content: "x", Append: true},
		`"/f" "" "" "0600" "append,newline" "x\n"`: {Path: "/f", Mode: 0o600, Content: "x\n", Append: true},
		`"/f" "" "" "0600" (key "app/name")`:       {Path: "/f", Mode: 0o600, Content: "orders"},
	} {
		written = nil
		if _, err := commit(t, o, `{{ writeToFile `+text+` }}`); err != nil || len(written) != 1 || written[0] != want {
			t.Errorf("writeToFile %s: %+v, %v", text, written, err)
		}
	}
	written = nil
	if _, err := commit(t, o, `{{ key "no/such" | writeToFile "/never" "" "" "0644" }}`); err == nil || len(written) > 0 {
		t.Error("complete, or written, without its key")
	}
	for _, bad := range []string{
		`"" "" "" "0644" "x"`, `"f" "" "" "9" "x"`, `"f" "" "" "0" "x"`, `"f" "" "" "1000" "x"`, `"f" "nobody-such" "" "0644" "x"`, `"f" "" "nobody-such" "0644" "x"`,
		`"f" "-1" "" "0644" "x"`, `"f" "" "" "0644"`, `"f" "" "" "0644" "a" "b" "c"`,
	} {
		if _, err := commit(t, o, `{{ writeToFile `+bad+` }}`); err == nil || len(written) > 0 {
			t.Errorf("writeToFile %s: %v, %v", bad, written, err)
		}
	}
	if r, err := render(t, funcs.Options{}, `{{ writeToFile "/f" "" "" "0640" "x" }}`); err != nil || len(r.Effects) > 0 {
		t.Errorf("%d effects where there are to be none, %v", len(r.Effects), err)
	}
	o.WriteFile = func(funcs.FileWrite) error { return errors.New("the disk is full") }
	if _, err := commit(t, o, `{{ writeToFile "/f" "" "" "0640" "hunter2" }}`); err == nil || err.Error() != "writeToFile: the disk is full" {
		t.Error(err)
	}
}

func TestSandbox(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{"box/in": "in", "box/sub/deep": "deep", "out": "out", "boxed": "boxed"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"box/link": "../out", "box/linked": "..", "box/good": "sub/deep", "alias": "box"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		sandbox, path, want string // want "" is refused
	}{
		{"box", "box/in", "in"}, {"box", "box/sub/deep", "deep"}, {"box", "box/good", "deep"}, {"box", "alias/in", "in"}, {"alias", "box/in", "in"},
		{"box", "out", ""}, {"box", "box/../out", ""}, {"box", "box/link", ""}, {"box", "box/linked/out", ""}, {"box", "boxed", ""}, {"nowhere", "box/in", ""},
	} {
		o := funcs.Options{Sandbox: filepath.Join(dir, c.sandbox)}
		r, err := render(t, o, `{{ file "`+dir+"/"+c.path+`" }}`)
		if (err == nil) != (c.want != "") || string(r.Output) != c.want {
			t.Errorf("file %s in %s: %q, %v", c.path, c.sandbox, r.Output, err)
		}
	}
	written := ""
	o := funcs.Options{Sandbox: filepath.Join(dir, "box"), WriteFile: func(w funcs.FileWrite) error { written = w.Path; return nil }}
	for path, allowed := range map[string]bool{"box/new": true, "box/newer/new": true, "box/link": false, "box/linked/new": false, "new": false, "box/../new": false} {
		written = ""
		_, err := commit(t, o, `{{ writeToFile "`+dir+"/"+path+`" "" "" "0644" "x" }}`)
		if (err == nil) != allowed || (written == dir+"/"+path) != allowed {
			t.Errorf("writeToFile %s: %q, %v", path, written, err)
		}
	}
	o.WriteFile = func(funcs.FileWrite) error { t.Error("written outside"); return nil }
	r, err := render(t, o, `{{ writeToFile "`+dir+`/box/newest/x" "" "" "0644" "x" }}`)
	if err != nil || len(r.Effects) != 1 {
		t.Fatalf("%d effects, %v", len(r.Effects), err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "box/newest")); err != nil {
		t.Fatal(err)
	}
	if err := r.Effects[0](); err == nil {
		t.Error("a link that was made before the write leads outside")
	}
	if _, err := render(t, funcs.Options{Sandbox: "testdata"}, `{{ file "`+dir+`/out" }}`); err == nil {
		t.Error("an absolute path with a relative sandbox is not refused")
	}
}

func TestDebugOutputComesOnce(t *testing.T) {
	var debug bytes.Buffer
	out, err := commit(t, funcs.Options{Debug: &debug}, `[{{ key "app/name" | spew_dump }}{{ spew_printf "%v" 1 }}]`)
	if err != nil || out != "[]" || debug.String() != "(string) (len=6) \"orders\"\n1" {
		t.Errorf("out %q, debug %q, %v", out, debug.String(), err)
	}
}

// TestAnswersAreNotChanged runs every example, and what sorts and groups, on answers that others share.
func TestAnswersAreNotChanged(t *testing.T) {
	texts := []string{
		`{{ range service "web|any" }}{{ .Tags | sprig_sortAlpha }}{{ .Tags | sprig_reverse }}{{ sprig_append .Tags "z" }}{{ end }}`,
		`{{ with sprig_reverse (nodes) }}{{ sprig_append . 1 }}{{ end }}{{ sprig_reverse (datacenters) }}{{ sprig_sortAlpha (datacenters) }}`,
		`{{ range tree "app" | byKey }}{{ range . }}{{ .Key }}{{ end }}{{ end }}{{ tree "" | explode }}{{ range ls "app" }}{{ .Key }}{{ end }}`,
		`{{ mergeMap (tree "app" | explode) (sprig_dict "app" "x") }}{{ range service "web|any" }}{{ .Checks | toJSON }}{{ end }}`,
	}
	for _, d := range funcs.Docs() {
		texts = append(texts, d.Example)
	}
	for _, text := range texts {
		asked := map[watch.Query]any{}
		if err := execute(t, text, func(q watch.Query) (any, bool) {
			if _, known := asked[q]; !known {
				asked[q], _ = answers(q)
			}
			return asked[q], asked[q] != nil
		}); err != nil && strings.Contains(text, "sprig_") {
			t.Logf("%s: %v", text, err)
		}
		for q, value := range asked {
			if fresh, _ := answers(q); !reflect.DeepEqual(fresh, value) {
				t.Errorf("%s changed the answer to %s", text, q)
			}
		}
	}
}
