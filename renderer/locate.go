package renderer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lictor/internal/realpath"
)

// missing says what locate does about folders that aren't there.
type missing int

const (
	missingFails     missing = iota // an error
	missingIsCreated                // they are created
	missingIsFine                   // locate stops at the last folder that is there
)

const maxLinks = 40 // as many as the kernel follows

// errMissingParent is wrapped by the error for a destination whose folder is not there and may not be created.
var errMissingParent = errors.New("parent directory is missing")

// locate opens the folder that a write to path ends up in, and tells the name in that folder. Links are followed, the
// last one too, so that a destination that is a link keeps its link; a link whose target is not there leads to the
// target. With missingIsFine the name is "" when the folder is not there yet, and the folder is the last existing one.
//
// It follows links itself, and not those that somebody else may have planted: see trusted. Where they lead to a name of an
// open file, such as /dev/stdout, that is a [descriptorError].
func locate(path string, m missing, faults *faults) (_ *folder, name string, err error) {
	todo := components(path)
	switch {
	case path == "":
		return nil, "", errors.New("no destination is given")
	case len(todo) == 0, strings.HasSuffix(path, "/"), todo[len(todo)-1] == "..":
		return nil, "", errors.New("is a directory; the destination must name a file")
	}
	dir, err := openFolder(path[0] == '/', faults)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			dir.close()
		}
	}()
	for links := 0; ; {
		if fd, is := realpath.Descriptor(strings.TrimRight(dir.path, "/") + "/" + strings.Join(todo, "/")); is {
			return dir, "", descriptorError(fd)
		}
		name, todo = todo[0], todo[1:]
		st, err := dir.stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(todo) == 0:
			return dir, name, nil
		case errors.Is(err, fs.ErrNotExist) && m == missingIsFine:
			return dir, "", nil
		case errors.Is(err, fs.ErrNotExist) && m == missingFails:
			return dir, "", fmt.Errorf("%w: %s/%s", errMissingParent, strings.TrimRight(dir.path, "/"), name)
		case errors.Is(err, fs.ErrNotExist):
			if err := dir.makeFolder(name); err != nil {
				return dir, "", err
			}
		case err != nil:
			return dir, "", err
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			if links++; links > maxLinks {
				return dir, "", fmt.Errorf("the symbolic links never end (a loop at %s/%s)", dir.path, name)
			}
			if dir, todo, err = dir.follow(name, st, todo); err != nil {
				return dir, "", err
			}
			continue
		case len(todo) == 0:
			return dir, name, nil
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return dir, "", fmt.Errorf("%s/%s is not a directory", strings.TrimRight(dir.path, "/"), name)
		}
		next, err := dir.enter(name)
		if err != nil {
			return dir, "", err
		}
		dir.close()
		dir = next
	}
}

// components splits a path at its slashes; empty ones and "." say nothing.
func components(path string) []string {
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && part != "." {
			out = append(out, part)
		}
	}
	return out
}

// makeFolder creates a folder, mode 0755 less the umask, and makes it durable: a file in it would be lost with it.
func (d *folder) makeFolder(name string) error {
	if err := d.mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync()
}

// follow replaces the link called name by what it points to. It gives the folder to go on from, which is d again or,
// with d closed, the root folder, and the components still to walk.
func (d *folder) follow(name string, link unix.Stat_t, todo []string) (*folder, []string, error) {
	parent, err := d.stat("")
	if err != nil {
		return d, nil, err
	}
	if !trusted(link.Uid, parent) {
		return d, nil, fmt.Errorf("%s/%s is a symbolic link of user %d in a directory that anybody may write to, and is not followed; remove it if it is not meant", d.path, name, link.Uid)
	}
	target, err := d.readlink(name)
	if err != nil {
		return d, nil, err
	}
	todo = append(components(target), todo...)
	if len(todo) == 0 {
		return d, nil, fmt.Errorf("%s/%s links to %s, which is a directory", d.path, name, target)
	}
	if !strings.HasPrefix(target, "/") {
		return d, todo, nil
	}
	root, err := openFolder(true, d.faults)
	if err != nil {
		return d, nil, err
	}
	d.close()
	return root, todo, nil
}

// trusted tells whether an entry with this owner may be believed to be meant, in this folder. In a folder that anybody
// may write to, such as /tmp, only our own entries and those of the folder's owner are. The kernel has the same rule
// (fs.protected_symlinks, fs.protected_regular), but it can be off, and does not reach into our own following of links.
func trusted(owner uint32, folder unix.Stat_t) bool {
	return folder.Mode&0o002 == 0 || owner == uint32(os.Geteuid()) || owner == folder.Uid
}
