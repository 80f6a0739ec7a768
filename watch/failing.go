package watch

import "log/slog"

// Failing are the queries whose last attempt failed, and the errors that the operator has been told of since everything last worked.
type failing struct {
	entries map[*entry]bool
	warned  map[string]bool
}

// add notes that an entry fails, and tells at which level that is to be logged.
func (f failing) add(e *entry, err error) slog.Level {
	f.entries[e] = true
	text := err.Error()
	if f.warned[text] || len(f.warned) >= 20 || e.gaveUp { // what we gave up is returned by GaveUp
		return slog.LevelDebug
	}
	f.warned[text] = true
	return slog.LevelWarn
}

// remove notes that an entry does not fail, and tells whether it was the last that did.
func (f failing) remove(e *entry) (last bool) {
	was := f.entries[e]
	delete(f.entries, e)
	if len(f.entries) > 0 {
		return false
	}
	clear(f.warned)
	return was
}
