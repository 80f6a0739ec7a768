package renderer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A folder is an open handle on a directory. All work is done relative to the handle and follows no link by itself, so
// whoever can rename folders or plant links while we write can not lead the write elsewhere. It is not an [os.Root]
// because that needs permission to list a folder, where passing through needs only permission to enter it.
type folder struct {
	fd     int    // O_PATH
	path   string // absolute and free of links at the time it was opened; for people and for commands
	faults *faults
}

// faults let the tests of this package stop, kill or fail the program before any single change of the file system.
type faults struct{ before func(op, path string) error }

// do runs one system call on the named entry. Its errors name the operation and the whole path.
func (d *folder) do(op, name string, call func() error) error {
	path := filepath.Join(d.path, name)
	if d.faults != nil {
		if err := d.faults.before(op, path); err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
	}
	for {
		err := call()
		if err == nil {
			return nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if inner := new(fs.PathError); errors.As(err, &inner) {
			err = inner.Err
		}
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
}

// openFolder opens the root folder for an absolute path and the working directory for a relative one.
func openFolder(absolute bool, faults *faults) (*folder, error) {
	d := &folder{fd: -1, path: "/", faults: faults}
	name := "/"
	if !absolute {
		name = "."
		cwd := make([]byte, unix.PathMax)
		n, err := unix.Getcwd(cwd)
		if err != nil {
			return nil, os.NewSyscallError("getcwd", err)
		}
		d.path = strings.TrimRight(string(cwd[:n]), "\x00")
	}
	err := d.do("open", "", func() (err error) {
		d.fd, err = unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	return d, err
}

// enter opens the folder called name, which may be "..".
func (d *folder) enter(name string) (*folder, error) {
	next := &folder{fd: -1, path: filepath.Join(d.path, name), faults: d.faults}
	err := d.do("open", name, func() (err error) {
		next.fd, err = unix.Openat(d.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	return next, err
}

func (d *folder) close() {
	if d != nil && d.fd >= 0 {
		_ = unix.Close(d.fd)
		d.fd = -1
	}
}

// stat describes the entry itself, be it a link; "" is the folder.
func (d *folder) stat(name string) (st unix.Stat_t, err error) {
	err = d.do("stat", name, func() error {
		return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH)
	})
	return st, err
}

// isMountPoint tells whether the entry is itself mounted, as Docker does with a single file. Systems older than
// Linux 5.8 don't say; there the rename fails with EBUSY.
func (d *folder) isMountPoint(name string) bool {
	var st unix.Statx_t
	if err := unix.Statx(d.fd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st); err != nil {
		return false
	}
	return st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

func (d *folder) readlink(name string) (target string, err error) {
	err = d.do("readlink", name, func() error {
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(d.fd, name, buf)
		target = string(buf[:max(n, 0)])
		return err
	})
	return target, err
}

// open opens the entry with the flags given, never through a link and never waiting for the other end of a fifo.
func (d *folder) open(name string, flags int) (f *os.File, err error) {
	err = d.do("open", name, func() error {
		fd, err := unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err == nil {
			f = os.NewFile(uintptr(fd), filepath.Join(d.path, name))
		}
		return err
	})
	return f, err
}

func (d *folder) mkdir(name string) error {
	return d.do("mkdir", name, func() error { return unix.Mkdirat(d.fd, name, 0o755) })
}

func (d *folder) rename(from, to string) error {
	return d.do("rename", to, func() error { return unix.Renameat(d.fd, from, d.fd, to) })
}

func (d *folder) link(from, to string) error {
	return d.do("link", to, func() error { return unix.Linkat(d.fd, from, d.fd, to, 0) })
}

// remove removes the entry, which is no folder. That it is gone already is no error.
func (d *folder) remove(name string) error {
	err := d.do("remove", name, func() error { return unix.Unlinkat(d.fd, name, 0) })
	if errors.Is(err, unix.EROFS) { // which a read-only file system says without looking
		if _, gone := d.stat(name); errors.Is(gone, fs.ErrNotExist) {
			return nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sync makes the folder's entries survive a power cut. File systems that have no such thing or are read-only, and folders
// that may be entered but not read, are passed over.
func (d *folder) sync() error {
	err := d.do("sync", "", func() error {
		fd, err := unix.Openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fsync(fd)
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || unwritable(err) {
		return nil
	}
	return err
}
