// Package realpath finds the one name of a file that may be written in several ways.
package realpath

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const maxLinks = 40 // as many as the kernel follows

// Of is where a path leads to, whatever links are on the way and whether or not there is something: a link to nothing leads
// to what it names, as it does for package renderer, and folders that are not there yet are taken for folders. It asks only
// what the system tells, so that a path that can't be followed is its own real path. A descriptor of this program has one
// name too, whatever is open there: see [Descriptor].
func Of(path string) string {
	if abs, err := filepath.Abs("."); err == nil && !filepath.IsAbs(path) {
		path = abs + "/" + path // not joined, which would take "link/.." for nothing
	}
	real, todo := "/", strings.Split(path, "/")
	for links := 0; len(todo) > 0; {
		next := filepath.Join(real, todo[0])
		todo = todo[1:]
		if n, is := Descriptor(next); is && len(todo) == 0 {
			if n < 0 {
				return next
			}
			return "/dev/fd/" + strconv.Itoa(n)
		}
		target, err := os.Readlink(next)
		if err != nil || links == maxLinks {
			real = next
			continue
		}
		links++
		todo = append(strings.Split(target, "/"), todo...)
		if filepath.IsAbs(target) {
			real = "/"
		}
	}
	return real
}
