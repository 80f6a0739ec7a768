package renderer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/sys/unix"
)

// DryRun prints what a render would write: "> DEST", a newline and the content as it is, in one write. It prints nothing
// when the destination's current content, nil for none, is already the same.
func DryRun(w io.Writer, dest string, current, content []byte) error {
	if current != nil && bytes.Equal(current, content) {
		return nil
	}
	_, err := w.Write(append([]byte("> "+dest+"\n"), content...))
	return err
}

// Diff describes in unified form how old became new; "" when they are equal. Content that isn't text is only said to
// differ.
func Diff(oldName, newName string, old, new []byte) string {
	if bytes.Equal(old, new) {
		return ""
	}
	if !isText(old) || !isText(new) {
		return fmt.Sprintf("Binary files %s and %s differ\n", oldName, newName)
	}
	return udiff.Unified(oldName, newName, string(old), string(new))
}

func isText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

// Check tells everything that would keep this destination from being written, joined, without writing anything. What
// it finds can change before the write.
func (f File) Check() error {
	m := missingIsFine
	if f.NoMakeDirs {
		m = missingFails
	}
	var problems []error
	var info *unix.Stat_t
	dir, name, err := locate(f.Path, m, f.faults)
	if err != nil {
		problems = append(problems, f.explain(err))
	} else {
		defer dir.close()
		info, err = f.checkEntry(dir, name)
		if err != nil {
			problems = append(problems, f.explain(err))
		}
	}
	if _, _, err := f.owner(info); err != nil {
		problems = append(problems, fmt.Errorf("destination %q: %s", f.Path, strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return errors.Join(problems...)
}

// checkEntry looks at what is at the destination, and whether the folder may be written to.
func (f File) checkEntry(dir *folder, name string) (*unix.Stat_t, error) {
	var info *unix.Stat_t
	if name != "" {
		old, st, err := f.existing(dir, name)
		if err != nil {
			return nil, err
		}
		if old != nil {
			old.Close()
			info = st
		}
	}
	target, need := ".", uint32(unix.W_OK|unix.X_OK)
	if f.InPlace && info != nil {
		target, need = name, unix.W_OK
	}
	return info, dir.do("access", target, func() error { return unix.Faccessat(dir.fd, target, need, unix.AT_EACCESS) })
}
