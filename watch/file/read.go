package file

import (
	"fmt"
	"io"
	"os"
)

// MaxSize is the largest file, in bytes, that is read: 64 MiB. A bigger one is most likely the wrong one.
const MaxSize = 64 << 20

// read returns the contents of a regular file. Others are refused, since reading a pipe or a device may never end.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a file", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a pipe, socket or device, not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%s is larger than %d MiB, the most that is read", path, MaxSize>>20)
	}
	return b, nil
}
