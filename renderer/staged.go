package renderer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Staged is new content for one destination, complete and durable in a hidden file. Commit or Discard ends it. It
// belongs to one goroutine at a time.
type Staged struct {
	file    File
	dir     *folder // of the destination, links resolved
	name    string  // of the destination in dir
	tempDir *folder // dir, or the system's folder for temporary files where an InPlace destination's can't be written to
	temp    string  // the hidden file in tempDir; "" once it is none of ours any more
	open    *os.File
	content []byte
	mode    uint32       // of the staged file
	old     *unix.Stat_t // what was at the destination when it was staged, nil for nothing
	after   access       // what the destination is going to have, where it is written in place

	warnings []string
}

// Path is where the staged content can be read, by us and at most by those who may read the destination.
func (s *Staged) Path() string { return filepath.Join(s.tempDir.path, s.temp) }

// Destination is the path as it was asked for.
func (s *Staged) Destination() string { return s.file.Path }

// Content is what was staged. It must not be changed.
func (s *Staged) Content() []byte { return s.content }

// Warnings are what a person should know although nothing failed, in whole clauses; complete after Commit.
func (s *Staged) Warnings() []string { return s.warnings }

func (s *Staged) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// write makes the hidden file: owner and mode first, then the content, then all of it durable. old is the destination's
// open file or nil.
func (s *Staged) write(old *os.File) (err error) {
	s.open, s.temp, err = s.dir.createTemp(s.name)
	if err != nil && s.file.InPlace && s.old != nil {
		err = s.stageElsewhere(err)
	}
	if err != nil {
		return err
	}
	if err := s.setAttributes(old); err != nil {
		return err
	}
	if err := s.tempDir.do("write", s.temp, func() error { _, err := s.open.WriteAt(s.content, 0); return err }); err != nil {
		return err
	}
	if s.mode&setIDBits != 0 {
		if err := s.setMode(); err != nil {
			return err
		}
	}
	if s.file.noSync {
		return nil
	}
	return s.tempDir.do("sync", s.temp, s.open.Sync)
}

// stageElsewhere stages in the system's folder for temporary files, as only content written in place can be: such files
// are often mounted into a read-only system. cause is why the destination's own folder won't do.
func (s *Staged) stageElsewhere(cause error) (err error) {
	if !unwritable(cause) {
		return cause
	}
	// A name that nobody can have made a link.
	dir, _, err := locate(filepath.Join(os.TempDir(), rand.Text()), missingFails, s.file.faults)
	if err != nil {
		return cause
	}
	s.tempDir = dir
	s.open, s.temp, err = dir.createTemp(s.name)
	return err
}

// elsewhere tells whether the destination's folder can't be written to, so that nothing can be kept beside the file.
func (s *Staged) elsewhere() bool { return s.tempDir != s.dir }

// unwritable tells whether an error is about a folder in which we may not create files.
func unwritable(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission)
}

// Commit puts the staged content in place of the destination, in one step unless the file is written in place. After an
// error the destination is as it was and the staged file is gone. It is a [Group.Commit] of one file.
func (s *Staged) Commit() error { return new(Group).Commit([]*Staged{s}) }

// swap makes the new content visible.
func (s *Staged) swap() error {
	if s.file.InPlace && s.old != nil {
		return s.overwrite()
	}
	if err := s.dir.rename(s.temp, s.name); err != nil {
		return err
	}
	s.temp = ""
	return nil
}

// Discard removes the staged file and lets go of the destination. It does nothing after Commit.
func (s *Staged) Discard() {
	if s.temp != "" {
		// What stays behind is removed when this destination is staged next.
		_ = s.tempDir.remove(s.temp)
		s.temp = ""
	}
	if s.open != nil {
		s.open.Close()
		s.open = nil
	}
	if s.elsewhere() {
		s.tempDir.close()
	}
	s.dir.close()
}

// backup keeps what is at the destination as NAME.bak, and the older NAME.bak until the commit is done.
func (s *Staged) backup() error {
	if !s.file.Backup {
		return nil
	}
	bak := s.name + ".bak"
	if err := s.dir.keep(bak, hiddenName(s.name, "older"), false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := s.dir.keepVisible(s.name, bak, s.file.InPlace)
	if errors.Is(err, fs.ErrNotExist) {
		s.warn("%s has no backup, since it was not there before", s.file.Path)
		return nil
	}
	return err
}

// forgetOlder removes the NAME.bak that was replaced. One that stays behind is removed when this destination is staged next.
func (s *Staged) forgetOlder() {
	if s.file.Backup {
		_ = s.dir.remove(hiddenName(s.name, "older"))
	}
}

// target is the path that is written to in the end.
func (s *Staged) target() string { return filepath.Join(s.dir.path, s.name) }
