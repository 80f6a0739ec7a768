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

// Write appends a line, to a new file where the present one is full or too old and a new one can be begun.
func (f *logFile) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	full := f.limits.RotateBytes > 0 && f.size+int64(len(line)) > f.limits.RotateBytes
	old := f.limits.RotateDuration > 0 && time.Since(f.begun) >= f.limits.RotateDuration
	if f.size > 0 && (full || old) {
		f.open() //nolint:errcheck // this line goes to the old file, and the next one tries again
	}
	if f.size == 0 {
		f.removeOldest()
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	return n, err
}

// Close closes the file, and removes one that nothing was written to: that of a configuration that was refused.
func (f *logFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.size == 0 {
		os.Remove(f.file.Name())
	}
	return f.file.Close()
}

// open begins a new file. Where it can't, the old one stays.
func (f *logFile) open() error {
	now := time.Now()
	base, ext := f.parts()
	file, err := os.OpenFile(fmt.Sprintf("%s-%d%s", base, now.UnixNano(), ext), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.size, f.begun = file, 0, now
	return nil
}

func (f *logFile) parts() (base, ext string) {
	ext = filepath.Ext(f.path)
	return strings.TrimSuffix(f.path, ext), ext
}

// removeOldest removes the files that are too many.
func (f *logFile) removeOldest() {
	if f.limits.RotateMaxFiles == 0 {
		return
	}
	base, ext := f.parts()
	files, err := filepath.Glob(base + "-[0-9]*" + ext)
	if err != nil {
		return // the path is no pattern, so its old files can't be told from others
	}
	slices.Sort(files) // the times have the same number of digits
	for keep := 1 + max(0, f.limits.RotateMaxFiles); len(files) > keep; files = files[1:] {
		os.Remove(files[0])
	}
}
