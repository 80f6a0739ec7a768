package renderer

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/sys/unix"
)

// DryRun prints what a render would write: "> DEST", a newline and the content as it is, in one write. It prints nothing
// when the destination's current content, nil for none, is already the same.
func DryRun(w io.Writer, dest string, current, content []byte) error {
	if current != nil && bytes.Equal(current, content) {
		return nil
	}
	_, err := w.Write(append([]byte("> "+dest+"\n"), content...))
	return err
}

// Diff describes in unified form how old became new; "" when they are equal. Content that isn't text is only said to
// differ.
func Diff(oldName, newName string, old, new []byte) string {
	if bytes.Equal(old, new) {
		return ""
	}
	if !isText(old) || !isText(new) {
		return fmt.Sprintf("Binary files %s and %s differ\n", oldName, newName)
	}
	return udiff.Unified(oldName, newName, string(old), string(new))
}

func isText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

// Check tells everything that would keep this destination from being written, joined, without writing anything; but for
// what [File.CheckOwner] tells. What it finds can change before the write.
func (f File) Check() error {
	m := missingIsFine
	if f.NoMakeDirs {
		m = missingFails
	}
	dir, name, err := locate(f.Path, m, f.faults)
	if err != nil {
		return f.explain(err)
	}
	defer dir.close()
	return f.explain(f.checkEntry(dir, name))
}

// CheckOwner tells whether this machine knows the user and the group.
func (f File) CheckOwner() error {
	_, _, err := f.owner(nil)
	return err
}

// checkEntry looks at what is at the destination, and whether the folder may be written to.
func (f File) checkEntry(dir *folder, name string) error {
	var old *unix.Stat_t
	if name != "" {
		open, info, err := f.existing(dir, name)
		if err != nil {
			return err
		}
		if open != nil {
			open.Close()
		}
		old = info
	}
	if err := f.checkGiving(dir, old); err != nil {
		return err
	}
	target, need := ".", uint32(unix.W_OK|unix.X_OK)
	if f.InPlace && old != nil {
		target, need = name, unix.W_OK
	}
	return dir.do("access", target, func() error { return unix.Faccessat(dir.fd, target, need, unix.AT_EACCESS) })
}

// checkGiving tells whether we may give a new file in the folder to the user and group that are asked for. That they are
// known is for [File.CheckOwner] to tell.
func (f File) checkGiving(dir *folder, old *unix.Stat_t) error {
	uid, gid, err := f.owner(old)
	if err != nil || f.User == "" && f.Group == "" || mayGiveAway() {
		return nil
	}
	in, err := dir.stat("")
	if err != nil {
		return err
	}
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	ours := gid == -1 || gid == os.Getegid() || slices.Contains(groups, gid) || in.Mode&unix.S_ISGID != 0 && gid == int(in.Gid)
	if (uid == -1 || uid == os.Geteuid()) && ours {
		return nil
	}
	return mayNotGive(uid, gid, unix.EPERM)
}

// mayGiveAway tells whether we may give files to anybody, as root mostly may.
func mayGiveAway() bool {
	var rights [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &rights[0])
	return err != nil || rights[0].Effective&(1<<unix.CAP_CHOWN) != 0
}
