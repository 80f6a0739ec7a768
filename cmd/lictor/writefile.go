package main

import (
	"cmp"
	"os"
	"strconv"
	"time"

	"lictor/funcs"
	"lictor/internal/realpath"
	"lictor/renderer"
)

// writeFile writes a file that a template asks for beside its output, by the rules of destinations. It is ours where it is
// given to nobody else.
func (a *assembly) writeFile(w funcs.FileWrite) error {
	file := renderer.File{
		Path: w.Path, Mode: w.Mode, Exact: true, Called: "file",
		User: cmp.Or(w.User, strconv.Itoa(os.Geteuid())), Group: cmp.Or(w.Group, strconv.Itoa(os.Getegid())),
	}
	content := []byte(w.Content)
	if w.Append && !realpath.IsStream(w.Path) {
		before, err := file.Current()
		if err != nil {
			return err
		}
		content = append(before, content...)
	}
	return put(file, content, a.patience())
}

// put writes a file by the rules of destinations, where that has not the content already, or writes to what is at its path and is no file.
func put(file renderer.File, content []byte, patience time.Duration) error {
	stream, err := file.Stream()
	if err != nil {
		return err
	}
	if stream != nil {
		stream.Patience = patience
		_, err := stream.Write(content)
		return err
	}
	staged, err := file.Stage(content)
	if err != nil || staged == nil {
		return err
	}
	return staged.Commit()
}

// patience is how long the reader of a stream may keep us waiting. With -once it may take its time; the daemon renders no
// other template meanwhile.
func (a *assembly) patience() time.Duration {
	if a.cfg.Once {
		return 0
	}
	return 5 * time.Second
}
