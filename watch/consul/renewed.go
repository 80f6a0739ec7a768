package consul

import (
	"log/slog"
	"sync"
)

// A renewed is something that is read from files which may be replaced at any time. While what they hold can't be used, what was read
// last stands, and that is logged once.
type renewed[T any] struct {
	name  string // for the log
	log   *slog.Logger
	read  func() (T, error)
	equal func(a, b T) bool

	mu     sync.Mutex
	last   T
	known  bool   // there is a last
	broken string // what was logged of files that can't be used; "" when they can
}

// get reads the files. It fails only as long as they could never be used.
func (r *renewed[T]) get() (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, err := r.read()
	switch {
	case err != nil && !r.known:
		return now, err
	case err != nil && err.Error() != r.broken:
		r.broken = err.Error()
		r.log.Warn(r.name+" can't be read, the last one stays", "error", err)
	case err == nil && r.known && (r.broken != "" || !r.equal(r.last, now)):
		r.log.Info(r.name + " was read again")
	}
	if err == nil {
		r.last, r.known, r.broken = now, true, ""
	}
	return r.last, nil
}
