// Package file has the sources that answer from local files: [Contents] for the contents of files, and [Source] for a data
// file, which stands in for a registry.
//
// Both follow their files live. A file that an editor replaces, or that Kubernetes swaps through a link, is followed to
// its new place.
package file

import (
	"context"
	"fmt"

	"lictor/watch"
)

// Contents is the source for [watch.File] queries. All its queries share one fsnotify watcher. The zero Contents is
// ready for use.
type Contents struct{ files follower }

var _ watch.Source = (*Contents)(nil)

// Follow is the [watch.Source]'s.
func (c *Contents) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(c.watch).Follow(ctx, changes)
}

// watch reports the contents of the file, and then each change of them. A file that is missing or can't be read is a
// [watch.Failure], at once and certain; it is picked up when it appears.
func (c *Contents) watch(ctx context.Context, q watch.Query, report watch.Report) error {
	file, ok := q.(watch.File)
	if !ok {
		return watch.Permanent(fmt.Errorf("%s: only files can be asked for here", q))
	}
	if file.Path == "" {
		return watch.Permanent(fmt.Errorf("%s: the path is empty", q))
	}
	var last any
	c.files.follow(ctx, []string{file.Path}, func() {
		b, err := read(file.Path)
		now := any(string(b))
		if err != nil {
			now = watch.Failure{Err: failure(err.Error())}
		}
		if now != last {
			last = now
			report(watch.Answer{Value: now})
		}
	})
	return ctx.Err()
}

// A failure is an error that equals another one of the same text.
type failure string

func (f failure) Error() string { return string(f) }
