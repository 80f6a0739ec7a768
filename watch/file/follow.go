package file

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing must happen to a file before it is read: an editor that truncates and then writes should
	// not have its half-written file read. maxQuiet bounds it for files that never come to rest.
	quiet    = 50 * time.Millisecond
	maxQuiet = time.Second
	// poll is how often files are looked at without any event. Network file systems send none for what another machine
	// writes, and a user may have used up the kernel's inotify watches.
	poll = 5 * time.Second
)

// A follower tells when files may have changed. All its users share one fsnotify watcher, which is open while there is a
// user. It watches folders, not files: editors replace a file, and Kubernetes swaps a link to a folder of files.
// The zero follower is ready for use.
type follower struct {
	pause time.Duration // between two polls; 0 means poll
	pump  shared

	mu      sync.Mutex
	notify  *fsnotify.Watcher // nil when the kernel gave us none: then only the poll is left
	folders map[string]int    // how many followed files need each watched folder
	follows map[*follow]struct{}
}

// A follow is one user's interest in some files.
type follow struct {
	paths   []string
	wake    chan struct{}
	steps   map[string]bool // the files, links and folders whose change matters
	folders map[string]bool // the folders that they are in
	stamp   string          // what the files looked like at the last poll
}

// follow calls look once, and again whenever one of the files may have changed, until ctx ends. A look may find that
// nothing has changed after all. The files need not exist.
func (f *follower) follow(ctx context.Context, paths []string, look func()) {
	defer f.pump.join(ctx, f.run)()
	fw := &follow{wake: make(chan struct{}, 1)}
	for _, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		fw.paths = append(fw.paths, p)
	}
	fw.stamp = stamp(fw.paths)
	f.mu.Lock()
	f.follows[fw] = struct{}{}
	f.mu.Unlock()
	defer f.drop(fw)
	for {
		f.arm(fw)
		look()
		if !fw.settled(ctx) {
			return
		}
	}
}

// settled waits for something to happen to the files and then for it to be over. It tells whether ctx is still alive.
func (fw *follow) settled(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-fw.wake:
	}
	end := time.Now().Add(maxQuiet)
	for time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return false
		case <-fw.wake:
		case <-time.After(quiet):
			return true
		}
	}
	return true
}

// run hands out events until ctx ends.
func (f *follower) run(ctx context.Context, ready func()) {
	notify, err := fsnotify.NewWatcher()
	var events chan fsnotify.Event
	var errs chan error
	if err == nil {
		events, errs = notify.Events, notify.Errors
		defer notify.Close()
	} else {
		notify = nil
	}
	f.mu.Lock()
	f.notify, f.folders, f.follows = notify, map[string]int{}, map[*follow]struct{}{}
	f.mu.Unlock()
	ready()
	tick := time.NewTicker(cmp.Or(f.pause, poll))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			f.each(func(fw *follow) bool { return fw.steps[e.Name] })
		case <-errs: // events were lost, so anything may have happened
			f.each(func(*follow) bool { return true })
		case <-tick.C:
			f.each(func(fw *follow) bool { return fw.restamp() })
		}
	}
}

// each wakes those for whom changed is true.
func (f *follower) each(changed func(*follow) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for fw := range f.follows {
		if !changed(fw) {
			continue
		}
		select {
		case fw.wake <- struct{}{}:
		default: // is awake already
		}
	}
}

// arm watches the folders on the way to the files as it is now. It goes on until the way was the same before and after,
// so that no change of a link falls between.
func (f *follower) arm(fw *follow) {
	for range 10 {
		steps, folders := map[string]bool{}, map[string]bool{}
		for _, p := range fw.paths {
			route(p, steps, folders)
		}
		f.mu.Lock()
		same := maps.Equal(steps, fw.steps)
		fw.steps = steps
		f.need(fw, folders)
		f.mu.Unlock()
		if same {
			return
		}
	}
}

func (f *follower) drop(fw *follow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.need(fw, nil)
	delete(f.follows, fw)
}

// need has the folders watched for fw in place of those before. f.mu is held.
func (f *follower) need(fw *follow, folders map[string]bool) {
	for d := range folders {
		f.folders[d]++
		if f.notify != nil {
			_ = f.notify.Add(d) // again each time, since a folder may have been made anew; what fails is left to the poll
		}
	}
	for d := range fw.folders {
		if f.folders[d]--; f.folders[d] > 0 {
			continue
		}
		delete(f.folders, d)
		if f.notify != nil {
			_ = f.notify.Remove(d) // fails only when the folder itself is gone
		}
	}
	fw.folders = folders
}

// route walks to path as the kernel would. It notes the file itself, each link on the way and the first thing that is
// missing as steps, with the folders that they are in.
func route(path string, steps, folders map[string]bool) {
	const maxLinks = 40 // the kernel's own limit
	at, rest, links := "/", path, 0
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		step := filepath.Join(at, name)
		if name == "" || name == "." || name == ".." {
			at = step
			continue
		}
		info, err := os.Lstat(step)
		last := strings.Trim(rest, "/") == ""
		isLink := err == nil && info.Mode()&fs.ModeSymlink != 0
		if last || isLink || err != nil {
			steps[step], folders[at] = true, true
			steps[at] = true // the folder itself may be moved away
		}
		if err != nil || links > maxLinks {
			return
		}
		if !isLink {
			at = step
			continue
		}
		target, err := os.Readlink(step)
		if err != nil {
			return
		}
		if links++; filepath.IsAbs(target) {
			at = "/"
		}
		rest = target + "/" + rest
	}
}

// restamp tells whether the files look different than the last time it was called.
func (fw *follow) restamp() bool {
	now := stamp(fw.paths)
	changed := now != fw.stamp
	fw.stamp = now
	return changed
}

// stamp sums up what the files look like from outside.
func stamp(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			b.WriteString("?;")
			continue
		}
		fmt.Fprintf(&b, "%d %d %s;", info.Size(), info.ModTime().UnixNano(), info.Mode())
	}
	return b.String()
}
