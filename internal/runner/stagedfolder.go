package runner

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stagedFolder is how the folders are called that checks look at. They hold only links.
const stagedFolder = "lictor-staged-"

// makeStagedFolder makes a folder for a check, in the system's place for temporary files, or beside a staged file where that
// is not to be had.
func (g *Group) makeStagedFolder() (string, error) {
	places := []string{os.TempDir()}
	for _, j := range g.Jobs {
		if j.staged != nil {
			places = append(places, filepath.Dir(j.staged.Path()))
		}
	}
	var errs error
	for i, place := range places {
		name := stagedFolder
		if i > 0 {
			name = "." + name
		}
		folder, err := os.MkdirTemp(place, name)
		if err == nil {
			sweep(place, name)
			return folder, nil
		}
		errs = cmp.Or(errs, fmt.Errorf("%w; set TMPDIR to a folder that can be written to", err))
	}
	return "", errs
}

// abandoned is how old the folder of a check is that will never end: lictor was killed during the check.
const abandoned = 24 * time.Hour

// sweep removes what checks of killed lictors have left in place.
func sweep(place, name string) {
	entries, err := os.ReadDir(place)
	if err != nil {
		return // it is only litter
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), name) || !e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < abandoned {
			continue
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) == os.Geteuid() {
			_ = os.RemoveAll(filepath.Join(place, e.Name())) // errors: it is gone, or stays for the next sweep
		}
	}
}
