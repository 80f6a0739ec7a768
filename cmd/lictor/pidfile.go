package main

import (
	"fmt"
	"os"
)

// A pidFile is the path of the file that holds our process number while we run; "" is none.
type pidFile string

// moveTo writes the file at path, and removes the one there was before. Where the path has not changed it does nothing: on
// a reload there must be no moment without the file.
func (f *pidFile) moveTo(path string) error {
	if path == string(*f) {
		return nil
	}
	if path != "" {
		if err := os.WriteFile(path, fmt.Append(nil, os.Getpid()), 0o644); err != nil {
			return fmt.Errorf("process file: %w", err)
		}
	}
	f.remove()
	*f = pidFile(path)
	return nil
}

// remove removes the file, if there is one.
func (f *pidFile) remove() {
	if *f != "" {
		os.Remove(string(*f))
	}
}
