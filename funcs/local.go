package funcs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"lictor/watch"
)

func localFunctions() []function {
	return []function{
		{Doc{
			Name: "env", Signature: `env "NAME"`,
			Summary: `The value of an environment variable, "" where it is not set.`,
			Example: `{{ env "REGION" }}`, Output: `eu-1`,
		}, func(b binding) any { return b.env }},
		{Doc{
			Name: "envOrDefault", Signature: `envOrDefault "NAME" DEFAULT`,
			Summary: "The value of an environment variable, even an empty one, or DEFAULT where it is not set.",
			Example: `{{ envOrDefault "REGION" "none" }} {{ envOrDefault "ZONE" "none" }}`, Output: `eu-1 none`,
		}, func(b binding) any { return b.envOrDefault }},
		{Doc{
			Name: "mustEnv", Signature: `mustEnv "NAME"`,
			Summary: "The value of an environment variable. It is an error where it is empty or not set.",
			Example: `{{ mustEnv "REGION" }}`, Output: `eu-1`,
		}, func(b binding) any { return b.mustEnv }},
		{Doc{
			Name: "file", Signature: `file "PATH"`,
			Summary: "The contents of a local file, followed as they change. Blanks around PATH are no part of it. With a sandbox_path, files outside that folder are an error, " +
				"symlinks resolved.",
			Example: `{{ file "testdata/motd.txt" }}`, Output: "Welcome\n",
		}, func(b binding) any { return b.file }},
	}
}

func (b binding) env(name string) (string, error) {
	value, _ := b.Env(name)
	return value, nil
}

func (b binding) envOrDefault(name, fallback string) (string, error) {
	if value, ok := b.Env(name); ok {
		return value, nil
	}
	return fallback, nil
}

func (b binding) mustEnv(name string) (string, error) {
	value, _ := b.Env(name)
	if value == "" {
		return "", fmt.Errorf("environment variable %s is needed, and is empty or not set", quote(name))
	}
	return value, nil
}

// maxPath is the length that Linux allows a path, in bytes.
const maxPath = 4096

func (b binding) file(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	if path = strings.TrimSpace(path); path == "" {
		return "", errors.New("the path is nothing but blanks")
	}
	if len(path) > maxPath {
		return "", fmt.Errorf("the path %s is too long", quote(path))
	}
	if err := checkSandbox(b.Sandbox, path); err != nil {
		return "", err
	}
	contents, _, err := ask[string](b.pass, watch.File{Path: path})
	return contents, err
}

// checkSandbox fails unless path, with symlinks resolved, lies below the folder sandbox; "" allows any path. Of a file that
// is yet to be made, the folders that exist are resolved. A path is taken from the working directory, not from sandbox.
func checkSandbox(sandbox, path string) error {
	if sandbox == "" {
		return nil
	}
	if filepath.IsAbs(path) != filepath.IsAbs(sandbox) {
		return fmt.Errorf("can't tell whether %q is inside of sandbox %q: give both as absolute paths", path, sandbox)
	}
	root, err := filepath.EvalSymlinks(sandbox)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	real, err := resolve(path)
	if err != nil {
		return err
	}
	below, err := filepath.Rel(root, real)
	if err != nil || !filepath.IsLocal(below) {
		return fmt.Errorf("%q is outside of sandbox %q", path, sandbox)
	}
	return nil
}

// resolve follows the symlinks of path as far as it exists.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	parent, name := filepath.Split(filepath.Clean(path))
	if parent == "" {
		parent = "."
	}
	if name == "" || name == ".." || filepath.Clean(parent) == filepath.Clean(path) {
		return "", err
	}
	parent, err = resolve(filepath.Clean(parent))
	return filepath.Join(parent, name), err
}
