package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"lictor/renderer"
	"lictor/watch"
)

// useCache reads the last known answers, which stand in while the registry has never answered, and has them kept.
func (a *assembly) useCache() error {
	file := renderer.File{Path: filepath.Join(a.cfg.Cache, "answers.json"), Mode: 0o600}
	switch f, err := os.Open(file.Path); {
	case errors.Is(err, fs.ErrNotExist): // this is the first start
	case err != nil:
		return fmt.Errorf("cache: %w", err)
	default:
		defer f.Close()
		if a.runner.Watcher.Fallback, err = watch.ReadAnswers(f); err != nil {
			a.log.Warn("the cache is not used, and will be replaced", "file", file.Path, "error", err)
		}
	}
	a.runner.Keep = func() error {
		var answers bytes.Buffer
		if err := a.runner.Watcher.WriteAnswers(&answers); err != nil {
			return fmt.Errorf("cache: %w", err)
		}
		staged, err := file.Stage(answers.Bytes())
		if err != nil {
			return fmt.Errorf("cache: %w", err)
		}
		if staged == nil {
			return nil
		}
		return staged.Commit()
	}
	return nil
}

// handOver has what is known now stand in when the registry does not answer after a reload, unless that is about another
// registry. Without it a reload during an outage would stop the program, and start it when the outage is over.
func (a *assembly) handOver(next *assembly) {
	was, is := a.cfg, next.cfg
	if !reflect.DeepEqual(was.Consul, is.Consul) || !slices.Equal(was.Data, is.Data) || !slices.Equal(was.Set, is.Set) {
		return
	}
	fallback := maps.Clone(next.runner.Watcher.Fallback)
	if fallback == nil {
		fallback = map[watch.Query]any{}
	}
	maps.Copy(fallback, a.runner.Watcher.Answers())
	next.runner.Watcher.Fallback = fallback
}
