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
	return s.dir.do("overwrite", s.name, func() error {
		err := rewrite(f, st.Size, s.content)
		if err == nil {
			return nil
		}
		if undo := rewrite(f, int64(len(s.content)), old); undo != nil {
			return fmt.Errorf("%w; and putting the old content back failed too, the file is damaged: %w", err, undo)
		}
		return err
	})
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
func rewrite(f *os.File, size int64, content []byte) error {
	if int64(len(content)) > size {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(content)))
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENOSYS) {
			return err
		}
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(content))); err != nil {
		return err
	}
	return f.Sync()
}

// copy makes a durable copy of one entry under another name, with its owner and mode. There must be nothing under that
// name; a copy that fails leaves nothing.
func (d *folder) copy(from, to string) (err error) {
	src, err := d.open(from, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer src.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return err
	}
	content, err := io.ReadAll(src)
	if err != nil {
		return err
	}
	dst, err := d.open(to, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	defer dst.Close()
	err = d.do("write", to, func() error {
		mode := st.Mode & 0o7777
		err := unix.Fchown(int(dst.Fd()), int(st.Uid), int(st.Gid))
		if errors.Is(err, unix.EPERM) {
			mode &= 0o700 // the owner could not be kept, so nobody but us may read it
		} else if err != nil {
			return err
		}
		copyAttributes(src, dst)
		if err := unix.Fchmod(int(dst.Fd()), mode); err != nil {
			return err
		}
		_, err = dst.WriteAt(content, 0)
		return errors.Join(err, dst.Sync())
	})
	if err != nil {
		return errors.Join(err, d.remove(to))
	}
	return nil
}
