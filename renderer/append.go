package renderer

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Append opens the file for appending to it, by the rules for files that are written in place. A new one gets the Mode; its folder
// must be there. The name of what is returned is where links lead to.
func (f File) Append() (*os.File, error) {
	f.InPlace = true
	out, err := f.append()
	return out, f.explain(err)
}

func (f File) append() (*os.File, error) {
	dir, name, err := locate(f.Path, missingFails, f.faults)
	if err != nil {
		return nil, err
	}
	defer dir.close()
	out, err := dir.open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_EXCL)
	if err == nil {
		err = unix.Fchmod(int(out.Fd()), unixMode(f.Mode))
		return out, err
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := dir.stat(name)
	if err == nil {
		_, err = f.replaceable(dir, name, info)
	}
	if err != nil {
		return nil, err
	}
	if out, err = dir.open(name, unix.O_WRONLY|unix.O_APPEND); err != nil {
		return nil, err
	}
	// The name may have come to mean something else since: only what is open counts.
	if err = unix.Fstat(int(out.Fd()), &info); err == nil {
		_, err = f.replaceable(dir, name, info)
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}
