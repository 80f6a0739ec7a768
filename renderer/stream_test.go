package renderer

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// handedDown makes a descriptor one that the program may have been started with.
func handedDown(t *testing.T, f *os.File) int {
	t.Helper()
	fd := int(f.Fd())
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return fd
}

func openStream(t *testing.T, path string) *Stream {
	t.Helper()
	s, err := File{Path: path}.Stream()
	if s == nil || err != nil {
		t.Fatalf("%s: %v, %v, want a stream", path, s, err)
	}
	return s
}

// A file that is open for appending, as a log is, keeps what it has, by whichever name of the descriptor it is written to.
func TestDescriptorsAreWrittenTo(t *testing.T) {
	log := t.TempDir() + "/app.log"
	put(t, log, "yesterday\n", 0o644)
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd, before := handedDown(t, f), inode(t, log)
	link := t.TempDir() + "/link"
	symlink(t, fmt.Sprintf("/dev/fd/%d", fd), link)
	want := "yesterday\n"
	for _, path := range []string{"/dev/fd/%d", "/proc/self/fd/%d", "/proc/thread-self/fd/%d", fmt.Sprintf("/proc/%d/fd/%%d", os.Getpid()), "//dev/./fd/%d"} {
		path = fmt.Sprintf(path, fd)
		want += path + "\n"
		if err := openStream(t, path).Stage([]byte(path + "\n")).Commit(); err != nil {
			t.Error(err)
		}
	}
	if err := openStream(t, link).Stage([]byte("through a link\n")).Commit(); err != nil {
		t.Error(err)
	}
	see(t, log, want+"through a link\n", 0o644)
	if after := inode(t, log); after.Ino != before.Ino {
		t.Error("the file was replaced")
	}
	isLink(t, link, fmt.Sprintf("/dev/fd/%d", fd))
}

func TestStreamIsWrittenOnceForEachContent(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := openStream(t, fmt.Sprintf("/dev/fd/%d", handedDown(t, w)))
	for _, content := range []string{"", "one ", "one ", "two ", "one "} {
		staged := s.Stage([]byte(content))
		if staged == nil {
			continue
		}
		s.Stage([]byte("never ")).Discard()
		if err := staged.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "one two one " {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestWhatIsNoStream(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/file", "x", 0o644)
	symlink(t, "file", dir+"/link")
	for _, path := range []string{"", dir, dir + "/file", dir + "/link", dir + "/new", dir + "/new/new", "/dev/fd", "/dev/fd/x"} {
		if s, err := (File{Path: path}).Stream(); s != nil || err != nil {
			t.Errorf("%s: %v, %v", path, s, err)
		}
	}
	sock, err := net.Listen("unix", dir+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	ours, err := os.Open(dir + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	readOnly, err := os.Open(dir + "/file")
	if err != nil {
		t.Fatal(err)
	}
	fd := handedDown(t, readOnly)
	for path, want := range map[string]string{
		dir + "/socket":                            "is a socket",
		"/dev/zero":                                "is a device, of which only terminals and /dev/null are written to",
		fmt.Sprintf("/dev/fd/%d", ours.Fd()):       "which this program was not started with",
		fmt.Sprintf("/proc/self/fd/%d", 9999):      "is descriptor 9999, which this program was not started with",
		fmt.Sprintf("/dev/fd/%d", fd):              "which is open only for reading",
		fmt.Sprintf("/proc/%d/fd/1", os.Getppid()): "is an open file of another process",
	} {
		if _, err := (File{Path: path}).Stream(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("destination %q: ", path)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestDevicesThatAreWrittenTo(t *testing.T) {
	for device, want := range map[uint64]bool{
		unix.Mkdev(1, 3): true, unix.Mkdev(5, 0): true, unix.Mkdev(136, 7): true,
		unix.Mkdev(1, 1): false, unix.Mkdev(1, 5): false, unix.Mkdev(10, 130): false, // memory, zeros, the watchdog
	} {
		if got := isNullOrTerminal(device); got != want {
			t.Errorf("%d:%d: %t", unix.Major(device), unix.Minor(device), got)
		}
	}
	if n, err := openStream(t, "/dev/null").Write(make([]byte, 1<<20)); n != 1<<20 || err != nil {
		t.Error(n, err)
	}
}

func TestFifo(t *testing.T) {
	fifo := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStream(t, fifo)
	if err := s.Stage([]byte("x")).Commit(); err == nil || !strings.Contains(err.Error(), "is a fifo that nobody reads") {
		t.Errorf("without a reader: %v", err)
	}
	r, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Stage([]byte("x")).Commit(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "x" {
		t.Errorf("read %q, %v", got, err)
	}
	// Nobody reads more than it holds.
	s.Patience = time.Millisecond
	err = s.Stage(make([]byte, 1<<20)).Commit()
	if err == nil || !strings.Contains(err.Error(), "nobody has read what was written for 1ms; ") || !strings.Contains(err.Error(), " bytes of 1048576 are written already") {
		t.Errorf("a reader that does not read: %v", err)
	}
	if s.Stage([]byte("x")) != nil {
		t.Error("what was written last is not known")
	}
	if err := os.Remove(fifo); err != nil {
		t.Fatal(err)
	}
	put(t, fifo, "a file by now", 0o600)
	if _, err := s.Write([]byte("y")); err == nil {
		t.Error("written into a file")
	}
	see(t, fifo, "a file by now", 0o600)
}

func TestFifoOfSomebodyElse(t *testing.T) {
	needRoot(t)
	fifo := openDir(t, 0o777) + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(fifo, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if _, err := (File{Path: fifo}).Stream(); err == nil || !strings.Contains(err.Error(), "is a fifo of user 1234 in a directory that anybody may write to") {
		t.Error(err)
	}
}
