package runner

import (
	"bytes"
	"path/filepath"
)

// A check of a group is blind where one file names another of the group by its absolute path: the program that checks then
// reads what the destination has, and not what is staged. Nothing but the operator can fix that, so it is said, once.
func (r *Runner) warnOfBlindSpots(g *Group) {
	if g.blind || len(g.Jobs) < 2 {
		return
	}
	for _, j := range g.Jobs {
		for _, other := range g.Jobs {
			if j == other || j.Path == "" || other.Path == "" || !mentions(j.output, other.Path) {
				continue
			}
			g.blind = true
			r.Log.Warn("a check of the group does not see what is staged for this file, since another file names it by its absolute path; "+
				"name it by a path that is relative to the folder that the check begins in", "group", g.Name, "file", other.Path, "named by", j.Path)
			return
		}
	}
}

// mentions tells whether content names the file at path by its absolute path, or by a pattern of its folder.
func mentions(content []byte, path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	return bytes.Contains(content, []byte(path)) || bytes.Contains(content, []byte(filepath.Join(filepath.Dir(path), "*")))
}
