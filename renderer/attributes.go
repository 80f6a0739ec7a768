package renderer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultMode is a new file's, whatever the umask, as consul-template has it.
const defaultMode = 0o644

// setIDBits are the mode bits that must not outlive a change of the owner, and that the system takes away on a write.
const setIDBits = 0o6000

// setAttributes gives the staged file its final owner, extended attributes and mode. It is empty still, so nobody reads
// in it what they may not read in the end. old is the destination's open file or nil.
func (s *Staged) setAttributes(old *os.File) error {
	after, err := s.file.access(s.old)
	if err != nil {
		return err
	}
	s.after = after
	uid, gid, mode := after.UID, after.GID, after.Mode
	if s.elsewhere() {
		s.mode = 0o600 // it is for checking only, and the folder doesn't keep anybody out as the destination's may
		return s.setMode()
	}
	kept, err := s.setOwner(uid, gid, mode)
	if err != nil {
		return err
	}
	switch {
	case !kept && s.file.InPlace && s.old != nil:
		mode &= 0o700 // the destination keeps its own; this is only for checking
	case !kept:
		mode &^= setIDBits
	}
	if old != nil {
		for _, name := range copyAttributes(old, s.open) {
			s.warn("%s loses its attribute %s, which could not be copied to the new file", s.file.Path, name)
		}
	}
	s.mode = mode
	return s.setMode()
}

// access is what the file has to have in the end, given what is there now or nil: a UID or GID of -1 is what the system gives.
func (f File) access(old *unix.Stat_t) (access, error) {
	mode := unixMode(f.Mode)
	switch {
	case mode != 0:
	case old != nil:
		mode = old.Mode & 0o7777
	default:
		mode = defaultMode
	}
	uid, gid, err := f.owner(old)
	return access{uid, gid, mode}, err
}

func (s *Staged) setMode() error {
	return s.tempDir.do("chmod", s.temp, func() error { return unix.Fchmod(int(s.open.Fd()), s.mode) })
}

// unixMode takes the set-id and sticky bits both as numbers and in the fs package's way.
func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m & 0o7777)
	for bit, number := range map[fs.FileMode]uint32{fs.ModeSetuid: unix.S_ISUID, fs.ModeSetgid: unix.S_ISGID, fs.ModeSticky: unix.S_ISVTX} {
		if m&bit != 0 {
			mode |= number
		}
	}
	return mode
}

// owner is what the file's owner has to be, -1 for what the system gives.
func (f File) owner(old *unix.Stat_t) (uid, gid int, err error) {
	uid, gid = -1, -1
	if old != nil {
		uid, gid = int(old.Uid), int(old.Gid)
	}
	var errUser, errGroup error
	if f.User != "" {
		uid, errUser = lookUp(f.User, "user", func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		})
	}
	if f.Group != "" {
		gid, errGroup = lookUp(f.Group, "group", func(name string) (string, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		})
	}
	return uid, gid, errors.Join(errUser, errGroup)
}

// lookUp turns a name, or else a number, into a number.
func lookUp(name, kind string, find func(string) (string, error)) (int, error) {
	id, err := find(name)
	if err != nil {
		id = name
	}
	n, numErr := strconv.ParseUint(id, 10, 31)
	if numErr != nil {
		hint := ""
		if kind == "group" {
			hint = " (templates that are to be committed together have one commit_group)"
		}
		return -1, fmt.Errorf("failed looking up %s: unknown %s %s%s", kind, kind, name, hint)
	}
	return int(n), nil
}

// setOwner gives the staged file its owner. Where only an existing file's owner is to be kept, and we may not give
// files away, it goes on (with kept false) as long as everybody may read the file, so that the change takes it away
// from nobody.
func (s *Staged) setOwner(uid, gid int, mode uint32) (kept bool, err error) {
	var st unix.Stat_t
	fd := int(s.open.Fd())
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if (uid == -1 || uid == int(st.Uid)) && (gid == -1 || gid == int(st.Gid)) {
		return true, nil
	}
	err = s.tempDir.do("chown", s.temp, func() error { return unix.Fchown(fd, uid, gid) })
	if !errors.Is(err, unix.EPERM) {
		return err == nil, err
	}
	if s.file.User != "" || s.file.Group != "" {
		return false, mayNotGive(uid, gid, err)
	}
	if s.file.InPlace && s.old != nil {
		return false, nil
	}
	_ = unix.Fchown(fd, -1, gid) // as much of it as we may
	if mode&0o004 == 0 {
		return false, fmt.Errorf("belongs to %d:%d, user %d may not give it a new file, and others could not read that (%w); run as that user or root, or set user, group or in_place", uid, gid, os.Geteuid(), err)
	}
	s.warn("%s belonged to %d:%d, which user %d may not give the new file", s.file.Path, uid, gid, os.Geteuid())
	return false, nil
}

func mayNotGive(uid, gid int, err error) error {
	return fmt.Errorf("user %d may not give the file to %d:%d (%w); run as root, or leave user and group out", os.Geteuid(), uid, gid, err)
}

// copyAttributes copies the access list, the SELinux label and the user's own attributes from one open file to another,
// and lists those that it could not copy. Other attributes describe the old content (ima, capabilities) or are the file
// system's own affair.
func copyAttributes(from, to *os.File) (failed []string) {
	src, dst := int(from.Fd()), int(to.Fd())
	list := make([]byte, 64<<10)
	n, err := unix.Flistxattr(src, list)
	if err != nil {
		return nil // there is no such thing here
	}
	value, have := make([]byte, 64<<10), make([]byte, 64<<10)
	for _, name := range strings.Split(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		if name != "system.posix_acl_access" && name != "security.selinux" && !strings.HasPrefix(name, "user.") {
			continue
		}
		n, err := unix.Fgetxattr(src, name, value)
		if err != nil {
			failed = append(failed, name)
			continue
		}
		if h, err := unix.Fgetxattr(dst, name, have); err == nil && bytes.Equal(value[:n], have[:h]) {
			continue
		}
		if unix.Fsetxattr(dst, name, value[:n], 0) != nil {
			failed = append(failed, name)
		}
	}
	return failed
}
