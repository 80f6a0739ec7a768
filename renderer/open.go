package renderer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Where a group's state is: the file .NAME.lictor-state lies beside the first of its files, in the order of their paths,
// and beside each of the others a symbolic link of that kind leads to it. So it is found from any of its files, whichever
// group that belongs to by then, and every destination has a name of its own for it.

// Open comes before anything is staged, each time. First it reads what earlier runs have noted about the group's files, in
// whichever groups these were. What a crash has left half done is finished, if all files of that commit were in place
// already, or undone. What is pending for one of the files is pending for the group. A damaged state file is warned of, and taken to
// mean that a reload is pending. Later it does the same with what this run has left half done, or another program has done
// meanwhile. Rendered is another one when that has changed the files. After an error nothing is to be staged, and Open may be
// called again.
func (g *Group) Open() error {
	if !g.opened {
		g.unrecovered = false
		err := g.recall()
		if err != nil && g.Remember {
			return err
		}
		if err != nil { // then it is only of use for recovering
			g.warn("what an earlier run has noted is passed over: %v", err)
			g.unrecovered = false
		}
		g.opened = true
	}
	return g.recover()
}

func (g *Group) recall() error {
	files, err := g.resolve()
	if err != nil || len(files) == 0 {
		return err
	}
	g.files = files
	noted, err := g.earlier(files)
	if err != nil || !g.Remember {
		return err
	}
	return g.takeOver(files, noted)
}

// resolve tells which paths the destinations lead to, in order, without those whose folder is not there yet. That one leads
// nowhere is told when it is staged, where nothing is to be remembered.
func (g *Group) resolve() ([]string, error) {
	var files []string
	for _, path := range g.Destinations {
		file, err := real(path, g.faults)
		if err != nil && g.Remember {
			return nil, File{Path: path}.explain(err)
		}
		if file != "" {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// real is the path that path leads to in the end, "" when that is in a folder that is not there.
func real(path string, faults *faults) (string, error) {
	dir, name, err := locate(path, missingIsFine, faults)
	defer dir.close()
	if err != nil || name == "" {
		return "", err
	}
	return filepath.Join(dir.path, name), nil
}

// statePath is the name that a file has for its state, or for the link to it.
func statePath(file string) string {
	return filepath.Join(filepath.Dir(file), hiddenName(filepath.Base(file), "state"))
}

// earlier reads the states that speak of the files, and ends what is under way in any of them.
func (g *Group) earlier(files []string) ([]*Group, error) {
	var noted []*Group
	for _, file := range files {
		e, err := readState(statePath(file), g.faults)
		if err != nil {
			return nil, err
		}
		known := e != nil && slices.ContainsFunc(noted, func(o *Group) bool { return o.path == e.path })
		if e == nil || known || len(e.state.Members) > 0 && e.find(file) == nil { // a damaged one has none
			continue
		}
		noted = append(noted, e)
		err = e.endEarlier()
		g.warnings = append(g.warnings, e.Warnings()...)
		if err != nil {
			g.unrecovered = e.Interrupted()
			return nil, fmt.Errorf("finishing what %s says was interrupted: %w", e.path, err)
		}
	}
	return noted, nil
}

// endEarlier ends what is under way in a state that was read, unless another program is just about it.
func (g *Group) endEarlier() error {
	leave, _, err := g.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := g.finishOrUndo(); err != nil {
		return err
	}
	if g.dirty {
		if err := g.save(); err != nil {
			return err
		}
	}
	for _, m := range g.state.Members {
		if err := m.tidy(g.faults); err != nil {
			g.warn("a hidden file is left beside %s: %v", m.Path, err)
		}
	}
	return nil
}

// takeOver makes one state of what was noted about the group's files, and has those that were in a group with them take
// their part along. Whenever it is interrupted, each file leads to a state that knows about it.
func (g *Group) takeOver(files []string, noted []*Group) error {
	if g.path = statePath(files[0]); len(noted) == 0 {
		return nil
	}
	one := state{durable: true}
	pending, rendered := false, sha256.New()
	for _, e := range noted {
		pending = pending || e.Pending()
		fmt.Fprintln(rendered, e.state.Rendered)
		for _, m := range e.state.Members {
			ours := slices.Contains(files, m.Path)
			other, err := e.isTakenOver(m)
			switch {
			case ours && err != nil:
				return err
			case other || err != nil:
			case ours:
				one.Members = append(one.Members, m)
			case !e.has(m):
				g.let(m, e)
			}
		}
	}
	if e := noted[0]; len(noted) == 1 && e.path == g.path && len(e.state.Members) == len(one.Members) {
		g.state, g.saved = e.state, e.saved
		return nil
	}
	unlock, err := lockState(g.path, g.faults)
	if err != nil {
		return err
	}
	defer unlock()
	slices.SortFunc(one.Members, byPath)
	one.Rendered = hex.EncodeToString(rendered.Sum(nil))
	if !pending {
		one.Applied = one.Rendered
	}
	g.state = one
	if err := g.save(); err != nil {
		return err
	}
	g.state.durable = false
	return errors.Join(g.clear(noted), g.point(files))
}

// isTakenOver tells whether a member of this state leads to another one, which then counts.
func (g *Group) isTakenOver(m *member) (bool, error) {
	e, err := readState(statePath(m.Path), g.faults)
	return e != nil && e.path != g.path, err
}

// has tells whether the state is beside this member, and not only a link to it.
func (g *Group) has(m *member) bool { return statePath(m.Path) == g.path }

// let has a file that is noted in another state, and is in another group now or in none, leave with a state of its own,
// where there is something to be noted. That it can't must not keep the others from being rendered.
func (g *Group) let(m *member, e *Group) {
	own := &Group{path: statePath(m.Path), state: e.state, faults: e.faults}
	own.state.Members, own.state.durable = []*member{m}, true
	var err error
	if own.Pending() || m.Rejected != "" {
		err = own.save()
	} else {
		err = removePath(own.path, own.faults)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // or its folder is gone
		g.warn("what was noted about %s, which is in another group now or in none, is forgotten, also that a reload is pending: %v", m.Path, err)
	}
}

// clear removes the states that nobody needs any more.
func (g *Group) clear(noted []*Group) error {
	for _, e := range noted {
		if e.path == g.path || len(e.state.Members) == 0 || slices.ContainsFunc(e.state.Members, e.has) {
			continue
		}
		if err := removePath(e.path, g.faults); err != nil && !unwritable(err) {
			return err
		}
	}
	return nil
}

func removePath(path string, faults *faults) error {
	dir, name, err := openParent(path, faults)
	if err != nil {
		return err
	}
	defer dir.close()
	return dir.remove(name)
}

// settleDown chooses where the state is to be, when none of the files had a folder yet.
func (g *Group) settleDown(files []*Staged) {
	if g.Remember && g.path == "" {
		g.path = statePath(slices.MinFunc(files, func(a, b *Staged) int { return strings.Compare(a.target(), b.target()) }).target())
	}
}

// pointHere has all the files lead to the state.
func (g *Group) pointHere(files []*Staged) error {
	if !g.Remember {
		return nil
	}
	var paths []string
	for _, s := range files {
		paths = append(paths, s.target())
	}
	for _, m := range g.state.Members {
		paths = append(paths, m.Path)
	}
	return g.point(paths)
}

// point has a link beside each of the files lead to the state. Where there can be none the state is found from the others.
func (g *Group) point(files []string) error {
	for _, file := range files {
		if statePath(file) == g.path {
			continue
		}
		dir, name, err := openParent(statePath(file), g.faults)
		if err == nil {
			err = dir.linkTo(g.path, name)
			dir.close()
		}
		if err != nil && !unwritable(err) && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("state file %s: %w", statePath(file), err)
		}
	}
	return nil
}

// linkTo makes the entry a symbolic link to path, if it isn't.
func (d *folder) linkTo(path, name string) error {
	if target, err := d.readlink(name); err == nil && target == path {
		return nil
	}
	if err := d.remove(name); err != nil {
		return err
	}
	return d.do("symlink", name, func() error { return unix.Symlinkat(path, d.fd, name) })
}
