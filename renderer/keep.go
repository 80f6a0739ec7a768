package renderer

import (
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// keep gives a file a second name, or makes a copy where that can't be done, or where the file is going to be written
// in place and the second name would change with it.
func (d *folder) keep(name, as string, inPlace bool) error {
	if err := d.remove(as); err != nil {
		return err
	}
	if !inPlace {
		if err := d.link(name, as); err == nil || errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.copy(name, as)
}

// keepVisible keeps a file under a name that people see, and that until then means what was kept there before.
func (d *folder) keepVisible(name, as string, inPlace bool) error {
	fresh := hiddenName(name, "keep")
	if err := d.keep(name, fresh, inPlace); err != nil {
		return err
	}
	err := d.rename(fresh, as)
	// When both were names of one file already, the rename has done nothing.
	return errors.Join(err, d.remove(fresh))
}

// restore brings back to name what was kept as kept. There is nothing to do when kept is gone: it was done before.
func (d *folder) restore(name, kept string, inPlace bool) error {
	if _, err := d.stat(kept); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if inPlace {
		err := d.restoreInPlace(name, kept)
		if err == nil {
			return d.remove(kept)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := d.rename(kept, name); err != nil {
		return err
	}
	return d.remove(kept) // the rename does nothing when both are names of one file
}

func (d *folder) restoreInPlace(name, kept string) error {
	src, err := d.open(kept, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := d.open(name, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer dst.Close()
	content, err := io.ReadAll(src)
	if err != nil {
		return err
	}
	was, err := accessOf(src)
	if err != nil {
		return err
	}
	err = d.overwrite(name, dst, content, was)
	if errors.Is(err, unix.EPERM) { // a file that is somebody else's: then the copy isn't theirs, and we didn't change that either
		has, err := accessOf(dst)
		if err != nil {
			return err
		}
		return d.overwrite(name, dst, content, has)
	}
	return err
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
