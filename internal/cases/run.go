package cases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"lictor/funcs"
	"lictor/internal/command"
	"lictor/internal/engine"
	"lictor/internal/oneshot"
	"lictor/renderer"
	"lictor/watch"
	"lictor/watch/file"
)

// A Result is how a case ended.
type Result struct {
	Name    string
	Path    string
	Elapsed time.Duration
	// Failure says why the case failed, in one or more lines; "" where it passed.
	Failure string
	// Diff is how the output differs from what is wanted, in unified form; "" where it does not.
	Diff string
	// Updated says that the wanted output was written anew.
	Updated bool
}

// Passed tells whether the case passed.
func (r Result) Passed() bool { return r.Failure == "" && r.Diff == "" }

// A Runner runs cases. The zero Runner checks and changes nothing.
type Runner struct {
	// Update writes what came out into the cases, in place of what they want.
	Update bool
	// Parallel is how many cases run at a time; 0 is as many as there are processors.
	Parallel int
}

// Find lists the cases below paths, which are folders or cases themselves, whose names match only (nil is all). A case's
// name is its path without the ending, below the folder that it was found in. Folders whose names begin with a dot are
// left out.
func Find(paths []string, only *regexp.Regexp) (found []Location, err error) {
	add := func(name, path string) {
		name = filepath.ToSlash(strings.TrimSuffix(name, ending))
		if only == nil || only.MatchString(name) {
			found = append(found, Location{name, path})
		}
	}
	for _, root := range paths {
		info, err := os.Stat(root)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			add(root, root)
			continue
		}
		err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
				return filepath.SkipDir
			case !entry.IsDir() && filepath.Ext(path) == ending:
				rel, _ := filepath.Rel(root, path)
				add(rel, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

const ending = ".txtar"

// A Location is where a case is.
type Location struct{ Name, Path string }

// Run runs cases, several at a time, and reports their results in the order of the cases. When ctx ends, the commands
// that run get ended, and the cases fail.
func (r *Runner) Run(ctx context.Context, list []Location) []Result {
	results := make([]Result, len(list))
	var group errgroup.Group
	group.SetLimit(r.Parallel)
	if r.Parallel == 0 {
		group.SetLimit(runtime.GOMAXPROCS(0))
	}
	for i, at := range list {
		group.Go(func() error {
			begun := time.Now()
			results[i] = r.one(ctx, at)
			results[i].Elapsed = time.Since(begun)
			return nil
		})
	}
	group.Wait() //nolint:errcheck // the results have the errors
	return results
}

// one runs a case.
func (r *Runner) one(ctx context.Context, at Location) Result {
	result := Result{Name: at.Name, Path: at.Path}
	c, err := read(at.Name, at.Path)
	if err != nil {
		result.Failure = err.Error()
		return result
	}
	output, renderErr := c.render(ctx)
	if r.Update {
		if result.Updated, err = c.update(output, renderErr); err != nil {
			result.Failure = fmt.Sprintf("%s: %v", c.Path, err)
			return result
		}
	}
	c.judge(&result, output, renderErr)
	if result.Passed() && renderErr == nil && c.check != "" {
		if err := c.runCheck(ctx, output); err != nil {
			result.Failure = err.Error()
		}
	}
	return result
}

// judge compares what came out with what is wanted.
func (c *Case) judge(result *Result, output []byte, err error) {
	want, readErr := c.wanted()
	wantError := c.section(sectionError)
	switch {
	case readErr != nil:
		result.Failure = readErr.Error()
	case err != nil && wantError == nil:
		result.Failure = err.Error()
	case err != nil:
		for line := range strings.Lines(string(wantError.Data)) {
			if line = strings.TrimSpace(line); !strings.Contains(err.Error(), line) {
				result.Failure = fmt.Sprintf("another error than wanted:\n  have: %s\n  want: %s", err, line)
				return
			}
		}
	case wantError != nil:
		result.Failure = fmt.Sprintf("no error, where one is wanted: %s", bytes.TrimSpace(wantError.Data))
	case want == nil:
		result.Failure = "nothing is wanted yet: look at the output with lictor test -update, which writes it into the case"
		if c.want != "" {
			result.Failure = fmt.Sprintf("%s is not there yet: lictor test -update writes it", c.relative(c.want))
		}
	default:
		result.Diff = renderer.Diff("want", "have", want, output)
	}
}

// render renders the case's template on its data.
func (c *Case) render(ctx context.Context) ([]byte, error) {
	name, text, offset, err := c.templateText()
	if err != nil {
		return nil, err
	}
	data, err := c.loadData()
	if err != nil {
		return nil, err
	}
	fixed, err := file.NewFixed(data)
	if err != nil {
		return nil, err
	}
	options := funcs.Options{Env: c.lookupEnv, Sources: watch.SourceNames{"data", "consul"}} // the data stands in for Consul
	if !c.now.IsZero() {
		options.Now = func() time.Time { return c.now }
	}
	tmpl, err := engine.Parse(name, text, engine.Options{Left: c.left, Right: c.right, ErrorOnMissingKey: c.errorOnNoKey},
		func(p *engine.Pass) template.FuncMap { return funcs.Map(ctx, p, options) })
	if err != nil {
		return nil, shift(err, name, offset)
	}
	files := &localFiles{of: c}
	w := watch.New(watch.Route(func(q watch.Query) watch.Source {
		if _, ok := q.(watch.File); ok {
			return files
		}
		return fixed
	}), slog.New(slog.DiscardHandler))
	w.Retry = watch.Retry{Attempts: -1, PermanentIsFinal: true}
	defer w.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, err := oneshot.Render(ctx, w, tmpl)
	return done.Output, shift(err, name, offset)
}

// localFiles answers for the files that a template reads, whose paths are relative to the case as all others are.
type localFiles struct {
	of       *Case
	contents file.Contents
}

var _ watch.Source = (*localFiles)(nil)

// Follow is the [watch.Source]'s.
func (l *localFiles) Follow(ctx context.Context, changes <-chan watch.Change) {
	watch.PerQuery(func(ctx context.Context, q watch.Query, report watch.Report) error {
		if f, ok := q.(watch.File); ok {
			q = watch.File{Path: l.of.beside(f.Path)}
		}
		return watch.Follow(ctx, &l.contents, q, report)
	}).Follow(ctx, changes)
}

// lookupEnv is the template's whole environment: that of the machine is none of a test's business.
func (c *Case) lookupEnv(name string) (string, bool) {
	for i := len(c.env) - 1; i >= 0; i-- {
		if n, value, _ := strings.Cut(c.env[i], "="); n == name {
			return value, true
		}
	}
	return "", false
}

// shift makes the lines in an error about a template that stands inside of a case those of the case.
func shift(err error, name string, offset int) error {
	if err == nil || offset == 0 {
		return err
	}
	at := regexp.MustCompile(regexp.QuoteMeta(name) + `:(\d+)`)
	return errors.New(at.ReplaceAllStringFunc(err.Error(), func(s string) string {
		n, _ := strconv.Atoi(s[len(name)+1:])
		return fmt.Sprintf("%s:%d", name, n+offset)
	}))
}

// checkTimeout is how long a check command may run.
const checkTimeout = time.Minute

// runCheck runs the case's check on the output, in the case's folder.
func (c *Case) runCheck(ctx context.Context, output []byte) error {
	dir, err := os.MkdirTemp("", "lictor-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := "output"
	if c.template != "" { // some programs tell by its ending what a file is
		name = strings.TrimSuffix(filepath.Base(c.template), filepath.Ext(c.template))
	}
	staged := filepath.Join(dir, name)
	if err := os.WriteFile(staged, output, 0o600); err != nil {
		return err
	}
	var printed bytes.Buffer
	// The names are those of the check in a configuration.
	text := command.FillIn(c.check, `"$LICTOR_STAGED"`, `"$LICTOR_STAGED_DIR"`)
	check := command.Command{
		Args: []string{text}, Shell: true, Dir: filepath.Dir(c.Path), Timeout: checkTimeout,
		Env:    append(os.Environ(), "LICTOR_STAGED="+staged, "LICTOR_STAGED_DIR="+dir),
		Stdout: &printed, Stderr: &printed,
	}
	if err := check.Run(ctx, slog.New(slog.DiscardHandler)); err != nil {
		return fmt.Errorf("the check does not accept the output: %w\n%s", err, bytes.TrimSpace(printed.Bytes()))
	}
	return nil
}
