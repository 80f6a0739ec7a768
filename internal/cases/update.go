package cases

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/rogpeppe/go-internal/txtar"

	"lictor/renderer"
)

// update makes what came out what the case wants, and tells whether that changed the case.
func (c *Case) update(output []byte, err error) (changed bool, _ error) {
	if err != nil {
		if wanted := c.section(sectionError); wanted == nil {
			return false, nil // a case that wants an output must not come to want an error unseen
		}
		var result Result
		if c.judge(&result, nil, err); result.Passed() {
			return false, nil
		}
		return c.put(sectionError, []byte(err.Error()+"\n"))
	}
	if c.want != "" {
		staged, err := renderer.File{Path: c.want}.Stage(output)
		if err != nil || staged == nil {
			return false, err
		}
		return true, staged.Commit()
	}
	if f := c.section(sectionError); f != nil {
		return false, nil
	}
	marked := withMark(output)
	if len(txtar.Parse(marked).Files) > 0 || bytes.HasSuffix(output, []byte(noNewline)) {
		return false, errors.New(`the output has lines like "-- name --" or the mark for a missing newline, which a case can't hold: name a file for it with "want: FILE"`)
	}
	return c.put(sectionWant, marked)
}

// put writes a section of the case.
func (c *Case) put(name string, text []byte) (changed bool, _ error) {
	f := c.section(name)
	if f != nil && bytes.Equal(f.Data, text) {
		return false, nil
	}
	if f == nil {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: name})
		f = c.section(name)
	}
	f.Data = text
	whole := txtar.Format(c.archive)
	staged, err := renderer.File{Path: c.Path}.Stage(whole)
	if err != nil {
		return false, fmt.Errorf("not updated: %w", err)
	}
	if staged == nil {
		return false, nil
	}
	return true, staged.Commit()
}
