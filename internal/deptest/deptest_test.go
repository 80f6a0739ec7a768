// Package deptest holds the import rules of the house, as a test.
package deptest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// leaves are packages that every other may import. They import nothing but the standard library themselves.
var leaves = []string{"lictor/internal/glob", "lictor/internal/retry", "lictor/internal/secret"}

// A ban says which imports a package must not have, itself or through others, leaves apart, and why.
type ban struct{ pkg, imports, why string }

var bans = []ban{
	{"lictor/watch", `^(lictor/|.*\..*/)`, "every source and every reader of answers depends on it, so it depends on nothing but the standard library and leaves"},
	{"lictor/renderer", `^lictor/(watch|funcs|internal/(engine|runner|config))`, "writing files has nothing to do with where their content is from"},
	{"lictor/internal/engine", `^lictor/(funcs|renderer|internal/(runner|config|command))|^lictor/watch/`, "the engine knows no function and no source: functions are bound from outside"},
	{"lictor/internal/runner", `^lictor/(funcs|internal/config)|^lictor/watch/|/cobra$|/consul/api$`, "the event loop works on jobs, however they were configured and whatever answers them"},
	{"lictor/internal/command", `^lictor/(watch|funcs|renderer|internal/(runner|config|engine))`, "running processes has nothing to do with what is rendered"},
	{"lictor/internal/environ", `^lictor/(funcs|renderer|internal/(runner|config))|^lictor/watch/|/consul/api$`, "an environment is made of answers, however it was configured and whatever answers"},
	{"lictor/internal/config", `^lictor/(watch|funcs|renderer|internal/(runner|engine|command))`, "configuration is plain values; cmd/lictor makes things of them"},
	{"lictor/funcs", `^lictor/(renderer|internal/(engine|runner|config|command))|^lictor/watch/`, "functions read answers; who runs them and who answers is not theirs to know"},
	{"lictor/internal/oneshot", `^lictor/(funcs|renderer|internal/(runner|config|command))|^lictor/watch/`, "it renders with whatever functions and source it is given"},
	{"lictor/internal/record", `^lictor/(funcs|renderer|internal/(runner|engine|config|command))|^lictor/watch/consul`, "it turns answers into data, wherever they came from"},
	{"lictor/internal/cases", `^lictor/(internal/(runner|config)|watch/consul)`, "a test must not be able to ask a registry"},
	{"lictor/internal/lint", `^lictor/(renderer|internal/(runner|config|command)|watch/)`, "it reads texts, and runs nothing"},
	{"lictor/watch/cachefile", `^lictor/(funcs|renderer|internal/|watch/)`, "it keeps what is known, whoever said so"},
	{"lictor/watch/consul", `^lictor/(funcs|renderer|internal/|watch/file)`, "a source is a leaf"},
	{"lictor/watch/file", `^lictor/(funcs|renderer|internal/(runner|engine|config|command)|watch/consul)|/consul/api$`, "a source is a leaf, and this one must work with no registry at all"},
}

type pkg struct {
	ImportPath string
	Deps       []string
	GoFiles    []string
	Dir        string
}

// packages lists what the module's packages import, tests left out.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Deps,GoFiles,Dir", "lictor/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

func TestImports(t *testing.T) {
	all := packages(t)
	rules := slices.Clone(bans)
	for _, leaf := range leaves {
		rules = append(rules, ban{leaf, `^(lictor/|.*\..*/)`, "a leaf depends on nothing but the standard library"})
	}
	for _, ban := range rules {
		p, ok := all[ban.pkg]
		if !ok {
			t.Errorf("%s: there is no such package: has it moved?", ban.pkg)
			continue
		}
		banned := regexp.MustCompile(ban.imports)
		std := regexp.MustCompile(`^(vendor/|internal/)`)
		for _, dep := range p.Deps {
			leaf := slices.Contains(leaves, dep) && !slices.Contains(leaves, ban.pkg)
			if banned.MatchString(dep) && !std.MatchString(dep) && !leaf {
				t.Errorf("%s depends on %s: %s", ban.pkg, dep, ban.why)
			}
		}
	}
}

// Only these packages start goroutines, so that it is plain who waits for whom. cases runs tests in an errgroup, which
// waits for them.
var mayGo = regexp.MustCompile(`^lictor/(watch(/.*)?|internal/(command|bench|consultest|cases))$`)

var goStatement = regexp.MustCompile(`(?m)^\s*go\s+[\w(]|\.Go\(func`)

func TestGoroutinesAreStartedInFewPlaces(t *testing.T) {
	for path, p := range packages(t) {
		if mayGo.MatchString(path) {
			continue
		}
		for _, name := range p.GoFiles {
			src, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if at := goStatement.FindIndex(src); at != nil {
				t.Errorf("%s/%s:%d starts a goroutine: only watch/ and internal/command may", path, name, 1+strings.Count(string(src[:at[0]+1]), "\n"))
			}
		}
	}
}
