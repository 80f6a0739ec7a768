package runner

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"lictor/renderer"
	"lictor/watch"
)

// When a content is refused, or rolled back, the log says by which lines it differs from what its destination has. Values
// of keys must never get there, and both sides may hold some: the new content by what its template read, and the old one by
// what anybody wrote there. So the lines themselves are shown only where both sides are known to come of the catalog alone;
// otherwise they are counted, and the log says how to see them.

// LogDiff says whether the log shows by which lines an output differs that was refused or rolled back.
type LogDiff int

// When the log shows the lines.
const (
	LogDiffAuto   LogDiff = iota // where none of them can be a secret
	LogDiffAlways                // whatever they are
	LogDiffNever
)

type sum [sha256.Size]byte

// harmless are the last two contents of a destination that hold nothing sensitive: what is there, and what a rollback
// brings back.
type harmless [2]sum

func (h *harmless) add(content []byte) {
	if s := sum(sha256.Sum256(content)); h[1] != s {
		h[0], h[1] = h[1], s
	}
}

func (h *harmless) has(content []byte) bool {
	s := sum(sha256.Sum256(content))
	return h[0] == s || h[1] == s
}

// open tells whether nothing in the job's last output can be a secret.
func (j *Job) open() bool {
	if j.Sensitive {
		return false
	}
	for q := range j.good {
		if watch.Sensitive(q) {
			return false
		}
	}
	return true
}

// A refusal is a content that did not become, or remain, the destination's.
type refusal struct {
	target   string // the destination, absolute and with links resolved
	old, new []byte // old is nil where there is no file
	kept     string // where the new content is now; "" for nowhere
	harmless bool   // the new content holds nothing sensitive
}

// describe is what the log says of a refusal.
func (j *Job) describe(f refusal) []any {
	lines := strings.SplitAfter(renderer.Diff(f.target, f.target+" (refused)", f.old, f.new), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	added, removed := 0, 0
	for i, line := range lines {
		switch {
		case i < 2: // the head
		case line[0] == '+':
			added++
		case line[0] == '-':
			removed++
		}
	}
	attrs := []any{"lines added", added, "lines removed", removed, "rejected content", f.kept}
	safe := f.harmless && (len(f.old) == 0 || j.harmless.has(f.old))
	switch {
	case j.LogDiff == LogDiffAlways || j.LogDiff == LogDiffAuto && safe:
		attrs = append(attrs, slog.String(DiffKey, bounded(lines)))
	case f.old != nil && f.kept != "":
		attrs = append(attrs, slog.String("see", fmt.Sprintf("diff -u %s %s", f.target, f.kept)))
	}
	return attrs
}

// DiffKey is the key of the log's attribute that holds a difference: lines, in unified form.
const DiffKey = "diff"

// The most that is logged of a difference: lines, and bytes of a line.
const maxDiffLines, maxDiffLine = 100, 400

// bounded is as much of a difference as is logged; the rest is counted.
func bounded(lines []string) string {
	var b strings.Builder
	for i, line := range lines {
		if i == maxDiffLines {
			fmt.Fprintf(&b, "... and %d more lines", len(lines)-i)
			break
		}
		line = strings.TrimSuffix(line, "\n")
		if over := len(line) - maxDiffLine; over > 0 {
			line = fmt.Sprintf("%s... and %d more bytes", strings.ToValidUTF8(line[:maxDiffLine], ""), over)
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// nowHolds notes that the destination has the last output.
func (j *Job) nowHolds(output []byte) {
	j.stands[0] = j.read
	if j.open() {
		j.harmless.add(output)
	}
	if j.refused != sha256.Sum256(output) { // else its reload may fail once more
		j.refused = sum{}
	}
}

// isNews tells whether content is another one than was refused last, and notes it.
func (j *Job) isNews(content []byte) bool {
	s := sum(sha256.Sum256(content))
	news := s != j.refused
	j.refused = s
	return news
}

// A held file is what a destination holds at some time.
type held struct {
	target  string
	content []byte // nil where there is no file
}

// holds reads the destination.
func (j *Job) holds() (h held) {
	if j.Path == "" {
		return h
	}
	h.target = j.Path
	if abs, err := filepath.Abs(j.Path); err == nil {
		h.target = abs
	}
	if real, err := filepath.EvalSymlinks(h.target); err == nil {
		h.target = real
	}
	content, err := os.ReadFile(h.target)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		h.content = notNil(content)
	}
	return h
}

// hold reads the destinations of a group.
func (g *Group) hold() map[*Job]held {
	all := map[*Job]held{}
	for _, j := range g.Jobs {
		all[j] = j.holds()
	}
	return all
}

// explainRollback logs what was rolled back, given what the destinations held before, unless the same was before.
func (r *Runner) explainRollback(g *Group, before map[*Job]held) {
	for _, j := range g.Jobs {
		bad, good := before[j], j.holds()
		if bad.target == "" || bytes.Equal(bad.content, good.content) && (bad.content == nil) == (good.content == nil) {
			continue
		}
		f := refusal{target: bad.target, old: good.content, new: bad.content, kept: bad.target + ".rejected", harmless: j.harmless.has(bad.content)}
		if kept, err := os.ReadFile(f.kept); err != nil || !bytes.Equal(kept, bad.content) {
			f.kept = "" // which was warned of
		}
		if j.isNews(bad.content) {
			r.Log.Error("rolled back", append([]any{"template", j.Name}, j.describe(f)...)...)
		}
		if j.harmless.has(good.content) {
			j.harmless.add(good.content) // as the last one
		}
	}
}
