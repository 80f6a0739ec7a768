package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lictor/internal/config"
)

// cacheFolder makes a folder whose data file is gone, so that only its cache can answer.
func cacheFolder(t *testing.T) (dir string, args []string) {
	t.Helper()
	dir = folder(t, map[string]string{"data.yaml": "kv: {k: from the cache}\n", "in.ctmpl": `{{key "k"}}`})
	args = []string{"-cache", "cache", "-data", "data.yaml", "-template", "in.ctmpl:out"}
	d := start(t, dir, "lictor", append(args, "-once")...)
	if code := d.exit(patience); code != exitOK || d.printed() != "" {
		t.Fatalf("exit code %d, printed %q", code, d.printed())
	}
	info, err := os.Stat(filepath.Join(dir, "cache/answers.json"))
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("the cache has mode %v, error %v", info.Mode(), err)
	}
	write(t, dir, "data.yaml", "{damaged")
	if err := os.Remove(filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	return dir, args
}

func TestCacheThatIsNoGoodIsNotUsed(t *testing.T) {
	t.Parallel()
	const replaced, unusable = "the cache is not used, and will be replaced", "the cache can't be used"
	for _, c := range []struct {
		name      string
		spoil     func(path string) error
		says, why string
		needsRoot bool
		otherwise bool // for who is not root
	}{
		{name: "good", spoil: func(path string) error { return nil }},
		{name: "cut off", spoil: func(path string) error { return os.Truncate(path, 100) }, says: replaced, why: "is damaged"},
		{name: "edited", spoil: edit(`"Flags":0`, `"Flags":1`), says: replaced, why: "hash does not match"},
		{name: "null", spoil: func(path string) error { return os.WriteFile(path, []byte("null"), 0o600) }, says: replaced, why: "version 0"},
		{name: "for others to write", spoil: func(path string) error { return os.Chmod(path, 0o620) }, says: replaced, why: "belongs to user"},
		{name: "somebody else's", spoil: func(path string) error { return os.Chown(path, 65534, -1) }, says: replaced, why: "belongs to user 65534", needsRoot: true},
		{name: "unreadable", spoil: func(path string) error { return os.Chmod(path, 0) }, says: unusable, why: "permission denied", otherwise: true},
		{name: "no folder", spoil: func(path string) error {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				return err
			}
			return os.WriteFile(filepath.Dir(path), nil, 0o600)
		}, says: unusable, why: "not a directory"},
		{name: "fifo", spoil: func(path string) error { os.Remove(path); return syscall.Mkfifo(path, 0o600) }, says: unusable, why: "is no regular file"},
		{name: "a folder", spoil: func(path string) error { os.Remove(path); return os.Mkdir(path, 0o700) }, says: unusable, why: "is no regular file"},
		{name: "link", spoil: func(path string) error {
			if err := os.Rename(path, path+".real"); err != nil {
				return err
			}
			return os.Symlink(path+".real", path)
		}, says: unusable, why: "is a symbolic link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if root := os.Geteuid() == 0; c.needsRoot && !root || c.otherwise && root {
				t.Skip("not for this user")
			}
			dir, args := cacheFolder(t)
			path := filepath.Join(dir, "cache/answers.json")
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			if c.says == "" {
				start(t, dir, "lictor", args...).file("out", "from the cache")
				return
			}
			d := start(t, dir, "lictor", append(args, "-start-timeout", "300ms")...)
			if code := d.exit(patience); code != exitRuntime || read(t, dir, "out") != "" {
				t.Errorf("exit code %d, file %q, without any data", code, read(t, dir, "out"))
			}
			if strings.Count(d.printed(), c.says) != 1 || !strings.Contains(d.printed(), c.why) {
				t.Errorf("want one warning %q that says why: %q", c.says, c.why)
			}
			write(t, dir, "data.yaml", "kv: {k: live}\n")
			d = start(t, dir, "lictor", append(args, "-once")...)
			if code := d.exit(patience); code != exitOK || read(t, dir, "out") != "live" || strings.Count(d.printed(), "\n") != 1 {
				t.Errorf("exit code %d, file %q, printed %q", code, read(t, dir, "out"), d.printed())
			}
			d = start(t, dir, "lictor", append(args, "-once")...)
			if code := d.exit(patience); code != exitOK || strings.Contains(d.printed(), unusable) != (c.says == unusable) || strings.Contains(d.printed(), replaced) {
				t.Errorf("the second time: exit code %d, printed %q", code, d.printed())
			}
			if info, err := os.Stat(path); c.says == replaced && (err != nil || info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid())) {
				t.Errorf("the new cache: %v, %v", info, err)
			}
		})
	}
}

// edit replaces text in a file.
func edit(old, new string) func(path string) error {
	return func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, new)), 0o600)
	}
}

// What another registry has answered does not stand in for this one.
func TestCacheOfAnotherRegistryIsNotUsed(t *testing.T) {
	t.Parallel()
	dir, _ := cacheFolder(t)
	write(t, dir, "other.yaml", "{damaged")
	for _, args := range [][]string{{"-data", "other.yaml"}, {"-data", "data.yaml", "-set", "kv/x=y"}, {"-consul", "127.0.0.1:1"}} {
		args = append(args, "-cache", "cache", "-template", "in.ctmpl:out", "-start-timeout", "300ms")
		d := start(t, dir, "lictor", args...)
		if code := d.exit(patience); code != exitRuntime || read(t, dir, "out") != "" || !strings.Contains(d.printed(), "is about another registry") {
			t.Errorf("%v: exit code %d, file %q", args, code, read(t, dir, "out"))
		}
	}
}

func TestRegistryName(t *testing.T) {
	consul := func(address string, ssl config.Switch, namespace string) config.Config {
		return config.Config{Consul: config.Consul{Address: address, SSL: config.SSL{Enabled: ssl}, Namespace: namespace}}
	}
	named := func(cfg config.Config) string { return (&assembly{cfg: cfg}).registryName() }
	for _, c := range []struct {
		cfg  config.Config
		want string
	}{
		{consul("h:8500", config.Off, ""), `consul http://h:8500 namespace ""`},
		{consul("http://h:8500/", config.Off, ""), `consul http://h:8500 namespace ""`},
		{consul("h:8500", config.On, "ns"), `consul https://h:8500 namespace "ns"`},
		{consul("https://h:8501", config.Off, ""), `consul https://h:8501 namespace ""`},
		{consul("unix:///run/consul", config.On, ""), `consul unix:///run/consul namespace ""`},
		{config.Config{Data: []string{"a", "b"}}, `data files ["a" "b"] with assignments `},
	} {
		if got := named(c.cfg); !strings.HasPrefix(got, c.want) {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	secret := config.Config{Set: []string{"k=secret"}}
	if other := (config.Config{Set: []string{"k=other"}}); named(secret) == named(other) || strings.Contains(named(secret), "secret") {
		t.Errorf("%s and %s", named(secret), named(other))
	}
	both := consul("h:8500", config.Off, "")
	both.Data = []string{"a"}
	for usual, want := range map[string]string{"": "data files", "consul": "consul http://h:8500"} {
		both.DefaultSource = usual
		if got := named(both); !strings.HasPrefix(got, want) || usual != "" && !strings.Contains(got, "data files") {
			t.Errorf("with the default source %q it is %s", usual, got)
		}
	}
}
