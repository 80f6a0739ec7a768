// Package renderer puts rendered content where it belongs, so that a reader of the destination sees the whole old
// content or the whole new, never anything between, whatever happens to the program or the machine.
//
// One file goes through [File.Stage], a check by the caller, and [Staged.Commit]. Files that belong together, and
// contents that may have to come back when a reload fails, go through a [Group], which commits several Staged at once.
// docs/destinations.md says what happens to modes, owners, links and backups, and what each error means.
package renderer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A File says where rendered content goes, and as what.
type File struct {
	// Path is the destination. Symbolic links are followed and kept: the file at their end is replaced.
	Path string
	// Mode is what the file gets: permission bits, and set-id bits as numbers (04755) or in the fs package's way. 0
	// keeps the mode of an existing file and gives a new one 0644, whatever the umask. It is not applied when the
	// destination already has the content, unless the file is to be Exact.
	Mode fs.FileMode
	// User and Group are names or numbers; "" keeps the owner of an existing file and leaves a new one to the system.
	User, Group string
	// Backup keeps the replaced file as Path.bak, beside the file that was replaced: one generation.
	Backup bool
	// NoMakeDirs makes a missing folder an error. Otherwise it is created, with mode 0755 less the umask.
	NoMakeDirs bool
	// InPlace writes into the existing file instead of replacing it. This is not atomic: a reader may see a mix of old
	// and new for a moment, and a crash can leave one. It is the only way where the file itself is a mount point, as
	// with Docker's bind mount of a single file.
	InPlace bool
	// Exact applies Mode, User and Group also when the destination has the content already.
	Exact bool
	// Called is what errors call the file; "" is a destination.
	Called string

	noSync bool    // it need not survive a power cut
	faults *faults // tests only
}

// Stage writes content to a hidden file in the destination's folder, with the final owner and mode, ready to be checked
// at [Staged.Path] and then committed or discarded: one of the two must be called. Staged and error are both nil when
// the destination already has this content; then nothing is written. Content must not change before the commit.
//
// The destination is untouched, also by errors; the hidden file is gone after an error.
func (f File) Stage(content []byte) (*Staged, error) {
	s, err := f.stage(content)
	if err != nil {
		return nil, f.explain(err)
	}
	return s, nil
}

func (f File) stage(content []byte) (_ *Staged, err error) {
	m := missingIsCreated
	if f.NoMakeDirs {
		m = missingFails
	}
	dir, name, err := locate(f.Path, m, f.faults)
	if err != nil {
		return nil, err
	}
	s := &Staged{file: f, dir: dir, name: name, tempDir: dir, content: content}
	done := false
	defer func() {
		if !done {
			s.Discard()
		}
	}()
	old, info, err := f.existing(dir, name)
	if err != nil {
		return nil, err
	}
	if old != nil {
		defer old.Close()
		s.old = info
		same, err := hasContent(old, info.Size, content)
		if same && f.Exact {
			same, err = f.hasAccess(info)
		}
		if same {
			dir.sweep(name, 0)
		}
		if same || err != nil {
			return nil, err
		}
	}
	if err := s.write(old); err != nil {
		return nil, err
	}
	done = true
	return s, nil
}

// existing opens what is at the destination and describes it; nil, nil, nil when nothing is there. What can't be
// replaced is an error. A file that somebody else could have put there counts for nothing where it is going to be replaced:
// neither its content nor its mode and access list are what anybody here has asked for.
func (f File) existing(dir *folder, name string) (*os.File, *unix.Stat_t, error) {
	info, err := dir.stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if counts, err := f.replaceable(dir, name, info); err != nil || !counts {
		return nil, nil, err
	}
	old, err := dir.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	// The name may have come to mean something else since: only what is open counts.
	if err := unix.Fstat(int(old.Fd()), &info); err != nil {
		old.Close()
		return nil, nil, err
	}
	if counts, err := f.replaceable(dir, name, info); err != nil || !counts {
		old.Close()
		return nil, nil, err
	}
	return old, &info, nil
}

// replaceable says why what is at the destination can not be replaced by a file, if it can't, and whether what is there counts.
func (f File) replaceable(dir *folder, name string, info unix.Stat_t) (counts bool, err error) {
	if info.Mode&unix.S_IFMT != unix.S_IFREG {
		return false, notAFile(info.Mode)
	}
	parent, err := dir.stat("")
	if err != nil {
		return false, err
	}
	theirs := !trusted(info.Uid, parent)
	if theirs && !f.givenTo(info.Uid) {
		hint := ""
		if f.Called == "" {
			hint = ", or set user and leave out in_place"
		}
		return false, fmt.Errorf("is a file of user %d in a directory that anybody may write to, and that user would be given the content; remove it%s", info.Uid, hint)
	}
	if !f.InPlace && dir.isMountPoint(name) {
		return false, errMountPoint
	}
	return f.InPlace || !theirs, nil
}

// givenTo tells whether an untrusted owner of an existing file does no harm: the content is for that user anyway, or the
// file is going to be replaced by one of another user. What is written in place may be read by who has it open.
func (f File) givenTo(owner uint32) bool {
	if f.User == "" {
		return false
	}
	uid, _, err := f.owner(nil)
	return !f.InPlace || err == nil && uid == int(owner)
}

func notAFile(mode uint32) error {
	return fmt.Errorf("is a %s, and must be a regular file, or not there yet", typeName(mode))
}

func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFBLK, unix.S_IFCHR:
		return "device"
	case unix.S_IFLNK:
		return "symbolic link that was put there just now"
	}
	return "special file"
}

// hasContent tells whether the open file of this size holds exactly content.
func hasContent(f *os.File, size int64, content []byte) (bool, error) {
	if size != int64(len(content)) {
		return false, nil
	}
	current, err := io.ReadAll(io.LimitReader(f, size+1))
	return bytes.Equal(current, content), err
}

// hasAccess tells whether a file has the mode and the owner that are asked for.
func (f File) hasAccess(info *unix.Stat_t) (bool, error) {
	want, err := f.access(info)
	return want == access{int(info.Uid), int(info.Gid), info.Mode & 0o7777}, err
}

// Current reads the destination as it is: nil when it isn't there, empty but not nil when it is empty.
func (f File) Current() ([]byte, error) {
	dir, name, err := locate(f.Path, missingIsFine, f.faults)
	if err != nil {
		return nil, f.explain(err)
	}
	defer dir.close()
	if name == "" {
		return nil, nil
	}
	old, _, err := f.existing(dir, name)
	if err != nil || old == nil {
		return nil, f.explain(err)
	}
	defer old.Close()
	current, err := io.ReadAll(old)
	return current, f.explain(err)
}
