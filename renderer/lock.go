package renderer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long one program waits for what another does to the files of the same group.
const lockWait = 5 * time.Second

// enter keeps other programs from doing anything to the group's files until leave is called. What the state file says is
// then what we know: changed tells that another program has written it since we looked last, and what we have saved in vain
// before is saved now.
func (g *Group) enter() (leave func(), changed bool, err error) {
	leave, err = lockState(g.path, g.faults)
	if err != nil {
		return nil, false, err
	}
	other, err := g.writtenByOthers()
	if other != nil {
		g.state, g.saved, g.dirty = other.state, other.saved, false
	}
	if err == nil && g.dirty && g.state.Phase == idle { // else it is when the files are recovered
		if err = g.save(); err == nil {
			g.state.durable = false
		}
	}
	if err != nil {
		leave()
	}
	return leave, other != nil, err
}

// enterWhole is enter for what replaces files: not where another program has, or where they may be some old and some new.
func (g *Group) enterWhole() (leave func(), err error) {
	leave, changed, err := g.enter()
	switch {
	case err != nil:
		return nil, err
	case changed:
		err = errChanged
	case g.Interrupted():
		err = errInterrupted
	}
	if err != nil {
		leave()
	}
	return leave, err
}

// writtenByOthers is what another program has written to the state file, nil for nothing that could be believed, or that is
// about other files.
func (g *Group) writtenByOthers() (*Group, error) {
	if g.path == "" {
		return nil, nil
	}
	other, err := readState(g.path, g.faults)
	if err != nil || other == nil || other.path != g.path || other.saved == "" || other.saved == g.saved {
		return nil, err
	}
	if !slices.ContainsFunc(other.state.Members, func(m *member) bool { return g.find(m.Path) != nil || slices.Contains(g.files, m.Path) }) {
		return nil, nil
	}
	return other, nil
}

// lockState locks the state file with this path, by a hidden file beside it that is there meanwhile; the state file itself
// is another one each time that it is written. Where there can be no such file, or no locks, there is none.
func lockState(path string, faults *faults) (unlock func(), err error) {
	none := func() {}
	if path == "" {
		return none, nil
	}
	dir, name, err := openParent(path, faults)
	if err != nil {
		return none, nil // nothing can be done there, as will be seen
	}
	name = strings.TrimSuffix(name, "-state") + "-lock"
	f, err := dir.lockFile(name)
	if f == nil {
		dir.close()
		return none, err
	}
	return func() {
		_ = dir.remove(name) // first, so that who waits for it makes another one; what stays behind is used the next time
		f.Close()
		dir.close()
	}, nil
}

// lockFile makes a file, or takes the one that is there, and locks it; nil where that can't be done. It waits when another
// program has it.
func (d *folder) lockFile(name string) (*os.File, error) {
	for end := time.Now().Add(lockWait); ; time.Sleep(lockWait / 500) {
		f, err := d.open(name, unix.O_RDWR|unix.O_CREAT)
		if err != nil {
			return nil, nil
		}
		if lock(f) {
			return f, nil
		}
		f.Close()
		if time.Now().After(end) {
			return nil, fmt.Errorf("another program has locked %s for more than %s; is a second lictor stuck?", filepath.Join(d.path, name), lockWait)
		}
	}
}
