package renderer

import "path/filepath"

// Reject keeps the staged content beside the destination as NAME.rejected, with the destination's owner and mode, for a
// person to look at, and returns where it is: "" when it is not kept, since the destination's folder can't be written to.
// Only the last one is kept. Like Discard it ends the Staged, also when it fails.
func (s *Staged) Reject() (path string, err error) {
	defer s.Discard()
	if s.elsewhere() {
		return "", nil
	}
	as := s.name + ".rejected"
	if err := s.tempDir.rename(s.temp, as); err != nil {
		return "", s.file.explain(err)
	}
	s.temp = ""
	return filepath.Join(s.tempDir.path, as), nil
}
