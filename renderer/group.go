package renderer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Group is files that are committed together or not at all, with one reload. The zero Group is one that remembers
// nothing when the program ends.
//
// The order of things is: [Group.Open], [File.Stage] each file, check what is staged, Commit, reload, and then Confirm or
// Rollback, and from the beginning again. For what is committed a reload is pending until it is confirmed. While the group is
// Interrupted its files may be some old and some new: then only Open is of use. A Group belongs to one goroutine at a time;
// of several programs with one group, each waits for what another one does to the files.
type Group struct {
	// Destinations are the paths of all its files: beside them Open looks for what earlier runs have noted.
	Destinations []string
	// Remember keeps a state file beside them, so that a restart forgets neither a commit that was interrupted nor a reload
	// that is pending.
	Remember bool
	// KeepPrevious keeps what a commit replaces, in hidden files, until Confirm: Rollback needs it.
	KeepPrevious bool

	opened      bool
	unrecovered bool     // what an earlier run has left half done, as Open has found
	files       []string // where the destinations led to, as Open has found
	path        string   // of the state file, "" for none
	state       state
	saved       string // what the state file holds, as far as we know
	dirty       bool   // the state could not be saved
	warnings    []string
	told        bool    // that something can't be kept
	faults      *faults // tests only
}

// Pending tells whether files were committed, by this run or an earlier one, whose reload was not confirmed.
func (g *Group) Pending() bool { return g.state.Rendered != g.state.Applied }

// Rendered identifies what was committed last; it is what Confirm must be told. Every commit has another, also one that
// brings back an earlier content.
func (g *Group) Rendered() string { return g.state.Rendered }

// Rejected tells whether these are, file by file, contents that were rolled back. Committing them again would only end
// the same way.
func (g *Group) Rejected(files []*Staged) bool {
	return len(files) > 0 && !slices.ContainsFunc(files, func(s *Staged) bool {
		m := g.find(s.target())
		return m == nil || m.Rejected != hash(s.content)
	})
}

// Warnings are what a person should know although nothing failed, since they were last asked for.
func (g *Group) Warnings() []string {
	w := g.warnings
	g.warnings = nil
	return w
}

func (g *Group) warn(format string, args ...any) {
	g.warnings = append(g.warnings, fmt.Sprintf(format, args...))
}

// Commit puts all the files in place of their destinations, back to back. After an error every destination is as it
// was, unless the group is Interrupted then: undoing has failed too. A crash in the middle is finished or undone by the next
// Open. Nothing is committed when the group's files have changed since they were compared with what is staged: when Open did
// not come before, or another program has committed some. The staged files are gone in any case.
func (g *Group) Commit(files []*Staged) error {
	defer func() {
		for _, s := range files {
			s.Discard()
		}
	}()
	if len(files) == 0 {
		return nil
	}
	g.settleDown(files)
	leave, err := g.enterWhole()
	if err != nil {
		return err
	}
	defer leave()
	err = g.begin(files)
	for i := 0; err == nil && i < len(files); i++ {
		err = files[i].file.explain(files[i].swap())
	}
	if err != nil {
		if undo := g.undo(); undo != nil {
			return fmt.Errorf("%w; %w", err, undo)
		}
		return err
	}
	for _, s := range files {
		// The new content is in place by now, so that a failure is no error, only worth knowing.
		if err := s.dir.sync(); err != nil {
			s.warn("%s is in place, but may not survive a power cut: %v", s.file.Path, err)
		}
		s.forgetOlder()
	}
	g.finish()
	return nil
}

// begin makes the backups, keeps what is to be replaced, and notes in the state file what is going to happen.
func (g *Group) begin(files []*Staged) error {
	if err := g.pointHere(files); err != nil {
		return err
	}
	next := sha256.New()
	fmt.Fprintln(next, g.state.Rendered)
	for _, s := range files {
		m := g.member(s)
		m.Next = hash(s.content)
		if err := s.backup(); err != nil {
			return s.file.explain(err)
		}
		fmt.Fprintln(next, m.Path, m.Next)
		// One file that is replaced in one step needs no way back.
		if len(files) == 1 && !g.KeepPrevious && (!s.file.InPlace || g.path == "") {
			continue
		}
		if err := m.keepUndo(s); err != nil {
			return s.file.explain(err)
		}
		g.state.durable = true
	}
	if g.state.durable {
		for _, s := range files {
			if err := s.dir.sync(); err != nil {
				return s.file.explain(err)
			}
		}
	}
	return g.note(files, hex.EncodeToString(next.Sum(nil)))
}

// note writes to the state file what is going to happen. A group with a file that nothing can be kept beside goes on without
// a state file where that can't be written either.
func (g *Group) note(files []*Staged, next string) error {
	g.state.Phase, g.state.Next = committing, next
	err := g.save()
	i := slices.IndexFunc(files, (*Staged).elsewhere)
	if i >= 0 && unwritable(err) {
		g.path, g.dirty, err = "", false, nil
	}
	if i >= 0 && !g.told && g.find(files[i].target()).Undo == lost {
		g.told = true
		g.warnUnkept(files[i].file.Path)
	}
	if err != nil {
		g.state.Phase = idle // what was not noted need not be settled, and would hardly be
	}
	return err
}

func (g *Group) warnUnkept(path string) {
	more := ""
	if g.path == "" {
		more = ", which won't know of a pending reload either"
	}
	g.warn("nothing can be kept beside %s, since no file can be made in its folder: it is not rolled back, and a crash while it is written is not repaired by the next start%s", path, more)
}

// Confirm says that the service has taken over what Rendered said before its reload. Then nothing more is pending, unless
// something was committed since, and what was kept for Rollback is let go. A group that needs no reload is confirmed at
// once. Files that may be some old and some new can't be confirmed.
func (g *Group) Confirm(rendered string) error {
	if rendered == g.state.Applied && !g.dirty {
		return nil
	}
	leave, _, err := g.enter()
	if err != nil {
		return err
	}
	defer leave()
	if g.Interrupted() {
		return errInterrupted
	}
	if rendered != g.state.Rendered {
		return nil
	}
	g.state.Applied = rendered
	gone := slices.DeleteFunc(slices.Clone(g.state.Members), func(m *member) bool { return m.Previous == nothing })
	for _, m := range gone {
		m.Previous = nothing
		g.state.durable = true // what is let go must not be looked for
	}
	if err := g.save(); err != nil {
		return err
	}
	g.state.durable = false
	for _, m := range gone {
		err = errors.Join(err, m.tidy(g.faults))
	}
	return err
}

// member is the group's note about a staged file; it is made when there is none.
func (g *Group) member(s *Staged) *member {
	m := g.find(s.target())
	if m == nil {
		m = &member{Path: s.target()}
		g.state.Members = append(g.state.Members, m)
		slices.SortFunc(g.state.Members, byPath)
	}
	m.InPlace, m.Access = s.file.InPlace, access{}
	if s.file.InPlace && s.old != nil {
		m.Access = s.after
	}
	return m
}

func byPath(a, b *member) int { return strings.Compare(a.Path, b.Path) }

func (g *Group) find(path string) *member {
	for _, m := range g.state.Members {
		if m.Path == path {
			return m
		}
	}
	return nil
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
