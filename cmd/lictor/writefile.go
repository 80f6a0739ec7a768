package main

import (
	"cmp"
	"os"
	"strconv"

	"lictor/funcs"
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
	stream, err := a.stream(file)
	if err != nil {
		return err
	}
	if stream != nil {
		_, err = stream.Write(content)
		return err
	}
	if w.Append {
		before, err := file.Current()
		if err != nil {
			return err
		}
		content = append(before, content...)
	}
	return put(file, content)
}

// put writes a file, where that has not the content already.
func put(file renderer.File, content []byte) error {
	staged, err := file.Stage(content)
	if err != nil || staged == nil {
		return err
	}
	return staged.Commit()
}
