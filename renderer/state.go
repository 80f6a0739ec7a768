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
	// is owed while they differ.
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

// StatePath is where the state file of a group, or of a single destination, is best kept: hidden, beside the file. name
// is the group's name or the destination's own; folder is the destination's.
func StatePath(folder, name string) string {
	return filepath.Join(folder, hiddenName(filepath.Base(name), "state"))
}

// OpenGroup gives the group that the state file describes: a new one when there is none. What a crash has left half
// done is finished, if the last file was in place already, or undone. A damaged state file is warned of, and taken to
// mean that a reload is owed. The state file has mode 0600 and is replaced in one step.
func OpenGroup(path string) (*Group, error) { return openGroup(path, nil) }

func openGroup(path string, faults *faults) (*Group, error) {
	g := &Group{path: path, faults: faults}
	if err := g.load(); err != nil {
		return nil, err
	}
	if err := g.recover(); err != nil {
		return nil, fmt.Errorf("the group of %s: finishing what was interrupted: %w", path, err)
	}
	for _, m := range g.state.Members {
		if err := m.tidy(g.faults); err != nil {
			g.warn("a hidden file is left beside %s: %v", m.Path, err)
		}
	}
	return g, nil
}

// stateFile need not survive a power cut when it only says that a reload is owed: then every service starts anew.
func (g *Group) stateFile() File {
	return File{Path: g.path, Mode: 0o600, called: "state file", noSync: !g.state.durable, faults: g.faults}
}

func (g *Group) load() error {
	f := g.stateFile()
	dir, name, err := locate(f.Path, missingIsFine, f.faults)
	if err != nil {
		return fmt.Errorf("state file %s: %w", g.path, err)
	}
	defer dir.close()
	if name == "" {
		return nil
	}
	open, info, err := f.existing(dir, name)
	if err != nil || open == nil {
		return f.explain(err)
	}
	defer open.Close()
	// It says which files to rename and remove, so nobody else may have had a say in it.
	if info.Uid != uint32(os.Geteuid()) || info.Mode&0o022 != 0 {
		return fmt.Errorf("state file %s: belongs to user %d with mode %04o, and others could have written it; remove it", g.path, info.Uid, info.Mode&0o7777)
	}
	content, err := io.ReadAll(open)
	if err != nil {
		return fmt.Errorf("state file %s: %w", g.path, err)
	}
	var s state
	if json.Unmarshal(content, &s) != nil || !s.valid() {
		g.warn("the state file %s is damaged or of another version; the reload is taken to be owed", g.path)
		g.state.Rendered = "unknown"
		return nil
	}
	g.state = s
	g.state.durable = s.Phase != idle
	return nil
}

func (s *state) valid() bool {
	return s.Version == stateVersion && !slices.ContainsFunc(s.Members, func(m *member) bool {
		return m == nil || !filepath.IsAbs(m.Path) || strings.HasSuffix(m.Path, "/")
	})
}

func (g *Group) save() error {
	if g.path == "" {
		return nil
	}
	g.state.Version = stateVersion
	content, err := json.MarshalIndent(g.state, "", "  ")
	if err != nil {
		return err
	}
	s, err := g.stateFile().Stage(append(content, '\n'))
	if err != nil || s == nil {
		return err
	}
	defer s.Discard()
	if err := s.swap(); err != nil || !g.state.durable {
		return s.file.explain(err)
	}
	return s.dir.sync()
}
