package renderer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwners(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	for _, c := range []struct {
		name, old   string
		user, group string
		want        string
	}{
		{"a new file is ours", "", "", "", "0:0"},
		{"by name and number", "", "nobody", "12", "65534:12"},
		{"by number and name", "", "1234", "nogroup", "1234:65534"},
		{"an existing file keeps both", "123:456", "", "", "123:456"},
		{"the user alone", "123:456", "root", "", "0:456"},
		{"the group alone", "123:456", "", "root", "123:0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dest := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-"))
			if c.old != "" {
				put(t, dest, "old", 0o4640)
				var uid, gid int
				fmt.Sscanf(c.old, "%d:%d", &uid, &gid)
				if err := os.Chown(dest, uid, gid); err != nil {
					t.Fatal(err)
				}
			}
			f := File{Path: dest, User: c.user, Group: c.group, Mode: 0o640}
			s, err := f.Stage([]byte("new"))
			if err != nil {
				t.Fatal(err)
			}
			if got := owner(t, s.Path()); got != c.want {
				t.Errorf("the staged file belongs to %s, want %s", got, c.want)
			}
			if err := s.Commit(); err != nil {
				t.Fatal(err)
			}
			see(t, dest, "new", 0o640)
			if got := owner(t, dest); got != c.want {
				t.Errorf("belongs to %s, want %s", got, c.want)
			}
			f.InPlace = true
			write(t, f, "newer")
			if got := owner(t, dest); got != c.want {
				t.Errorf("written in place it belongs to %s, want %s", got, c.want)
			}
		})
	}
}

func TestUnknownOwner(t *testing.T) {
	dir := t.TempDir()
	f := File{Path: dir + "/f", User: "no-such-user", Group: "no-such-group"}
	_, err := f.Stage([]byte("x"))
	for _, err := range []error{err, f.CheckOwner()} {
		if err == nil || !strings.Contains(err.Error(), "unknown user no-such-user") || !strings.Contains(err.Error(), "unknown group no-such-group (templates that are to be committed together have one commit_group)") {
			t.Error(err)
		}
	}
	onlyThese(t, dir)
}

// A file of somebody else that we may replace but not give away: an update must not take it from its readers.
func TestKeepingAnOwnerThatWeMayNotSet(t *testing.T) {
	needRoot(t)
	dir := openDir(t, 0o755)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/open", "old", fs.ModeSetuid|0o755)
	put(t, dir+"/own", "old", fs.ModeSetuid|0o755)
	if err := os.Chown(dir+"/own", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/own", fs.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/shut", "old", 0o640)
	if err := os.Chown(dir+"/shut", 0, 65534); err != nil {
		t.Fatal(err)
	}
	if out := asNobody(t, "render", renderTask{File: File{Path: dir + "/open"}, Content: "new"}); !strings.HasPrefix(out, "warning: "+dir+"/open belonged to 0:0") {
		t.Error(out)
	}
	see(t, dir+"/open", "new", 0o755) // without the set-id bit, which would now be ours
	if out := asNobody(t, "render", renderTask{File: File{Path: dir + "/shut"}, Content: "new"}); !strings.Contains(out, "belongs to 0:65534, user 65534 may not give it a new file") || !strings.HasSuffix(out, "in_place") {
		t.Error(out)
	}
	see(t, dir+"/shut", "old", 0o640)
	if out := asNobody(t, "render", renderTask{File: File{Path: dir + "/own"}, Content: "new"}); out != "" {
		t.Error(out)
	}
	see(t, dir+"/own", "new", fs.ModeSetuid|0o755)
	onlyThese(t, dir, "open", "own", "shut")
}

// That we may not give a file away is told beforehand, and nothing that we may.
func TestCheckOfAnOwner(t *testing.T) {
	needRoot(t)
	dir, shared := openDir(t, 0o755), openDir(t, 0o755)
	put(t, dir+"/old", "old", 0o644)
	if err := errors.Join(os.Chown(dir, 65534, 65534), os.Chown(shared, 65534, 12), os.Chmod(shared, fs.ModeSetgid|0o755)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f  File
		to string // whom we may not give it to, "" where we may
	}{
		{File{Path: dir + "/f", User: "root"}, "0:-1"},
		{File{Path: dir + "/new/f", Group: "12"}, "-1:12"},
		{File{Path: dir + "/old", Group: "65534"}, "0:65534"},
		{File{Path: dir + "/f", User: "65534", Group: "65534"}, ""},
		{File{Path: shared + "/f", Group: "12"}, ""},
		{File{Path: shared + "/new/f", Group: "12"}, ""},
		{File{Path: dir + "/f"}, ""},
	} {
		for _, task := range []struct {
			name string
			in   any
		}{{"check", c.f}, {"render", renderTask{File: c.f, Content: "new"}}} {
			out := asNobody(t, task.name, task.in)
			want := "user 65534 may not give the file to " + c.to + " ("
			if (out != "") != (c.to != "") || out != "" && !strings.Contains(out, want) {
				t.Errorf("%s of %+v: %s", task.name, c.f, out)
			}
		}
	}
}

func TestAttributesAreKept(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/f", "old", 0o640)
	if err := unix.Setxattr(dir+"/f", "user.origin", []byte("by hand"), 0); err != nil {
		t.Skipf("no extended attributes here: %v", err)
	}
	// user 1234 may read: version 2, then tag, permissions and id of each entry.
	acl := []byte("\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" +
		"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff")
	haveACL := unix.Setxattr(dir+"/f", "system.posix_acl_access", acl, 0) == nil
	if s := write(t, File{Path: dir + "/f", Backup: true}, "new"); len(s.Warnings()) != 0 {
		t.Error(s.Warnings())
	}
	value := make([]byte, 100)
	for _, f := range []string{"/f", "/f.bak"} {
		if n, err := unix.Getxattr(dir+f, "user.origin", value); err != nil || string(value[:n]) != "by hand" {
			t.Errorf("%s: user.origin is %q, %v", f, value[:max(n, 0)], err)
		}
		if !haveACL {
			t.Log("no access lists here")
		} else if n, err := unix.Getxattr(dir+f, "system.posix_acl_access", value); err != nil || string(value[:n]) != string(acl) {
			t.Errorf("%s: the access list is %q, %v", f, value[:max(n, 0)], err)
		}
	}
	see(t, dir+"/f", "new", 0o640)
}
