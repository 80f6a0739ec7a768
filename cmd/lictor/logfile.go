package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lictor/internal/config"
	"lictor/renderer"
)

// A logFile is a log file of limited size and age, with the mode 0640. It has the name that was asked for, and gets its date into
// the name when it is put aside. With dated, as in a peer's place, each has it from its beginning, in nanoseconds.
type logFile struct {
	path   string
	limits config.LogFile
	dated  bool

	mu     sync.Mutex
	stream *renderer.Stream // what the path leads to where that is no file; then there are no limits
	file   *os.File
	ours   bool // the file was not there before
	size   int64
	begun  time.Time
}

// Write appends a line, to a new file where the present one is full or too old and a new one can be begun.
func (f *logFile) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stream != nil {
		return f.stream.Write(line)
	}
	full := f.limits.RotateBytes > 0 && f.size+int64(len(line)) > f.limits.RotateBytes
	old := f.limits.RotateDuration > 0 && time.Since(f.begun) >= f.limits.RotateDuration
	if f.size == 0 || full || old {
		f.renew()
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	return n, err
}

// renew puts a file aside that is not empty and begins a new one. Where it can't, the old one is written to, and the next line
// tries again. A file that is not at its path any more, since somebody else has put it aside or an earlier run of ours has removed it
// while it was empty, is not ours to put aside.
func (f *logFile) renew() {
	atPath := f.dated || f.atPath()
	if f.size > 0 && atPath && !f.dated && os.Rename(f.file.Name(), dateName(f.file.Name(), time.Now().UTC().Format(logDate))) != nil {
		return
	}
	if f.size > 0 || !atPath {
		_ = f.open() // else the file that is open is written to
	}
	f.removeOldest()
}

// logDate is how the date of a file that was put aside is written: without the colons that some programs take for something else.
const logDate = "2006-01-02T15-04-05.000000000Z"

var logDates = regexp.MustCompile(`^([0-9]{19}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}\.[0-9]{9}Z)$`)

// atPath tells whether the open file is the one at its path.
func (f *logFile) atPath() bool {
	named, err := os.Lstat(f.file.Name())
	if err != nil {
		return false
	}
	open, err := f.file.Stat()
	return err == nil && os.SameFile(named, open)
}

// Close closes the file, and removes one that nothing was written to: that of a configuration that was refused.
func (f *logFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stream != nil {
		return nil
	}
	if info, err := f.file.Stat(); err == nil && info.Size() == 0 && f.ours && f.atPath() {
		os.Remove(f.file.Name())
	}
	return f.file.Close()
}

// open opens the file that there is, or begins a new one. Where it can't, the old one stays.
func (f *logFile) open() error {
	now := time.Now()
	log := f.at(f.path)
	stream, err := log.Stream()
	if stream != nil || err != nil {
		f.stream = stream
		return err
	}
	if f.dated {
		log = f.at(dateName(f.path, fmt.Sprint(now.UnixNano())))
	}
	_, err = os.Lstat(log.Path)
	ours := errors.Is(err, fs.ErrNotExist)
	file, err := log.Append()
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.size, f.ours, f.begun = file, info.Size(), ours, now
	if f.size > 0 {
		f.begun = birth(file, now)
	}
	return nil
}

// at is the log file at a path.
func (f *logFile) at(path string) renderer.File {
	return renderer.File{Path: path, Mode: 0o640, InPlace: true, NoMakeDirs: true, Called: "file"}
}

// birth is when a file was made, or else where the file system does not say.
func birth(file *os.File, or time.Time) time.Time {
	var st unix.Statx_t
	err := unix.Statx(int(file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st)
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return or
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
}

// dateName is the name of a log file with a date.
func dateName(path, date string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-" + date + ext
}

// removeOldest removes the files that are too many.
func (f *logFile) removeOldest() {
	if f.limits.RotateMaxFiles == 0 {
		return
	}
	keep, path := max(0, f.limits.RotateMaxFiles), f.file.Name()
	if f.dated { // the present one counts among them
		keep, path = keep+1, filepath.Join(filepath.Dir(path), filepath.Base(f.path))
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return // they are removed another time
	}
	var dates []string
	before, after, _ := strings.Cut(filepath.Base(dateName(path, "\x00")), "\x00")
	for _, e := range entries {
		rest, begins := strings.CutPrefix(e.Name(), before)
		date, ends := strings.CutSuffix(rest, after)
		if begins && ends && logDates.MatchString(date) {
			dates = append(dates, date)
		}
	}
	slices.Sort(dates)
	for ; len(dates) > keep; dates = dates[1:] {
		os.Remove(dateName(path, dates[0]))
	}
}
