// Package cases runs tests of templates. A case is one txtar file: a template, the data that it is rendered from, and the
// output or error that is wanted.
package cases

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"lictor/internal/spell"
	"lictor/watch/file"
)

// A Case is one case as its file says it.
type Case struct {
	Name string // the file's path below the folder that was searched, without its ending
	Path string

	template     string   // a file's path; "" where the case holds the template itself
	data         []string // data files, each layered over those before
	sets         []string // assignments over the data
	env          []string // NAME=VALUE
	check        string   // a command that must accept the output
	left, right  string   // delimiters, "" for the usual ones
	errorOnNoKey bool
	want         string    // a file that holds the wanted output; "" where the case holds it
	now          time.Time // what the template takes for the time; zero for the real one

	archive *txtar.Archive
}

// The sections of a case.
const (
	sectionTemplate = "template"
	sectionWant     = "want"
	sectionError    = "error"
	sectionEnv      = "env"
	sectionCheck    = "check"
)

// read reads a case. Its error names file and line.
func read(name, path string) (*Case, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &Case{Name: name, Path: path, archive: txtar.Parse(text)}
	for i, line := range strings.Split(string(c.archive.Comment), "\n") {
		if err := c.setting(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
	}
	if err := c.sections(); err != nil {
		return nil, err
	}
	if (c.template == "") == (c.section(sectionTemplate) == nil) {
		return nil, fmt.Errorf("%s:1: want either a line \"template: FILE\" or a section \"-- template --\"", path)
	}
	if c.section(sectionError) != nil && (c.section(sectionWant) != nil || c.want != "") {
		return nil, fmt.Errorf("%s:1: a case wants an output or an error, not both", path)
	}
	return c, nil
}

// Settings lists what can be set above the first section of a case.
func Settings() []string {
	return []string{"template", "data", "set", "env", "check", "delimiters", "error_on_missing_key", "want", "now"}
}

// setting reads a line above the first section: "name: value", a comment, or nothing.
func (c *Case) setting(line string) error {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	if !ok || strings.Contains(name, " ") {
		return fmt.Errorf("%q is no setting (name: value); a comment begins with #", line)
	}
	if value == "" {
		return fmt.Errorf("nothing follows %q", name+":")
	}
	switch name {
	case "template":
		c.template = c.beside(value)
	case "data":
		c.data = append(c.data, c.beside(value))
	case "set":
		c.sets = append(c.sets, value)
	case "env":
		return c.addEnv(value)
	case "check":
		c.check = value
	case "delimiters":
		left, right, ok := strings.Cut(value, " ")
		if !ok {
			return fmt.Errorf("delimiters: want the left and the right one, with a blank between")
		}
		c.left, c.right = left, strings.TrimSpace(right)
	case "error_on_missing_key":
		var err error
		if c.errorOnNoKey, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("error_on_missing_key: want true or false, found %q", value)
		}
	case "want":
		c.want = c.beside(value)
	case "now":
		var err error
		if c.now, err = time.Parse(time.RFC3339, value); err != nil {
			return fmt.Errorf("now: want a time such as 2026-01-31T12:00:00Z, found %q", value)
		}
	default:
		hint := "there are " + strings.Join(Settings(), ", ")
		if near := spell.Closest(name, Settings()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return fmt.Errorf("unknown setting %q: %s", name, hint)
	}
	return nil
}

func (c *Case) addEnv(assignment string) error {
	name, _, ok := strings.Cut(assignment, "=")
	if !ok || name == "" {
		return fmt.Errorf("env: want NAME=VALUE, found %q", assignment)
	}
	c.env = append(c.env, assignment)
	return nil
}

// beside is a path as the case means it: relative to its own folder.
func (c *Case) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.Path), path)
}

// sections checks the names of the sections, and reads those that are settings in another form.
func (c *Case) sections() error {
	seen := map[string]bool{}
	for i, f := range c.archive.Files {
		at := fmt.Sprintf("%s:%d: ", c.Path, c.offset(i))
		if seen[f.Name] {
			return fmt.Errorf("%ssection %q is there twice", at, f.Name)
		}
		seen[f.Name] = true
		switch {
		case isData(f.Name), slices.Contains([]string{sectionTemplate, sectionWant, sectionError}, f.Name):
		case f.Name == sectionCheck:
			c.check = string(f.Data)
		case f.Name == sectionEnv:
			for line := range strings.Lines(string(f.Data)) {
				if line = strings.TrimSuffix(line, "\n"); line == "" || line[0] == '#' {
					continue
				}
				if err := c.addEnv(line); err != nil {
					return fmt.Errorf("%s%w", at, err)
				}
			}
		default:
			return fmt.Errorf("%sunknown section %q: there are template, data (or NAME.yaml, NAME.json), env, want, error and check", at, f.Name)
		}
	}
	return nil
}

// isData tells whether a section is a data file.
func isData(name string) bool {
	return name == "data" || slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name))
}

// section is the section of a name, nil where there is none.
func (c *Case) section(name string) *txtar.File {
	if i := c.index(name); i >= 0 {
		return &c.archive.Files[i]
	}
	return nil
}

func (c *Case) index(name string) int {
	return slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == name })
}

// offset is how many lines of the case come before the text of its section i: the last of them is its marker.
func (c *Case) offset(i int) int {
	n := bytes.Count(c.archive.Comment, []byte("\n")) + 1
	for _, f := range c.archive.Files[:i] {
		n += bytes.Count(f.Data, []byte("\n")) + 1
	}
	return n
}

// templateText is the template, what errors call it, and in which line of that it begins, counted from 0.
func (c *Case) templateText() (name, text string, offset int, err error) {
	if i := c.index(sectionTemplate); i >= 0 {
		return filepath.Base(c.Path), string(c.archive.Files[i].Data), c.offset(i), nil
	}
	b, err := os.ReadFile(c.template)
	if err != nil {
		return "", "", 0, fmt.Errorf("failed to read template: %w", err)
	}
	return c.relative(c.template), string(b), 0, nil
}

// relative is a path as it is seen from the case, so that errors are the same wherever the cases are run from.
func (c *Case) relative(path string) string {
	if rel, err := filepath.Rel(filepath.Dir(c.Path), path); err == nil {
		return rel
	}
	return path
}

// loadData layers the data: files, then sections, then assignments.
func (c *Case) loadData() (*file.Data, error) {
	d := &file.Data{}
	for _, path := range c.data {
		info, err := os.Stat(path)
		if err == nil && info.Size() > file.MaxSize {
			err = fmt.Errorf("%s is larger than %d MiB, the most that is read", c.relative(path), file.MaxSize>>20)
		}
		if err != nil {
			return nil, fmt.Errorf("data file: %w", err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("data file: %w", err)
		}
		if err := d.Merge(c.relative(path), text); err != nil {
			return nil, err
		}
	}
	for i, f := range c.archive.Files {
		if !isData(f.Name) {
			continue
		}
		// The lines before it make the lines of errors those of the case.
		text := append(bytes.Repeat([]byte("\n"), c.offset(i)), f.Data...)
		if err := d.Merge(filepath.Base(c.Path), text); err != nil {
			return nil, err
		}
	}
	for _, a := range c.sets {
		if err := d.Set(a); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// wanted is the output that the case wants; nil where it wants an error, or says nothing yet.
func (c *Case) wanted() ([]byte, error) {
	if c.want != "" {
		b, err := os.ReadFile(c.want)
		if os.IsNotExist(err) {
			return nil, nil
		}
		return b, err
	}
	if f := c.section(sectionWant); f != nil {
		return withoutMark(f.Data), nil
	}
	return nil, nil
}

// noNewline is how a section says that the output does not end with a newline, which txtar can't.
const noNewline = "\\ no newline at the end\n"

func withoutMark(section []byte) []byte {
	if text, marked := bytes.CutSuffix(section, []byte(noNewline)); marked {
		return bytes.TrimSuffix(text, []byte("\n"))
	}
	return append([]byte{}, section...)
}

func withMark(output []byte) []byte {
	if len(output) == 0 || bytes.HasSuffix(output, []byte("\n")) {
		return output
	}
	return append(append([]byte{}, output...), "\n"+noNewline...)
}
