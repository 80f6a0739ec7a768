package renderer

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// overwrite writes the staged content into the destination's existing file. Space is reserved and the file checked
// before the first byte changes; when writing fails all the same, the old content is put back.
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
	if err := s.ownInPlace(f, st); err != nil {
		return err
	}
	old, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if err = s.dir.rewrite(s.name, f, st.Size, s.content); err == nil {
		return nil
	}
	if undo := s.dir.rewrite(s.name, f, int64(len(s.content)), old); undo != nil {
		return fmt.Errorf("%w; and putting the old content back failed too, the file is damaged: %w", err, undo)
	}
	return err
}

// ownInPlace applies the owner and mode that were asked for to the open destination.
func (s *Staged) ownInPlace(f *os.File, st unix.Stat_t) error {
	uid, gid, err := s.file.owner(&st)
	if err != nil {
		return err
	}
	if uid != int(st.Uid) || gid != int(st.Gid) {
		if err := s.dir.do("chown", s.name, func() error { return unix.Fchown(int(f.Fd()), uid, gid) }); err != nil {
			return err
		}
	}
	mode := unixMode(s.file.Mode)
	if mode == 0 || mode == st.Mode&0o7777 {
		return nil
	}
	return s.dir.do("chmod", s.name, func() error { return unix.Fchmod(int(f.Fd()), mode) })
}

// rewrite replaces the whole content of an open file of the size given, and makes it durable.
func (d *folder) rewrite(name string, f *os.File, size int64, content []byte) error {
	length := int64(len(content))
	if length > size {
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
