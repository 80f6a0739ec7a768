package command

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"unicode"
)

// maxLine bounds a logged line, in bytes; a longer one is cut into several. What is to be hidden must not be cut in two before
// it was looked for, so a line is first read up to maxRest.
const maxLine, maxRest = 4096, 1 << 16

// A lineLog is a writer that logs each line that is written to it. Only one goroutine writes to it at a time.
type lineLog struct {
	log  *slog.Logger
	hide func(line string) string // nil for nothing to hide
	last *lastLines               // nil for nobody
	rest []byte                   // the beginning of a line whose end has not been written yet
}

func (l *lineLog) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, after, whole := bytes.Cut(p, []byte{'\n'})
		if room := maxRest - len(l.rest); len(line) > room {
			line, after, whole = p[:room], p[room:], true
		}
		l.rest = append(l.rest, line...)
		p = after
		if whole {
			l.flush()
		}
	}
	return n, nil
}

// flush logs what is there of a line.
func (l *lineLog) flush() {
	line := string(bytes.TrimRight(l.rest, "\r"))
	l.rest = l.rest[:0]
	if l.hide != nil && line != "" {
		line = l.hide(line)
	}
	for line != "" {
		piece := line[:min(len(line), maxLine)]
		line = line[len(piece):]
		l.log.Info("command output", "line", piece)
		l.last.add(piece)
	}
}

// How much of what a program printed is part of the error when it fails: lines, and bytes in all.
const maxLastLines, maxLastBytes = 5, 1000

// lastLines are the last lines that a program printed, on either stream.
type lastLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lastLines) add(line string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > maxLastLines {
		l.lines = l.lines[1:]
	}
}

// String is all of it on one line, of bounded length and free of what would play tricks on a terminal.
func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.lines, " | ")
	if over := len(s) - maxLastBytes; over > 0 {
		s = "..." + s[over:]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}
