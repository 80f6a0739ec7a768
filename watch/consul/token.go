package consul

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A token is what requests prove themselves with: a fixed text, or what a file holds now.
type token struct {
	fixed Secret
	file  string

	mu      sync.Mutex
	content string
	modTime time.Time
	size    int64
	known   bool
}

// read returns the token, "" for none. A file is read again when it has changed.
func (t *token) read() (string, error) {
	if t.file == "" {
		return string(t.fixed), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.file)
	if err != nil {
		return "", fmt.Errorf("consul token file: %w", err)
	}
	if t.known && info.ModTime().Equal(t.modTime) && info.Size() == t.size {
		return t.content, nil
	}
	text, err := os.ReadFile(t.file)
	if err != nil {
		return "", fmt.Errorf("consul token file: %w", err)
	}
	t.content, t.modTime, t.size, t.known = strings.TrimSpace(string(text)), info.ModTime(), info.Size(), true
	return t.content, nil
}

// forget makes the next read look into the file, whatever its time says: Consul has just refused what we have.
func (t *token) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = false
}
