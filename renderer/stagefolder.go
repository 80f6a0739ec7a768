package renderer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// StageFolder lays out the group's files as they would be after staged was committed, in a private folder, for one
// check of them all: each at its path below the deepest folder that all have in common. Files that are not there yet
// and not staged are left out. remove takes the folder away again and must be called unless there was an error.
func (g *Group) StageFolder(files []File, staged []*Staged) (path string, remove func() error, err error) {
	path, err = g.makeStageFolder()
	if err != nil {
		return "", nil, fmt.Errorf("staging the group: %w", err)
	}
	remove = func() error { return os.RemoveAll(path) }
	defer func() {
		if err != nil {
			_ = remove()
		}
	}()
	contents := make(map[string][]byte, len(staged))
	for _, s := range staged {
		contents[s.file.Path] = s.content
	}
	common, err := commonFolder(files)
	if err != nil {
		return "", nil, err
	}
	for _, f := range files {
		content, ok := contents[f.Path]
		if !ok {
			if content, err = f.Current(); err != nil {
				return "", nil, err
			}
			if content == nil {
				continue
			}
		}
		if err := writeBelow(path, common, f, content); err != nil {
			return "", nil, fmt.Errorf("staging the group: %w", err)
		}
	}
	return path, remove, nil
}

// makeStageFolder makes an empty folder that only we can enter: beside the state file, where what a crash has left of
// it is replaced the next time, or else where temporary files are.
func (g *Group) makeStageFolder() (string, error) {
	if g.path == "" {
		return os.MkdirTemp("", "lictor-stage-")
	}
	path := strings.TrimSuffix(g.path, "-state") + "-stage"
	if err := os.RemoveAll(path); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.Mkdir(path, 0o700) // not MkdirAll: it must be ours
}

func writeBelow(folder, common string, f File, content []byte) error {
	abs, err := filepath.Abs(f.Path)
	if err != nil {
		return err
	}
	below, err := filepath.Rel(common, abs)
	if err != nil {
		return err
	}
	to := filepath.Join(folder, below)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	mode := f.Mode.Perm()
	if mode == 0 {
		mode = defaultMode
	}
	return os.WriteFile(to, content, mode&fs.ModePerm)
}

// commonFolder is the deepest folder that all the files are below.
func commonFolder(files []File) (string, error) {
	common := ""
	for i, f := range files {
		abs, err := filepath.Abs(f.Path)
		if err != nil {
			return "", err
		}
		dir := filepath.Dir(abs)
		if i == 0 {
			common = dir
		}
		for common != "/" && dir != common && !strings.HasPrefix(dir, common+"/") {
			common = filepath.Dir(common)
		}
	}
	return common, nil
}
