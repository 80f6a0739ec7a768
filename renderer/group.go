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
// Rollback. What is committed is owed a reload until it is confirmed. A Group belongs to one goroutine at a time.
type Group struct {
	// Destinations are the paths of all its files: beside them Open looks for what earlier runs have noted.
	Destinations []string
	// Remember keeps a state file beside them, so that a restart forgets neither a commit that was interrupted nor a reload
	// that is owed.
	Remember bool
	// KeepPrevious keeps what a commit replaces, in hidden files, until Confirm: Rollback needs it.
	KeepPrevious bool

	opened   bool
	path     string // of the state file, "" for none
	state    state
	warnings []string
	told     bool    // that something can't be kept
	faults   *faults // tests only
}

// Owed tells whether files were committed, by this run or an earlier one, whose reload was not confirmed.
func (g *Group) Owed() bool { return g.state.Rendered != g.state.Applied }

// Rendered identifies what was committed last; it is what Confirm must be told. Every commit has another, also one that
// brings back an earlier content.
func (g *Group) Rendered() string { return g.state.Rendered }

// CanRollback tells whether there is something that Rollback would bring back: where there was no file at all, it would only take
// away what there is now, and the service may just not have been started yet. Where one file can't come back, since nothing
// could be kept beside it, none does.
func (g *Group) CanRollback() bool {
	has := func(k kept) bool {
		return slices.ContainsFunc(g.state.Members, func(m *member) bool { return m.Previous == k })
	}
	return has(aFile) && !has(lost)
}

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
// was; when the error says that undoing failed too, the next Commit or [Group.Open] tries that again first. A crash in
// the middle is finished or undone by the next Open. The staged files are gone in any case.
func (g *Group) Commit(files []*Staged) error {
	defer func() {
		for _, s := range files {
			s.Discard()
		}
	}()
	if len(files) == 0 {
		return nil
	}
	if err := g.recover(); err != nil {
		return err
	}
	err := g.begin(files)
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
	if err := g.settleDown(files); err != nil {
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
		g.path, err = "", nil
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
		more = ", which won't know of an owed reload either"
	}
	g.warn("nothing can be kept beside %s, since no file can be made in its folder: it is not rolled back, and a crash while it is written is not mended by the next start%s", path, more)
}

// undo takes back the commit under way, whatever there is of it.
func (g *Group) undo() error {
	for _, m := range g.state.Members {
		if m.Next == "" {
			continue
		}
		if err := m.undo(g.faults); err != nil {
			return fmt.Errorf("the files of the group don't belong together now, since undoing failed: %w", err)
		}
	}
	for _, m := range g.state.Members {
		m.Next, m.Undo, m.held = "", nothing, nil
	}
	return g.settle()
}

// finish ends a commit whose files are all in place.
func (g *Group) finish() {
	for _, m := range g.state.Members {
		if m.Next == "" {
			continue
		}
		if err := m.promote(g.faults); err != nil {
			g.warn("a hidden file is left beside %s: %v", m.Path, err)
		}
		m.Hash, m.Next, m.Undo, m.Rejected, m.held = m.Next, "", nothing, "", nil
	}
	g.state.Rendered = g.state.Next
	if err := g.settle(); err != nil {
		g.warn("whether the reload is owed would be forgotten by a restart: %v", err)
	}
}

// settle notes that nothing is under way.
func (g *Group) settle() error {
	if g.state.Phase == idle {
		g.state.durable = false
		return nil // it was never said to be
	}
	g.state.Phase, g.state.Next = idle, ""
	err := g.save()
	g.state.durable = false
	return err
}

// Confirm says that the service has taken over what Rendered said before its reload. Then nothing more is owed, unless
// something was committed since, and what was kept for Rollback is let go. A group that needs no reload is confirmed at
// once.
func (g *Group) Confirm(rendered string) error {
	if rendered == g.state.Applied {
		return nil
	}
	g.state.Applied = rendered
	if g.Owed() {
		return g.save()
	}
	gone := slices.DeleteFunc(slices.Clone(g.state.Members), func(m *member) bool { return m.Previous == nothing })
	for _, m := range gone {
		m.Previous = nothing
		g.state.durable = true // what is let go must not be looked for
	}
	err := g.save()
	g.state.durable = false
	for _, m := range gone {
		err = errors.Join(err, m.tidy(g.faults))
	}
	return err
}

// Rollback brings back, with owner and mode, the contents that were confirmed last, and keeps what is there now as
// NAME.rejected. What came back is owed a reload. It goes on where a Rollback that failed, or a crash, left off.
func (g *Group) Rollback() error {
	if g.state.Phase != rollingBack {
		if err := g.recover(); err != nil {
			return err
		}
		if !g.CanRollback() {
			return errors.New("there are no previous contents to go back to")
		}
		for _, m := range g.state.Members {
			if err := m.canRollBack(g.faults); err != nil {
				return fmt.Errorf("can't roll back: %w", err)
			}
		}
		g.state.Phase, g.state.durable = rollingBack, true
		if err := g.save(); err != nil {
			g.state.Phase = idle
			return err
		}
	}
	for _, m := range g.state.Members {
		if err := m.rollBack(g.faults); err != nil {
			return fmt.Errorf("rolling back: %w", err)
		}
	}
	for _, m := range g.state.Members {
		if m.Previous != nothing {
			m.Rejected, m.Hash, m.Previous = m.Hash, "", nothing
		}
	}
	g.state.Rendered = hash([]byte(g.state.Rendered + " rolled back"))
	return g.settle()
}

// recover finishes or undoes what a crash or an error left half done.
func (g *Group) recover() error {
	switch g.state.Phase {
	case rollingBack:
		return g.Rollback()
	case committing:
		for _, m := range g.state.Members {
			if m.Next == "" {
				continue
			}
			if done, err := m.isNext(g.faults); err != nil {
				return err
			} else if !done {
				return g.undo()
			}
		}
		g.finish()
	}
	return nil
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
