package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The tests of this file are about destinations on file systems of their own, which the lictor under test mounts for
// itself: nobody else sees them.

// startMounted starts lictor in dir after a shell script that mounts.
func startMounted(t *testing.T, dir, mounts string, args ...string) *running {
	t.Helper()
	unshare := []string{"--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatalf("no mount namespace: %v: %s", err, out)
		}
		t.Skipf("no mount namespace on this machine: %v: %s", err, bytes.TrimSpace(out))
	}
	if err := os.MkdirAll(dir+"/tmp", 0o755); err != nil {
		t.Fatal(err)
	}
	script := "set -e\n" + mounts + "\nexec lictor \"$@\""
	return startWith(t, dir, []string{"TMPDIR=" + dir + "/tmp"}, "unshare", append(unshare, append([]string{"sh", "-c", script, "sh"}, args...)...)...)
}

// inside is a path as the running lictor sees it.
func (d *running) inside(path string) string {
	return fmt.Sprintf("/proc/%d/root%s", d.cmd.Process.Pid, filepath.Join(d.dir, path))
}

// A writable file that is mounted into a read-only system, as containers have it, is checked and reloaded like any other;
// what can't be kept beside it is said once.
func TestInPlaceOnAReadOnlySystem(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"data.yaml": "kv: {x: one}\n",
		"rw/app":    "old\n",
		"ro/app":    "",
		"lictor.hcl": `
			data      = ["data.yaml"]
			log_level = "info"
			template {
				contents    = "{{ key \"x\" }}\n"
				destination = "ro/app"
				in_place    = true
				rollback    = true
				check       = "! grep bad {{.Staged}}"
				command     = "echo reload >> reloads"
			}`,
	})
	if err := os.Chmod(dir+"/rw/app", 0o644); err != nil {
		t.Fatal(err)
	}
	const mounts = `mount --bind ro ro; mount --bind rw/app ro/app; mount -o remount,bind,ro ro; ! touch ro/x 2> /dev/null`
	d := startMounted(t, dir, mounts, "-config", "lictor.hcl")
	d.file("rw/app", "one\n")
	d.file("reloads", "reload\n")
	write(t, dir, "data.yaml", "kv: {x: bad}\n")
	d.waitPrinted("check failed", 1)
	write(t, dir, "data.yaml", "kv: {x: two}\n")
	d.file("rw/app", "two\n")
	d.file("reloads", "reload\nreload\n")
	if n := strings.Count(d.printed(), "nothing can be kept beside ro/app"); n != 1 {
		t.Errorf("said %d times that nothing can be kept", n)
	}
	if n := strings.Count(d.printed(), "WARN"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	if left, err := filepath.Glob(dir + "/tmp/.[!.]*"); err != nil || len(left) > 0 {
		t.Errorf("left in TMPDIR: %q, %v", left, err)
	}
	if left, err := filepath.Glob(dir + "/tmp/*"); err != nil || len(left) > 0 {
		t.Errorf("left in TMPDIR: %q, %v", left, err)
	}

	d.signal(syscall.SIGTERM)
	d.exit(patience)

	// Where nothing has changed there is nothing to warn of.
	again := startMounted(t, dir, mounts, "-config", "lictor.hcl", "-once", "-log-level", "warn")
	if code := again.exit(patience); code != 0 || again.printed() != "" {
		t.Errorf("exit code %d, printed %q", code, again.printed())
	}

	// Without in_place it is refused, with the way out.
	write(t, dir, "lictor.hcl", strings.Replace(read(t, dir, "lictor.hcl"), "in_place    = true", "", 1))
	write(t, dir, "data.yaml", "kv: {x: three}\n")
	refused := startMounted(t, dir, mounts, "-config", "lictor.hcl", "-once")
	if code := refused.exit(patience); code != 14 || strings.Count(refused.printed(), "in_place = true") != 1 {
		t.Errorf("exit code %d, printed %q", code, refused.printed())
	}
	if got := read(t, dir, "rw/app"); got != "two\n" {
		t.Errorf("the file has become %q", got)
	}
}

// Files on two file systems are committed together or not at all, when the second one turns out to be full after the first
// file is in place.
func TestGroupAcrossFileSystemsOfWhichOneIsFull(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"data.yaml": "kv: {x: one}\n",
		"full/.x":   "",
		"lictor.hcl": `
			data = ["data.yaml"]
			template {
				contents     = "{{ key \"x\" }}\n"
				destination  = "disk/a"
				commit_group = "both"
				command      = "echo reload >> reloads"
			}
			template {
				contents     = "{{ key \"x\" }}\n"
				destination  = "full/b"
				in_place     = true
				commit_group = "both"
			}`,
	})
	// Of 16 pages half are free when there is one of content: enough to stage five and keep one, but not to write five in place besides.
	d := startMounted(t, dir, `mount -t tmpfs -o size=64k none full; head -c 28k /dev/zero > full/filler`, "-config", "lictor.hcl")
	both := func(content string) bool {
		content += "\n"
		b, err := os.ReadFile(d.inside("full/b"))
		return err == nil && string(b) == content && read(t, dir, "disk/a") == content
	}
	eventually(t, "both files are there", func() bool { return both("one") })
	d.file("reloads", "reload\n")
	write(t, dir, "data.yaml", "kv: {x: "+strings.Repeat("y", 18<<10)+"}\n")
	d.waitPrinted("no space left on device", 1)
	if !both("one") || strings.Contains(d.printed(), "undoing failed") || !strings.Contains(d.printed(), "allocate") {
		t.Errorf("disk/a has %d bytes; the group was not taken back, or was not committed as far as that", len(read(t, dir, "disk/a")))
	}
	if err := os.Remove(d.inside("full/filler")); err != nil {
		t.Fatal(err)
	}
	last := strings.Repeat("z", 18<<10)
	write(t, dir, "data.yaml", "kv: {x: "+last+"}\n")
	eventually(t, "both files are new", func() bool { return both(last) })
	d.file("reloads", "reload\nreload\n")
}
