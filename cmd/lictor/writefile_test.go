package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lictor/funcs"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep/file")
	write := (&assembly{}).writeFile
	for _, step := range []struct {
		funcs.FileWrite
		want string
	}{
		{funcs.FileWrite{Mode: 0o640, Content: "one"}, "one"},
		{funcs.FileWrite{Mode: 0o600, Content: "two", Append: true}, "onetwo"},
		{funcs.FileWrite{Mode: 0o644, Content: "three\n"}, "three\n"},
		{funcs.FileWrite{Mode: 0o600, Content: "three\n"}, "three\n"}, // only the mode is another one
		{funcs.FileWrite{Mode: 0o600, Content: ""}, ""},
	} {
		step.Path = path
		if err := write(step.FileWrite); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(text) != step.want || info.Mode() != step.Mode {
			t.Errorf("after %+v: %q, %v, %v", step, text, info.Mode(), err)
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(funcs.FileWrite{Path: path, Mode: 0o600}); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("written anew though nothing has changed, %v", err)
	}
	if err := write(funcs.FileWrite{Path: dir, Mode: 0o644}); err == nil || !strings.HasPrefix(err.Error(), `file "`+dir+`": is a directory`) {
		t.Errorf("onto a directory: %v", err)
	}
	if err := os.Symlink(path, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := write(funcs.FileWrite{Path: dir + "/link", Mode: 0o644, Content: "through"}); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(dir + "/link"); err != nil || target != path {
		t.Errorf("the link is now %q, %v", target, err)
	}
	if text := read(t, dir, "deep/file"); text != "through" {
		t.Errorf("the link's target has %q", text)
	}
	if names := names(t, dir+"/deep"); names != "file" {
		t.Errorf("left behind: %s", names)
	}
}

// What writeToFile writes into a directory that anybody may write to follows no link that somebody has planted there, and what
// somebody has planted as a file says neither what is in ours nor who may read it.
func TestWriteFileWhereAnybodyMayWrite(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	public := dir + "/public"
	for _, err := range []error{
		os.Mkdir(public, 0o700), os.Chmod(public, fs.ModeSticky|0o777), os.WriteFile(dir+"/victim", []byte("good"), 0o600),
		os.Symlink(dir+"/victim", public+"/link"), os.Lchown(public+"/link", 1234, 1234),
		os.WriteFile(public+"/file", []byte("same"), 0o600), os.Chmod(public+"/file", 0o666), os.Lchown(public+"/file", 1234, 1234),
		unix.Mkfifo(public+"/fifo", 0o666), os.Lchown(public+"/fifo", 1234, 1234),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	template := `{{ writeToFile "public/NAME" "" "" "0600" "FLAGS" "same" }}done`
	for name, want := range map[string]string{"link": "is a symbolic link of user 1234", "fifo": "is a fifo of user 1234"} {
		write(t, dir, "in.ctmpl", strings.NewReplacer("NAME", name, "FLAGS", "").Replace(template))
		d := start(t, dir, "lictor", "-once", "-set", "kv/a=1", "-template", "in.ctmpl:out")
		if code := d.exit(patience); code != exitRuntime || !strings.Contains(d.printed(), want) {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
	if info, err := os.Stat(dir + "/victim"); err != nil || info.Mode() != 0o600 || read(t, dir, "victim") != "good" {
		t.Errorf("the victim has %q, %v, %v", read(t, dir, "victim"), info.Mode(), err)
	}
	for _, flags := range []string{"", "append"} {
		if err := os.Lchown(public+"/file", 1234, 1234); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "in.ctmpl", strings.NewReplacer("NAME", "file", "FLAGS", flags).Replace(template))
		if code := start(t, dir, "lictor", "-once", "-set", "kv/a=1", "-template", "in.ctmpl:out").exit(patience); code != exitOK {
			t.Errorf("exit code %d", code)
		}
		var info unix.Stat_t
		if err := unix.Lstat(public+"/file", &info); err != nil || info.Uid != 0 || info.Mode&0o7777 != 0o600 || read(t, dir, "public/file") != "same" {
			t.Errorf("the file is user %d's with mode %o and has %q, %v", info.Uid, info.Mode, read(t, dir, "public/file"), err)
		}
	}
}

// What is staged is beside the file, read by nobody else than that, and gone when lictor has run again after it was killed.
func TestWriteToFileLeavesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	dir := folder(t, map[string]string{"in.ctmpl": `{{ writeToFile "out/key.pem" "" "" "0600" "secret" }}done`, "tmp/x": ""})
	env := []string{"TMPDIR=" + dir + "/tmp"}
	lictor := []string{"lictor", "-once", "-set", "kv/a=1", "-template", "in.ctmpl:/dev/null"}
	// The output is no file, so the first rename is that of what is written beside it.
	trace := []string{"-f", "-qq", "-o", "trace", "-e", "trace=renameat", "-e", "inject=renameat:signal=KILL:when=1"}
	if code := startWith(t, dir, env, "strace", append(trace, lictor...)...).exit(patience); code == 0 {
		t.Error("it was not killed")
	}
	if info, err := os.Stat(dir + "/out/.key.pem.lictor-0"); err != nil || info.Mode() != 0o600 || names(t, dir+"/out") != ".key.pem.lictor-0" {
		t.Errorf("staged: %v, %v among %q", info, err, names(t, dir+"/out"))
	}
	if tmp := names(t, dir+"/tmp"); tmp != "x" {
		t.Errorf("in TMPDIR: %q", tmp)
	}
	if code := startWith(t, dir, env, lictor[0], lictor[1:]...).exit(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, tmp := names(t, dir+"/out"), names(t, dir+"/tmp"); left != "key.pem" || tmp != "x" {
		t.Errorf("beside the file: %q, in TMPDIR: %q", left, tmp)
	}
}

// names lists a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
