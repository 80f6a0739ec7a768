package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A testCase is one recorded case; ../shared/conformance/README.md says what each field means.
type testCase struct {
	Name     string
	Template string
	Env      map[string]string
	Files    map[string]string
	Args     []string
	Config   string
	Out      string
	Needs    []string
	Quirk    string

	Want       *string
	WantBase64 *string                                   `json:"want_base64"`
	WantFiles  map[string]struct{ Content, Mode string } `json:"want_files"`
	WantStdout *string                                   `json:"want_stdout"`
	WantNoFile bool                                      `json:"want_no_file"`
	WantError  bool                                      `json:"want_error"`
	ExitCode   *int                                      `json:"exit_code"`
	WantBlocks bool                                      `json:"want_blocks"`
}

// corpus is where the recorded cases are, or "" where they are not there; then the test is skipped, or in CI fails.
func corpus(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/conformance")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: CI must run the recorded cases", dir)
		}
		t.Skipf("%s is missing: the recorded cases are not part of this repository", dir)
	}
	return dir
}

func loadCases(t *testing.T) []testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus(t), "cases", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var cases []testCase
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var c testCase
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		c.Name = strings.TrimSuffix(filepath.Base(f), ".json")
		cases = append(cases, c)
	}
	return cases
}

// How long a case may run, and how long one that should wait is watched waiting.
const (
	caseTimeout  = 60 * time.Second
	blockTimeout = 3 * time.Second
)

// An outcome is what a run of a case did, with the case's folder written as ${DIR}.
type outcome struct {
	blocked        bool
	exit           int
	stdout, stderr string
	out            *string // the output file, nil where there is none
	dir            string
}

// run runs the case in a folder of its own, with source as the flags that say where data comes from.
func (c testCase) run(t *testing.T, binary string, source []string) outcome {
	t.Helper()
	dir := t.TempDir()
	in := func(s string) string { return strings.ReplaceAll(s, "${DIR}", dir) }
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(in(text)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, text := range c.Files {
		write(name, text)
	}
	template := write("in.ctmpl", c.Template)

	args := append([]string{"-once"}, source...)
	for _, a := range c.Args {
		args = append(args, in(a))
	}
	switch {
	case c.Config == "":
		args = append(args, "-template", template+":"+filepath.Join(dir, "out"))
	case strings.HasPrefix(strings.TrimSpace(c.Config), "{"):
		args = append(args, "-config", write("config.json", c.Config))
	default:
		args = append(args, "-config", write("config.hcl", c.Config))
	}

	limit := caseTimeout
	if c.WantBlocks {
		limit = blockTimeout
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, &stdout, &stderr, time.Second
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "DIR=" + dir}
	for name, value := range c.Env {
		cmd.Env = append(cmd.Env, name+"="+in(value))
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		t.Fatal(err)
	}
	from := func(s string) string { return strings.ReplaceAll(s, dir, "${DIR}") }
	o := outcome{blocked: ctx.Err() != nil, exit: cmd.ProcessState.ExitCode(), stdout: from(stdout.String()), stderr: from(stderr.String()), dir: dir}
	name := c.Out
	if name == "" {
		name = "out"
	}
	if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
		out := from(string(text))
		o.out = &out
	}
	return o
}

// check tells how an outcome differs from what the case wants, or nil. An error may be worded as we like, but is one line.
func (c testCase) check(o outcome) error {
	switch {
	case c.WantBlocks && !o.blocked:
		return fmt.Errorf("exit %d, but it should wait: %s", o.exit, o.stderr)
	case c.WantBlocks && o.out != nil:
		return fmt.Errorf("wrote %q, but it should wait", *o.out)
	case c.WantBlocks:
		return nil
	case o.blocked:
		return fmt.Errorf("still running after %s: %s", caseTimeout, o.stderr)
	case c.WantError:
		return c.checkError(o)
	case o.exit != 0:
		return fmt.Errorf("exit %d: %s", o.exit, o.stderr)
	case c.WantStdout != nil && o.stdout != *c.WantStdout:
		return fmt.Errorf("printed %q\n  want %q", o.stdout, *c.WantStdout)
	case c.WantNoFile && o.out != nil:
		return fmt.Errorf("wrote %q, but no file is wanted", *o.out)
	}
	if err := c.checkOutput(o); err != nil {
		return err
	}
	for name, want := range c.WantFiles {
		path := filepath.Join(o.dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if mode := fmt.Sprintf("%04o", info.Mode().Perm()); string(text) != want.Content || mode != want.Mode {
			return fmt.Errorf("%s is %q with mode %s\n  want %q with mode %s", name, text, mode, want.Content, want.Mode)
		}
	}
	return nil
}

func (c testCase) checkError(o outcome) error {
	switch {
	case o.exit == 0:
		return errors.New("exit 0, an error is wanted")
	case c.ExitCode != nil && o.exit != *c.ExitCode:
		return fmt.Errorf("exit %d, want %d: %s", o.exit, *c.ExitCode, o.stderr)
	case o.out != nil:
		return fmt.Errorf("wrote %q in spite of the error", *o.out)
	}
	// The log may tell of it too; the program's own last word is one line.
	lines := strings.Split(strings.TrimSuffix(o.stderr, "\n"), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "lictor: ") || strings.Count(o.stderr, "lictor: ") != 1 {
		return fmt.Errorf("the error is not one line: %q", o.stderr)
	}
	return nil
}

func (c testCase) checkOutput(o outcome) error {
	want := c.Want
	if c.WantBase64 != nil {
		text, err := base64.StdEncoding.DecodeString(*c.WantBase64)
		if err != nil {
			return err
		}
		s := string(text)
		want = &s
	}
	switch {
	case want == nil:
		return nil
	case o.out == nil:
		return fmt.Errorf("no output file, want %q", *want)
	case *o.out != *want:
		return fmt.Errorf("got  %q\n  want %q", *o.out, *want)
	}
	return nil
}

func (c testCase) needs(what string) bool { return slices.Contains(c.Needs, what) }
