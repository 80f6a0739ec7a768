package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lictor/internal/config"
	"lictor/renderer"
	"lictor/watch"
	"lictor/watch/cachefile"
)

// useCache reads the last known answers, which stand in while the registry has never answered, and has them kept. A cache
// that is no good is warned of, and no reason not to start.
func (a *assembly) useCache() {
	path := filepath.Join(a.cfg.Cache, "answers.json")
	f, err := openCache(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("the cache can't be used: the last known answers are neither read nor kept", "error", err)
		return
	}
	a.runner.Keep = func() error { return a.keepAnswers(path) }
	if f == nil {
		return // this is the first start
	}
	defer f.Close()
	err = onlyOurs(f)
	if err == nil {
		a.runner.Watcher.Fallback, err = cachefile.Read(f, a.registryName())
	}
	if err != nil {
		a.log.Warn("the cache is not used, and will be replaced", "error", fmt.Errorf("%s: %w", path, err))
	}
}

// openCache opens a regular file, never through a link, and without waiting for the other end of a fifo.
func openCache(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link, which lictor does not make: remove it", path)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s is no regular file: remove it", path)
	}
	return f, nil
}

// onlyOurs says why somebody else could have written an open file: what it says is rendered, so nobody else may have had a
// say in it.
func onlyOurs(f *os.File) error {
	var info unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &info); err != nil {
		return err
	}
	if info.Uid != uint32(os.Geteuid()) || info.Mode&0o022 != 0 {
		return fmt.Errorf("belongs to user %d with mode %04o, and others could have written it", info.Uid, info.Mode&0o7777)
	}
	return nil
}

// keepAnswers writes what is known. The file is ours, whoever the one belongs to that it replaces.
func (a *assembly) keepAnswers(path string) error {
	var answers bytes.Buffer
	if err := cachefile.Write(&answers, a.registryName(), a.runner.Watcher.Known()); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return put(renderer.File{Path: path, Mode: 0o600, User: strconv.Itoa(os.Geteuid()), Exact: true, Called: "cache"}, answers.Bytes(), renderer.File.Stream)
}

// registryName says which registries a configuration asks, without a secret: the answers of one are none of another's.
func (a *assembly) registryName() string {
	switch {
	case !a.hasData():
		return a.consulName()
	case !a.usesConsul():
		return a.dataName()
	}
	return fmt.Sprintf("%s and %s, the default being %s", a.consulName(), a.dataName(), a.defaultSource())
}

func (a *assembly) dataName() string {
	return fmt.Sprintf("data files %q with assignments %x", a.cfg.Data, sha256.Sum256(fmt.Appendf(nil, "%q", a.cfg.Set)))
}

func (a *assembly) consulName() string {
	c := a.cfg.Consul
	scheme, rest, found := strings.Cut(c.Address, "://")
	if !found {
		scheme, rest = "http", c.Address
	}
	if scheme == "http" && c.SSL.Enabled == config.On {
		scheme = "https"
	}
	return fmt.Sprintf("consul %s://%s namespace %q", scheme, strings.TrimRight(rest, "/"), c.Namespace)
}

// handOver has what is known now stand in when the registry does not answer after a reload, unless that is about another
// registry. Without it a reload during an outage would stop the program, and start it when the outage is over; a guard would
// begin anew to hold back an answer; and with another token, what that may not see would be taken to be gone.
func (a *assembly) handOver(next *assembly) {
	if a.registryName() != next.registryName() {
		return
	}
	fallback := maps.Clone(next.runner.Watcher.Fallback)
	if fallback == nil {
		fallback = map[watch.Query]watch.Known{}
	}
	maps.Copy(fallback, a.runner.Watcher.Known())
	next.runner.Watcher.Fallback = fallback
}
