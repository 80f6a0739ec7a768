package renderer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Stream is a destination that is written to, since no file can take its place: a descriptor that this program was started
// with, as /dev/stdout is one, a terminal, a fifo, or /dev/null. What was written can be neither compared nor taken back.
type Stream struct {
	// Patience is how long a write waits for somebody to read; 0 is for ever.
	Patience time.Duration

	file    File
	fd      int    // of this program, -1 for one that is opened for each write
	written []byte // what this Stream has written last, nil for nothing
}

// A descriptorError says that a path leads to a descriptor of this program, or to one of another, which is -1.
type descriptorError int

func (fd descriptorError) Error() string {
	if fd < 0 {
		return "is an open file of another process, to which nothing can be written"
	}
	return fmt.Sprintf("is descriptor %d of this program, and must be a regular file, or not there yet", int(fd))
}

// Stream is the destination as a stream, nil where a file can be put there. What can be neither written to nor replaced is an
// error. It opens nothing: a fifo that nobody reads is told by the write.
func (f File) Stream() (*Stream, error) {
	if f.Path == "" {
		return nil, nil
	}
	dir, name, err := locate(f.Path, missingIsFine, f.faults)
	if fd, is := errors.AsType[descriptorError](err); is {
		return &Stream{file: f, fd: int(fd)}, f.explain(fd.check())
	}
	if err != nil || name == "" {
		return nil, nil // which Stage tells
	}
	defer dir.close()
	info, err := dir.stat(name)
	if err != nil {
		return nil, nil
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
		return nil, nil
	}
	err = checkWritable(dir, info)
	if err == nil && unix.Faccessat(dir.fd, name, unix.W_OK, unix.AT_EACCESS) != nil {
		err = fmt.Errorf("is a %s that user %d may not write to", typeName(info.Mode), os.Geteuid())
	}
	return &Stream{file: f, fd: -1}, f.explain(err)
}

// check says why a descriptor can't be written to. One that is closed when a program is executed can't have come from whoever
// started this program: it is a file that this program itself has opened since, for a purpose of its own.
func (fd descriptorError) check() error {
	if fd < 0 {
		return fd
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		return fmt.Errorf("is descriptor %d, which this program was not started with", int(fd))
	}
	if flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY {
		return fmt.Errorf("is descriptor %d, which is open only for reading", int(fd))
	}
	return nil
}

// checkWritable says why what is at a path can't be written to as a stream.
func checkWritable(dir *folder, info unix.Stat_t) error {
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		parent, err := dir.stat("")
		if err == nil && !trusted(info.Uid, parent) {
			err = fmt.Errorf("is a fifo of user %d in a directory that anybody may write to, and that user would be given the content; remove it", info.Uid)
		}
		return err
	case unix.S_IFCHR:
		if isNullOrTerminal(info.Rdev) {
			return nil
		}
		return errors.New("is a device, of which only terminals and /dev/null are written to")
	}
	return notAFile(info.Mode)
}

// isNullOrTerminal goes by the numbers that Linux gives to its devices: some devices can't be opened without an effect, so that
// they are not asked what they are.
func isNullOrTerminal(device uint64) bool {
	switch major := unix.Major(device); {
	case major == 1:
		return unix.Minor(device) == 3 // /dev/null
	case major == 4, major == 5: // consoles and serial lines, /dev/tty and /dev/console
		return true
	default:
		return major >= 136 && major <= 143 // pseudo-terminals
	}
}

// Stage prepares content to be written; nil when it is what was written last.
func (s *Stream) Stage(content []byte) *StagedWrite {
	if s.written != nil && string(s.written) == string(content) {
		return nil
	}
	return &StagedWrite{s, content}
}

// A StagedWrite is content that is to be written to a [Stream]. Nothing of it exists before Commit.
type StagedWrite struct {
	stream  *Stream
	content []byte
}

// Path is "": the content is in no file.
func (w *StagedWrite) Path() string { return "" }

// Discard does nothing.
func (w *StagedWrite) Discard() {}

// Commit writes the content.
func (w *StagedWrite) Commit() error {
	if _, err := w.stream.Write(w.content); err != nil {
		return err
	}
	w.stream.written = append([]byte{}, w.content...)
	return nil
}

// Write writes content as it is. After an error some of it may have been written.
func (s *Stream) Write(content []byte) (n int, err error) {
	fd := s.fd
	if fd < 0 {
		f, err := s.open()
		if err != nil {
			return 0, s.file.explain(err)
		}
		defer f.Close()
		fd = int(f.Fd())
	}
	for err == nil && n < len(content) {
		var more int
		more, err = s.writeSome(fd, content[n:])
		n += more
	}
	if err != nil && n > 0 {
		err = fmt.Errorf("%w; %d bytes of %d are written already", err, n, len(content))
	}
	return n, s.file.explain(err)
}

// open opens what is at the path by now, if it is a stream still.
func (s *Stream) open() (*os.File, error) {
	dir, name, err := locate(s.file.Path, missingFails, s.file.faults)
	if err != nil {
		return nil, err
	}
	defer dir.close()
	info, err := dir.stat(name) // before it is opened, which has an effect on some devices
	if err == nil {
		err = checkWritable(dir, info)
	}
	if err != nil {
		return nil, err
	}
	f, err := dir.open(name, unix.O_WRONLY|unix.O_NOCTTY)
	switch {
	case !errors.Is(err, unix.ENXIO):
		return f, err
	case info.Mode&unix.S_IFMT == unix.S_IFIFO:
		return nil, errors.New("is a fifo that nobody reads")
	}
	return nil, errors.New("is a terminal that is not there")
}

// pipeBuffer is how much can be written to a pipe without waiting when it can be written to at all.
const pipeBuffer = 4096

// writeSome waits until something can be written, and writes some. A descriptor that other programs share must not be made
// non-blocking, so it is asked before each write, of which none is more than a pipe takes.
func (s *Stream) writeSome(fd int, content []byte) (int, error) {
	wait := -1
	if s.Patience > 0 {
		wait = int(s.Patience.Milliseconds())
	}
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, wait)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, &fs.PathError{Op: "poll", Path: s.file.Path, Err: err}
		case ready == 0:
			return 0, fmt.Errorf("nobody has read what was written for %s", s.Patience)
		}
		n, err := unix.Write(fd, content[:min(len(content), pipeBuffer)])
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return 0, &fs.PathError{Op: "write", Path: s.file.Path, Err: err}
		}
		return n, nil
	}
}
