package renderer

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Reject keeps the staged content beside the destination as NAME.rejected, with the destination's owner and mode, for a
// person to look at, and returns where it is: "" when it is not kept, since the destination's folder can't be written to.
// Only the last one is kept. Like Discard it ends the Staged, also when it fails.
func (s *Staged) Reject() (path string, err error) {
	defer s.Discard()
	if s.elsewhere() {
		return "", nil
	}
	as := rejectedName(s.name)
	if err := s.tempDir.rename(s.temp, as); err != nil {
		return "", s.file.explain(err)
	}
	s.temp = ""
	return filepath.Join(s.tempDir.path, as), nil
}

func rejectedName(name string) string { return name + ".rejected" }

// DropRejected removes what was kept as NAME.rejected beside the destination at path, if anything was.
func DropRejected(path string) error {
	f := File{Path: path}
	dir, name, err := locate(path, missingIsFine, nil)
	if err != nil {
		return f.explain(err)
	}
	defer dir.close()
	if name == "" {
		return nil
	}
	if err := dir.remove(rejectedName(name)); !errors.Is(err, unix.ENAMETOOLONG) { // nothing can have been kept by such a name
		return f.explain(err)
	}
	return nil
}
