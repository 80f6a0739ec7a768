package renderer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// An access is who a file belongs to and what who may do with it.
type access struct {
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Mode uint32 `json:"mode"`
}

func accessOf(f *os.File) (access, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return access{int(st.Uid), int(st.Gid), st.Mode & 0o7777}, err
}

// until is what a file has to have while its content changes, and its access from before to after: nobody may read it
// who may not both before and after. Where the owner changes it is ours alone meanwhile.
func (before access) until(after access) access {
	a := access{before.UID, before.GID, before.Mode & (after.Mode | 0o600)}
	if before.GID != after.GID {
		a.Mode &^= unix.S_ISGID | 0o070
	}
	if before.UID != after.UID {
		a.UID, a.Mode = os.Geteuid(), a.Mode&0o600
	}
	return a
}

// overwrite writes the staged content into the destination's existing file.
func (s *Staged) overwrite() error {
	f, err := s.dir.open(s.name, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Ino != s.old.Ino || st.Dev != s.old.Dev {
		return errors.New("was replaced by somebody else meanwhile; it is left alone")
	}
	return s.dir.overwrite(s.name, f, s.content, s.after)
}

// overwrite gives an open file a content and an access. After an error it has those that it had, unless the error says
// otherwise.
func (d *folder) overwrite(name string, f *os.File, content []byte, after access) error {
	before, err := accessOf(f)
	if err != nil {
		return err
	}
	old, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	if err != nil {
		return err
	}
	if bytes.Equal(old, content) {
		return d.setAccess(name, f, after)
	}
	meanwhile := before.until(after)
	err = d.setAccess(name, f, meanwhile)
	if err == nil {
		if err = d.put(name, f, meanwhile, content, after); err == nil {
			return nil
		}
		if undo := d.put(name, f, meanwhile, old, meanwhile); undo != nil {
			return fmt.Errorf("%w; and putting the old content back failed too, the file is damaged: %w", err, undo)
		}
	}
	if undo := d.setAccess(name, f, before); undo != nil {
		return fmt.Errorf("%w; and putting the old owner and mode back failed too: %w", err, undo)
	}
	return err
}

// put writes a content into an open file that has one access meanwhile and another in the end.
func (d *folder) put(name string, f *os.File, meanwhile access, content []byte, after access) error {
	if err := d.setAccess(name, f, meanwhile); err != nil {
		return err
	}
	if err := d.rewrite(name, f, content); err != nil {
		return err
	}
	return d.setAccess(name, f, after)
}

// setAccess changes an open file's access where it is another. The mode comes last, since a change of the owner takes
// the set-id bits away.
func (d *folder) setAccess(name string, f *os.File, to access) error {
	has, err := accessOf(f)
	if err != nil {
		return err
	}
	fd := int(f.Fd())
	if has.UID != to.UID || has.GID != to.GID {
		if err := d.do("chown", name, func() error { return unix.Fchown(fd, to.UID, to.GID) }); err != nil {
			return err
		}
		if has, err = accessOf(f); err != nil {
			return err
		}
	}
	if has.Mode == to.Mode {
		return nil
	}
	err = d.do("chmod", name, func() error { return unix.Fchmod(fd, to.Mode) })
	if errors.Is(err, unix.EPERM) && has.Mode == to.Mode&^setIDBits {
		return nil // the system took these bits from somebody else's file when we wrote into it
	}
	return err
}

// rewrite replaces the whole content of an open file, and makes it durable. Space is reserved before the first byte
// changes.
func (d *folder) rewrite(name string, f *os.File, content []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	length := int64(len(content))
	if length > info.Size() {
		err := d.do("allocate", name, func() error {
			return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, length)
		})
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENOSYS) {
			return err
		}
	}
	if err := d.do("write", name, func() error { _, err := f.WriteAt(content, 0); return err }); err != nil {
		return err
	}
	if err := d.do("truncate", name, func() error { return f.Truncate(length) }); err != nil {
		return err
	}
	return d.do("sync", name, f.Sync)
}
