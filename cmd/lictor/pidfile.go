package main

import (
	"bytes"
	"fmt"
	"os"

	"lictor/renderer"
)

// A pidFile is the path of the file that holds our process number while we run; "" is none.
type pidFile string

// file is written by the rules of destinations, and in place, since it may be in a folder in which only that one file is ours
// to write.
func (f pidFile) file() renderer.File {
	return renderer.File{Path: string(f), InPlace: true, NoMakeDirs: true, Called: "process file"}
}

// number is what the file holds.
func (f pidFile) number() []byte { return fmt.Append(nil, os.Getpid()) }

// moveTo writes the file at path, and removes the one there was before. Where the path has not changed it does nothing: on
// a reload there must be no moment without the file.
func (f *pidFile) moveTo(path string) error {
	if path == string(*f) {
		return nil
	}
	if path != "" {
		if err := put(pidFile(path).file(), f.number(), 0); err != nil {
			return err
		}
	}
	f.remove()
	*f = pidFile(path)
	return nil
}

// remove removes the file, if there is one and it is ours still.
func (f *pidFile) remove() {
	if *f == "" {
		return
	}
	if now, err := f.file().Current(); err == nil && bytes.Equal(now, f.number()) {
		os.Remove(string(*f))
	}
}
