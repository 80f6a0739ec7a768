package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lictor/internal/realpath"
)

// A mirror is the folder that the checks of a group look at. Below it lies what lies below the root, as it is going to be
// after the commit: each folder on the way to a file of the group is a folder of links to all that the real one has, and the
// group's files are links to what is staged. So a file may name any other by a relative path, and a pattern finds all that
// it would find, whether the group has it or not.
type mirror struct {
	root string
	// instead says what a link leads to, where that is not what is there now, by the real path of that.
	instead map[string]string
	// without are the names that are left out: what we keep beside our files.
	without map[string]bool
}

// maxMirrored is how many entries a folder may have, so that a check of a file in a huge folder does not take long to
// prepare.
const maxMirrored = 4000

// layOut makes the mirror.
func (r *Runner) layOut(g *Group) (err error) {
	if g.checked, err = g.makeStagedFolder(); err != nil {
		return err
	}
	if g.checked, err = filepath.Abs(g.checked); err != nil { // its links must lead there from wherever they are
		return err
	}
	m := mirror{root: g.checked, instead: map[string]string{}, without: map[string]bool{}}
	holds := map[string]bool{} // the folders below the root, and whether a file of the group is in them
	for _, j := range g.Jobs {
		if j.Path == "" {
			continue
		}
		path, err := m.place(j)
		if err != nil {
			return err
		}
		folder := filepath.Dir(path)
		holds[folder] = true
		for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
			if _, known := holds[folder]; !known {
				holds[folder] = false
			}
			m.instead[realpath.Of(folder)] = filepath.Join(m.root, folder)
		}
	}
	delete(holds, "/")
	for folder, some := range holds {
		whole, err := m.fill(folder)
		if err != nil {
			return err
		}
		if whole != nil && some && !g.partial {
			g.partial = true
			r.Log.Warn("a check of the group sees nothing of this folder but the group's own files", "group", g.Name, "folder", folder, "error", whole)
		}
	}
	return nil
}

// place puts a file of the group into the mirror, and returns its path.
func (m *mirror) place(j *Job) (string, error) {
	path, err := filepath.Abs(j.Path)
	if err != nil {
		return "", err
	}
	content := path
	if j.staged != nil {
		if content, err = filepath.Abs(j.staged.Path()); err != nil {
			return "", err
		}
	}
	real := realpath.Of(path)
	m.instead[real] = content
	m.without[real+".bak"], m.without[real+".rejected"] = true, true
	link := filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return "", err
	}
	return path, os.Symlink(content, link)
}

// fill links what a folder has beside the files of the group. It says in whole why it does not, where the folder can't be
// read or is too large. What comes or goes meanwhile is linked or not, as a program sees it or not that reads the folder then.
func (m *mirror) fill(folder string) (whole, err error) {
	f, err := os.Open(folder)
	if err != nil {
		return err, nil
	}
	defer f.Close()
	entries, err := f.ReadDir(maxMirrored + 1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err, nil
	case len(entries) > maxMirrored:
		return fmt.Errorf("it has more than %d entries", maxMirrored), nil
	}
	real := realpath.Of(folder)
	for _, e := range entries {
		path, is := filepath.Join(folder, e.Name()), filepath.Join(real, e.Name())
		if isOurs(e.Name()) || m.without[is] {
			continue
		}
		if e.Type() == fs.ModeSymlink {
			is = realpath.Of(path)
		}
		if instead, ok := m.instead[is]; ok {
			path = instead
		}
		if err := os.Symlink(path, filepath.Join(m.root, folder, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) { // which is of the group
			return nil, err
		}
	}
	return nil, nil
}

// isOurs tells whether a file is one of those that we keep beside destinations, or a mirror.
func isOurs(name string) bool {
	return strings.HasPrefix(name, ".") && strings.Contains(name, ".lictor-") || strings.HasPrefix(name, stagedFolder)
}
