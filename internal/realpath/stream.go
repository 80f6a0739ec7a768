package realpath

import (
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

var descriptorName = regexp.MustCompile(`^/(?:dev/(stdin|stdout|stderr)|(?:dev|proc/(self|thread-self|[0-9]+)(?:/task/[0-9]+)?)/fd/([0-9]{1,9}))$`)

// Descriptor tells whether a path, absolute and clean, is a name that the system has for an open file, such as /dev/stdout, /dev/fd/3
// or /proc/self/fd/3, and which descriptor of this program that is: -1 when it is another process's. What is open need not have
// any other name, and where it has one, that says nothing about how it is open, so these names are not followed any further.
func Descriptor(path string) (n int, is bool) {
	m := descriptorName.FindStringSubmatch(path)
	if m == nil {
		return 0, false
	}
	switch m[1] {
	case "stdin":
		return 0, true
	case "stdout":
		return 1, true
	case "stderr":
		return 2, true
	}
	if pid, err := strconv.Atoi(m[2]); err == nil && pid != os.Getpid() {
		return -1, true
	}
	n, err := strconv.Atoi(m[3])
	return n, err == nil
}

// IsStream tells whether a path leads to something that is written to and can't be replaced by a file: a descriptor, a device, a
// fifo or a socket.
func IsStream(path string) bool {
	real := Of(path)
	if _, is := Descriptor(real); is {
		return true
	}
	info, err := os.Lstat(real)
	return err == nil && info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0
}
