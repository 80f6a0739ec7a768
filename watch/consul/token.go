package consul

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// errNoToken says that a token file is empty. A file that is being written is so for a moment, and without a token Consul may answer with
// a part of what there is. So it counts only before there was any token.
var errNoToken = errors.New("it is empty")

// newToken makes what gives the token at the moment, "" for none: a fixed text, or what a file holds.
func newToken(fixed Secret, file string, log *slog.Logger) *renewed[Secret] {
	return &renewed[Secret]{
		name: "consul token file", log: log, equal: func(a, b Secret) bool { return a == b },
		read: func() (Secret, error) {
			if file == "" {
				return fixed, nil
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return "", fmt.Errorf("consul token file: %w", err)
			}
			if token := strings.TrimSpace(string(text)); token != "" {
				return Secret(token), nil
			}
			return "", fmt.Errorf("consul token file %s: %w", file, errNoToken)
		},
	}
}
