package consul

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"lictor/internal/secret"
)

// A token is what requests prove themselves with: a fixed text, or what a file holds at the moment.
type token struct {
	fixed secret.Text
	file  *renewed[string] // nil for a fixed text
}

func newToken(fixed secret.Text, file string, log *slog.Logger) token {
	if file == "" {
		return token{fixed: fixed}
	}
	return token{file: &renewed[string]{
		name: "consul token file", log: log, equal: func(a, b string) bool { return a == b },
		read: func() (string, error) {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", fmt.Errorf("consul token file: %w", err)
			}
			content := strings.TrimSpace(string(text))
			if content == "" {
				return "", fmt.Errorf("consul token file %s: %w", file, errNoToken)
			}
			return content, nil
		},
	}}
}

// errNoToken says that a token file is empty. A file that is being written is so for a moment, and without a token Consul may answer with
// a part of what there is.
var errNoToken = errors.New("it is empty")

// read returns the token, "" for none.
func (t token) read() (string, error) {
	if t.file == nil {
		return t.fixed.Reveal(), nil
	}
	content, err := t.file.get()
	if errors.Is(err, errNoToken) { // and always was
		return "", nil
	}
	return content, err
}
