package renderer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// errMountPoint is for a destination that is a mount point of its own.
var errMountPoint = fmt.Errorf("is mounted by itself, as Docker does with a single file, and can not be replaced (%w); mount its folder instead, or set in_place = true", unix.EBUSY)

// explain says which destination an error is about and, where the system's own words leave a person alone, what to do.
func (f File) explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EBUSY) { // the rename met what systems before Linux 5.8 don't tell beforehand
		err = errMountPoint
	}
	at, isPath := errors.AsType[*fs.PathError](err)
	hint := ""
	switch {
	case errors.Is(err, errMissingParent) && f.Called == "":
		hint = "; create it, or let create_dest_dirs do so"
	case errors.Is(err, errMissingParent):
		hint = "; create it"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		hint = "; make room there"
	case errors.Is(err, unix.EROFS):
		hint = "; mount it writable, or choose another destination"
		if f.InPlace && f.Backup {
			hint = "; mount it writable, or leave backup out"
		}
	case errors.Is(err, unix.EACCES):
		hint = fmt.Sprintf("; user %d needs to enter and write to the folder (look at its mode, access list and SELinux label)", os.Geteuid())
	case errors.Is(err, unix.EPERM) && isPath && at.Op != "chown": // which says itself what to do
		hint = "; the folder has the sticky bit and the file is somebody else's, or one of them is protected (look at lsattr)"
	case errors.Is(err, unix.EXDEV):
		hint = "; the folder and the file are on different file systems, set in_place = true"
	case errors.Is(err, unix.EISDIR):
		hint = "; remove that folder, or name another destination"
	}
	return fmt.Errorf("%s %q: %w%s", cmp.Or(f.Called, "destination"), f.Path, err, hint)
}
