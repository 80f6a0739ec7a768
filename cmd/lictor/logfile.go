package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lictor/internal/config"
)

// A logFile is a log file of limited size and age. As with consul-template, each has the time at which it was begun, in
// nanoseconds, before its name's ending, and the mode 0640.
type logFile struct {
	path   string
	limits config.LogFile

	mu    sync.Mutex
	file  *os.File
	size  int64
	begun time.Time
}

// Write appends a line, to a new file where the present one is full or too old.
func (f *logFile) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	full := f.limits.RotateBytes > 0 && f.size > 0 && f.size+int64(len(line)) > f.limits.RotateBytes
	old := f.limits.RotateDuration > 0 && time.Since(f.begun) >= f.limits.RotateDuration
	if full || old {
		f.file.Close()
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	return n, err
}

// Close closes the file.
func (f *logFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}

// open begins a new file and removes the oldest ones.
func (f *logFile) open() error {
	f.begun, f.size = time.Now(), 0
	ext := filepath.Ext(f.path)
	base := strings.TrimSuffix(f.path, ext)
	var err error
	f.file, err = os.OpenFile(fmt.Sprintf("%s-%d%s", base, f.begun.UnixNano(), ext), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil || f.limits.RotateMaxFiles == 0 {
		return err
	}
	files, err := filepath.Glob(base + "-[0-9]*" + ext)
	if err != nil {
		return nil // the path is no pattern, so its old files can't be told from others
	}
	slices.Sort(files) // the times have the same number of digits
	for keep := 1 + max(0, f.limits.RotateMaxFiles); len(files) > keep; files = files[1:] {
		os.Remove(files[0])
	}
	return nil
}
