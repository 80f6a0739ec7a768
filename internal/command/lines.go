package command

import (
	"bytes"
	"log/slog"
)

// maxLine bounds a logged line, in bytes; a longer one is cut into several.
const maxLine = 4096

// A lineLog is a writer that logs each line that is written to it. Only one goroutine writes to it at a time.
type lineLog struct {
	log  *slog.Logger
	rest []byte // the beginning of a line whose end has not been written yet
}

func (l *lineLog) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, after, whole := bytes.Cut(p, []byte{'\n'})
		if room := maxLine - len(l.rest); len(line) > room {
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
	if line := bytes.TrimRight(l.rest, "\r"); len(line) > 0 {
		l.log.Info("command output", "line", string(line))
	}
	l.rest = l.rest[:0]
}
