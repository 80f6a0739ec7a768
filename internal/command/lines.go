package command

import (
	"bytes"
	"log/slog"
	"strconv"
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
	run  *runOutput               // what the run has printed so far, on either stream; nil where that does not matter
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
		if l.run.add(piece) {
			l.log.Info("command output", "line", piece)
		}
	}
}

// How much of what a program printed is part of the error when it fails: lines, and bytes in all.
const maxLastLines, maxLastBytes = 5, 1000

// maxLogged bounds what one run brings into the log, about in bytes as they stand there; lineCost is what a line takes there beside
// itself and the command.
const maxLogged, lineCost = 64 << 10, 110

// A runOutput is what one run of a program has printed, on both streams: the last lines, and how much of it was logged.
type runOutput struct {
	command string // as it stands in the log

	mu                         sync.Mutex
	last                       []string
	logged                     int // bytes, as they stand in the log
	leftOutLines, leftOutBytes int
}

// add takes note of a line, and tells whether it is to be logged. On nil every line is.
func (o *runOutput) add(line string) (log bool) {
	if o == nil {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last = append(o.last, line); len(o.last) > maxLastLines {
		o.last = o.last[1:]
	}
	// Once something was left out, so is all that follows: what is logged is the beginning.
	if cost := len(strconv.Quote(line)) + len(o.command) + lineCost; o.leftOutLines == 0 && o.logged+cost <= maxLogged {
		o.logged += cost
		return true
	}
	o.leftOutLines++
	o.leftOutBytes += len(line)
	return false
}

// tellLeftOut logs how much was not, if anything was. The log names the command.
func (o *runOutput) tellLeftOut(log *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leftOutLines > 0 {
		log.Info("command output: the rest was left out, since it is too much for the log", "lines", o.leftOutLines, "bytes", o.leftOutBytes)
	}
}

// String is the last lines as one, of bounded length and free of what would play tricks on a terminal.
func (o *runOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := strings.Join(o.last, " | ")
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
