package renderer

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const stateVersion = 1

// A state is what a group's state file holds. It names files and hashes, never a content.
type state struct {
	Version int `json:"version"`
	// Rendered identifies what was committed last, Applied what the service is known to have taken over last. A reload
	// is pending while they differ.
	Rendered string `json:"rendered"`
	Applied  string `json:"applied"`
	// Phase is what is being done to the files, and Next, while committing, what Rendered is going to be.
	Phase   phase     `json:"phase,omitempty"`
	Next    string    `json:"next,omitempty"`
	Members []*member `json:"files"`

	durable bool // what is under way has to be known also after a power cut
}

type phase string

const (
	idle        phase = ""
	committing  phase = "commit"
	rollingBack phase = "rollback"
)

// stateFile need not survive a power cut when it only says that a reload is pending: then every service starts anew.
func (g *Group) stateFile() File {
	return File{Path: g.path, Mode: 0o600, Called: "state file", noSync: !g.state.durable, faults: g.faults}
}

// readState reads the state file that a path leads to; nil when there is none. The group's path is the file's own.
func readState(path string, faults *faults) (*Group, error) {
	dir, name, err := locate(path, missingIsFine, faults)
	if err != nil {
		return nil, fmt.Errorf("state file %s: %w", path, err)
	}
	defer dir.close()
	if name == "" {
		return nil, nil
	}
	g := &Group{path: filepath.Join(dir.path, name), faults: faults}
	there, err := g.load(dir, name)
	if err != nil || !there {
		return nil, err
	}
	return g, nil
}

func (g *Group) load(dir *folder, name string) (there bool, err error) {
	f := g.stateFile()
	open, info, err := f.existing(dir, name)
	if err != nil || open == nil {
		return false, f.explain(err)
	}
	defer open.Close()
	// It says which files to rename and remove, so nobody else may have had a say in it.
	if info.Uid != uint32(os.Geteuid()) || info.Mode&0o022 != 0 {
		return false, fmt.Errorf("state file %s: belongs to user %d with mode %04o, and others could have written it; remove it", g.path, info.Uid, info.Mode&0o7777)
	}
	content, err := io.ReadAll(open)
	if err != nil {
		return false, fmt.Errorf("state file %s: %w", g.path, err)
	}
	var s state
	if json.Unmarshal(content, &s) != nil || !s.valid() {
		g.warn("the state file %s is damaged or of another version; the reload is taken to be pending", g.path)
		g.state.Rendered = "unknown"
		return true, nil
	}
	g.state, g.saved = s, string(content)
	g.state.durable = s.Phase != idle
	return true, nil
}

func (s *state) valid() bool {
	return s.Version == stateVersion && !slices.ContainsFunc(s.Members, func(m *member) bool {
		return m == nil || !filepath.IsAbs(m.Path) || strings.HasSuffix(m.Path, "/")
	})
}

// save writes the state file. After an error it is not known what that says, until it is saved again.
func (g *Group) save() error {
	if g.path == "" {
		return nil
	}
	g.state.Version = stateVersion
	content, err := json.MarshalIndent(g.state, "", "  ")
	if err != nil {
		return err
	}
	g.dirty = true
	dir, name, err := openParent(g.path, g.faults)
	if err != nil {
		return g.stateFile().explain(err)
	}
	// A link that is there is replaced, not followed.
	s := &Staged{file: g.stateFile(), dir: dir, tempDir: dir, name: name, content: append(content, '\n')}
	defer s.Discard()
	if err := s.write(nil); err != nil {
		return s.file.explain(err)
	}
	if err := s.swap(); err != nil {
		return s.file.explain(err)
	}
	g.saved = string(s.content)
	if g.state.durable {
		if err := s.dir.sync(); err != nil {
			return s.file.explain(err)
		}
	}
	g.dirty = false
	return nil
}

// openParent opens the folder of a path that has no links on the way.
func openParent(path string, faults *faults) (dir *folder, name string, err error) {
	dir, err = openFolder(true, faults)
	todo := components(path)
	for ; err == nil && len(todo) > 1; todo = todo[1:] {
		var next *folder
		next, err = dir.enter(todo[0])
		dir.close()
		dir = next
	}
	if err != nil {
		dir.close()
		return nil, "", err
	}
	return dir, todo[0], nil
}
