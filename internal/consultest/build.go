package consultest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
)

// BinaryEnv names an environment variable that points at a consul binary to use instead of building one.
const BinaryEnv = "CONSULTEST_BINARY"

// Binary returns the path of the Consul server that tests run against. It is built once from the nested module
// internal/consultest/server, about two minutes on a fresh machine, and kept below the user's cache folder; test
// binaries that want it at the same time wait for one of them to build it.
func Binary() (string, error) {
	if path := os.Getenv(BinaryEnv); path != "" {
		return path, nil
	}
	module, err := serverModule()
	if err != nil {
		return "", err
	}
	version, err := serverVersion(module)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "lictor-tests")
	path := filepath.Join(dir, "consul-"+version)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // another test binary has built it meanwhile
	}
	return path, build(module, path)
}

func build(module, path string) error {
	fresh := path + ".new"
	cmd := exec.Command("go", "build", "-o", fresh, "github.com/hashicorp/consul")
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("building consul in %s: %w: %s", module, err, lines[len(lines)-1])
	}
	return os.Rename(fresh, path)
}

// serverModule finds the nested module from the working folder upwards, which in a test is its package's folder.
func serverModule() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(dir, "internal", "consultest", "server")
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("internal/consultest/server/go.mod is not in any folder above the working folder")
		}
		dir = parent
	}
}

var consulRequirement = regexp.MustCompile(`(?m)^\s*github\.com/hashicorp/consul (v\S+)`)

func serverVersion(module string) (string, error) {
	path := filepath.Join(module, "go.mod")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	m := consulRequirement.FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("%s: does not require github.com/hashicorp/consul", path)
	}
	return string(m[1]), nil
}

// lock takes an exclusive lock on a file, which ends with the process at the latest.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
