package renderer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A member is what a group's state file says about one of its files. All its work may be done again, any number of
// times, so that it can be stopped at any point.
type member struct {
	// Path is where the file is, all links resolved.
	Path string `json:"path"`
	// InPlace says that the file is written into, not replaced.
	InPlace bool `json:"in_place,omitempty"`
	// Access is what a file that is written in place is going to have, once it has the content.
	Access access `json:"access,omitzero"`
	// Hash is the SHA-256 of the content that was committed last.
	Hash string `json:"hash,omitempty"`
	// Next is the same of the content that is being committed; it is set only meanwhile.
	Next string `json:"next,omitempty"`
	// Undo is what the commit under way replaces.
	Undo kept `json:"undo,omitempty"`
	// Previous is what a rollback would bring back: the content that was confirmed last.
	Previous kept `json:"previous,omitempty"`
	// Rejected is the hash of the content that was rolled back last, until another one is committed.
	Rejected string `json:"rejected,omitempty"`

	held *held // what the commit under way writes over, where Undo is lost
}

// held is what a file was like, in memory.
type held struct {
	content []byte
	access  access
}

// kept says what is kept of an earlier state of a file.
type kept string

const (
	nothing kept = ""       // there is no way back
	aFile   kept = "file"   // the file, as .NAME.lictor-undo or .NAME.lictor-previous
	absence kept = "absent" // there was no file
	lost    kept = "lost"   // there was a file, beside which nothing could be kept; there is a way back only as long as we live
)

// at does something in the member's folder. A folder that is gone has nothing that could be undone.
func (m *member) at(faults *faults, do func(d *folder, name string) error) error {
	dir, name, err := locate(m.Path, missingIsFine, faults)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	defer dir.close()
	if name == "" {
		return nil
	}
	return do(dir, name)
}

// keepUndo keeps what is at the destination for undo.
func (m *member) keepUndo(s *Staged) error {
	if s.elsewhere() {
		m.Undo = lost
		return m.hold(s)
	}
	err := s.dir.keep(s.name, hiddenName(s.name, "undo"), s.file.InPlace)
	switch {
	case err == nil:
		m.Undo = aFile // and not before: a copy that failed may still be there
	case errors.Is(err, fs.ErrNotExist):
		m.Undo, err = absence, nil
	}
	return err
}

// hold keeps what is at the destination in memory.
func (m *member) hold(s *Staged) error {
	f, err := s.dir.open(s.name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	was, err := accessOf(f)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(f)
	m.held = &held{content, was}
	return err
}

// unhold puts what is held back to the destination.
func (m *member) unhold(d *folder, name string) error {
	f, err := d.open(name, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.overwrite(name, f, m.held.content, m.held.access)
}

// isNext tells whether the destination has the content that is being committed. A crash may have come before a file that
// is written in place got its access.
func (m *member) isNext(faults *faults) (is bool, err error) {
	err = m.at(faults, func(d *folder, name string) error {
		is, err = d.hasHash(name, m.Next)
		if err != nil || !is || m.Access == (access{}) {
			return err
		}
		f, err := d.open(name, unix.O_RDONLY)
		if err != nil {
			return err
		}
		defer f.Close()
		return d.setAccess(name, f, m.Access)
	})
	return is, err
}

// undo brings back what the commit under way has replaced, and drops what it has kept.
func (m *member) undo(faults *faults) error {
	return m.at(faults, func(d *folder, name string) error {
		undo := hiddenName(name, "undo")
		ours, err := d.hasHash(name, m.Next)
		if err == nil {
			err = d.restore(name+".bak", hiddenName(name, "older"), false)
		}
		switch {
		case err != nil:
			return err
		case m.held != nil:
			return m.unhold(d, name)
		case m.Undo == aFile && (ours || m.InPlace):
			return errors.Join(d.restore(name, undo, m.InPlace), d.sync())
		case m.Undo == absence && ours:
			return errors.Join(d.remove(name), d.sync())
		}
		return errors.Join(d.remove(undo), d.sync()) // it may have been restored before, and not been synced
	})
}

// promote turns what was kept for undoing the commit into what a rollback would bring back. What an earlier commit has
// kept stays, since nothing later was confirmed. After an error there may be no way back.
func (m *member) promote(faults *faults) error {
	if m.Undo == nothing {
		return nil
	}
	first := m.Previous == nothing
	if first {
		m.Previous = m.Undo
	}
	err := m.at(faults, func(d *folder, name string) error {
		undo := hiddenName(name, "undo")
		if !first || m.Undo != aFile {
			return d.remove(undo)
		}
		if err := d.rename(undo, hiddenName(name, "previous")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil && first && m.Undo == aFile {
		m.Previous = lost // what has this name may be something older
	}
	return err
}

// canRollBack is an error where rollBack could not begin.
func (m *member) canRollBack(faults *faults) error {
	if m.Previous != aFile {
		return nil
	}
	there := false
	err := m.at(faults, func(d *folder, name string) error {
		_, err := d.stat(hiddenName(name, "previous"))
		there = err == nil
		return err
	})
	if !there && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("the previous content of %s is gone: somebody has removed it", m.Path)
	}
	return err
}

// rollBack brings back the previous content, and keeps the present one as NAME.rejected; unkept is why it could not be
// kept, which is of less importance.
func (m *member) rollBack(faults *faults) (unkept, err error) {
	if m.Previous == nothing {
		return nil, nil
	}
	err = m.at(faults, func(d *folder, name string) error {
		previous := hiddenName(name, "previous")
		if m.Previous == absence {
			err := d.rename(name, rejectedName(name))
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			if err != nil {
				unkept, err = err, d.remove(name)
			}
			return errors.Join(err, d.sync())
		}
		if _, err := d.stat(previous); errors.Is(err, fs.ErrNotExist) {
			return d.sync() // it is back already: it was there when the rollback began
		}
		// What is there is torn when a crash interrupted us in bringing back the previous content in place.
		whole, err := d.hasHash(name, m.Hash)
		if err == nil && (whole || !m.InPlace) {
			err = d.keepVisible(name, rejectedName(name), m.InPlace)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			unkept = err
		}
		return errors.Join(d.restore(name, previous, m.InPlace), d.sync())
	})
	return unkept, err
}

// tidy removes the hidden files that the member's state has no use for.
func (m *member) tidy(faults *faults) error {
	return m.at(faults, func(d *folder, name string) error {
		return cmp.Or(
			d.removeIf(m.Undo != aFile, hiddenName(name, "undo")),
			d.removeIf(m.Previous != aFile, hiddenName(name, "previous")),
			d.remove(hiddenName(name, "keep")),
			d.remove(hiddenName(name, "older")))
	})
}

func (d *folder) removeIf(yes bool, name string) error {
	if !yes {
		return nil
	}
	return d.remove(name)
}

// hasHash tells whether there is a regular file with a content of this hash.
func (d *folder) hasHash(name, want string) (bool, error) {
	f, err := d.open(name, unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	content, err := io.ReadAll(f)
	return hash(content) == want, err
}
